"""Turns options into SLURM's directives. Pure."""

from __future__ import annotations

import re

from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.job import Job
from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.scheduler import output_of
from crew_cluster._cluster.units import mebibytes
from crew_cluster._slurm.options import SlurmOptions

DIALECT = Dialect(
    prefix="#SBATCH",
    aliases={
        "-A": "--account",
        "-C": "--constraint",
        "-J": "--job-name",
        "-N": "--nodes",
        "-a": "--array",
        "-c": "--cpus-per-task",
        "-e": "--error",
        "-n": "--ntasks",
        "-o": "--output",
        "-p": "--partition",
        "-q": "--qos",
        "-t": "--time",
        "-x": "--exclude",
    },
    attached=True,
)

# SLURM tells jobs by SLURM_JOB_END_TIME since version 23. Nothing here may fail: the user's lines
# may have said `set -e`.
FIND_END = (
    'if [ -z "${SLURM_JOB_END_TIME:-}" ]; then',
    '    crew_end=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%e 2>/dev/null) || crew_end=',
    '    [ -z "$crew_end" ] || crew_end=$(date -d "$crew_end" +%s 2>/dev/null) || crew_end=',
    '    [ -z "$crew_end" ] || export CREW_JOB_END_TIME="$crew_end"',
    "fi",
)


def directives(options: SlurmOptions, job: Job) -> list[Directive]:
    """What follows from the options for one job."""
    memory, per_cpu = options.memory_gigabytes_required, options.memory_gigabytes_per_cpu
    said: list[tuple[str, object]] = [
        ("--job-name", job.name),
        ("--array", _array(options, job)),
        ("--output", output_of(options, job, "%a", _plain)),
        ("--error", options.log_error),
        ("--partition", options.partition),
        ("--account", options.account),
        ("--qos", options.qos),
        ("--reservation", options.reservation),
        ("--constraint", options.constraint),
        ("--exclude", options.exclude),
        ("--ntasks", options.n_tasks),
        ("--cpus-per-task", one(options.cpus_per_task)),
        ("--mem", _memory(one(memory))),
        ("--mem-per-cpu", _memory(one(per_cpu))),
        ("--gres", f"gpu:{gpus}" if (gpus := one(options.gpus)) else None),
        ("--time", options.whole_minutes),
    ]
    found = [
        Directive(option, f"{option}={quote(str(value))}")
        for option, value in said
        if value is not None
    ]
    if options.exclusive:
        found.append(Directive("--exclusive", "--exclusive"))
    # A worker is replaced by crew, whose choice of the next one's options may be another.
    found.append(Directive("--no-requeue", "--no-requeue"))
    return found


def quote(value: str) -> str:
    """A value as ``sbatch`` reads it back from a script."""
    if re.fullmatch(r"[^\s\"'\\#]+", value):
        return value
    # A backslash does not help a space; and "#" may begin a comment, even between quotes.
    escaped = re.sub(r'(["\\#])', r"\\\1", value)
    return f'"{escaped}"'


def _array(options: SlurmOptions, job: Job) -> str | None:
    if not job.is_array:
        return None
    throttle = "" if options.array_max is None else f"%{options.array_max}"
    return f"1-{job.count}{throttle}"


def _plain(path: str) -> str:
    return path.replace("%", "%%")


def _memory(gibibytes: float | None) -> str | None:
    return None if gibibytes is None else f"{mebibytes(gibibytes)}M"
