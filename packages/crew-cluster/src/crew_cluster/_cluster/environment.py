"""The environment of a scheduler's commands: what they need, and nothing of a job around us."""

from __future__ import annotations

from collections.abc import Mapping

_KEPT = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        # Clients, and Pythons on the nodes, that are not installed where the system looks.
        "LD_LIBRARY_PATH",
        "EGO_TOP",
        "PBS_CONF_FILE",
        "PBS_DEFAULT",
        "PBS_EXEC",
        "PBS_SERVER",
        "SLURM_CLUSTERS",
        "SLURM_CONF",
        "SLURM_CONF_SERVER",
        "XLSF_UIDDIR",
    }
)
_KEPT_BEGINNINGS = ("KRB5", "LSF_", "SGE_")

# Jobs of Grid Engine have these besides the client's own settings.
_OF_SGE_JOBS = (
    "SGE_ACCOUNT",
    "SGE_BINARY_",
    "SGE_CKPT_",
    "SGE_CWD_",
    "SGE_HGR_",
    "SGE_JOB",
    "SGE_O_",
    "SGE_RERUN_",
    "SGE_STD",
    "SGE_TASK_",
)
_OF_JOBS = ("CREW_", "LSB_", "LS_", "LSF_", "PBS_", "SALLOC_", "SBATCH_", "SGE_", "SLURM", "SRUN_")
_NAMES_OF_SGE_JOBS = frozenset(
    {"JOB_ID", "JOB_NAME", "JOB_SCRIPT", "NHOSTS", "NQUEUES", "NSLOTS", "PE_HOSTFILE", "QUEUE"}
)


def clean(variables: Mapping[str, str]) -> dict[str, str]:
    """What a command gets of these: where programs and the scheduler are, and who we are."""
    return {name: value for name, value in variables.items() if _is_kept(name)}


def without_job(variables: Mapping[str, str]) -> dict[str, str]:
    """All of these but those of a surrounding job, for a user who wants workers to have them."""
    return {
        name: value
        for name, value in variables.items()
        if _is_kept(name) or not (name.startswith(_OF_JOBS) or name in _NAMES_OF_SGE_JOBS)
    }


def _is_kept(name: str) -> bool:
    if name in _KEPT:
        return True
    return name.startswith(_KEPT_BEGINNINGS) and not name.startswith(_OF_SGE_JOBS)
