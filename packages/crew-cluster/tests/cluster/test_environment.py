"""What a scheduler's commands get of the environment."""

from __future__ import annotations

import pytest

from crew_cluster._cluster.environment import clean, without_job

KEPT = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "SLURM_CONF",
    "SGE_ROOT",
    "SGE_CELL",
    "SGE_QMASTER_PORT",
    "SGE_CLUSTER_NAME",
    "PBS_CONF_FILE",
    "PBS_SERVER",
    "LSF_ENVDIR",
    "LSF_BINDIR",
    "KRB5CCNAME",
]
LEAKED = [
    "SLURM_JOB_ID",
    "SLURM_MEM_PER_NODE",
    "SLURM_ARRAY_TASK_ID",
    "SLURMD_NODENAME",
    "SBATCH_PARTITION",
    "SGE_TASK_ID",
    "SGE_O_PATH",
    "SGE_STDOUT_PATH",
    "PBS_JOBID",
    "PBS_O_WORKDIR",
    "PBS_NODEFILE",
    "LSB_JOBID",
    "LS_SUBCWD",
    "CREW_SECRET",
]


@pytest.mark.parametrize("name", KEPT)
def test_what_clients_need_is_kept(name: str) -> None:
    assert clean({name: "x"}) == without_job({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", [*LEAKED, "JOB_ID", "NSLOTS"])
def test_what_a_surrounding_job_would_leak_is_lost(name: str) -> None:
    assert clean({name: "x"}) == without_job({name: "x"}) == {}


def test_a_users_own_variables_go_only_with_the_whole_environment() -> None:
    assert clean({"OMP_NUM_THREADS": "1"}) == {}
    assert without_job({"OMP_NUM_THREADS": "1"}) == {"OMP_NUM_THREADS": "1"}
