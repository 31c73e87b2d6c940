"""Turns options into Grid Engine's directives. Pure."""

from __future__ import annotations

from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.job import Job
from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.units import mebibytes
from crew_cluster._sge.options import SgeOptions

DIALECT = Dialect(prefix="#$", several=frozenset({"-l"}))

# What a queue says of its time is not in a job's environment. Sites may let nodes ask, or not.
# Nothing here may fail: the user's lines may have said `set -e`.
FIND_END = (
    'crew_life=$("${SGE_BINARY_PATH:-}/qconf" -sq "${QUEUE:-}" 2>/dev/null |',
    """    awk '$1 == "h_rt" && $2 ~ /^[0-9]+:[0-9]+:[0-9]+$/ {""",
    '        split($2, part, ":"); print part[1] * 3600 + part[2] * 60 + part[3]',
    "    }') || crew_life=",
    '[ -z "$crew_life" ] ||',
    "    export CREW_JOB_END_TIME=$(($(date +%s) - ${SECONDS:-0} + crew_life))",
)


def directives(options: SgeOptions, job: Job) -> list[Directive]:
    """What follows from the options for one job, one on each line.

    A path with blanks takes with it whatever else is on its line.
    """
    said: list[tuple[str, object]] = [
        ("-N", job.name),
        # Most queues do not look at what the script begins with.
        ("-S", options.interpreter),
        ("-t", f"1-{job.count}" if job.is_array else None),
        ("-tc", options.array_max if job.is_array else None),
        ("-o", quote(str(options.log_output or "/dev/null"))),
        ("-e", None if options.log_error is None else quote(str(options.log_error))),
        ("-j", "y" if options.log_error is None else "n"),
        ("-q", options.queue),
        ("-P", options.account),
        ("-ar", options.reservation),
        ("-pe", _slots(options)),
        # A worker is replaced by crew, whose choice of the next one's options may be another.
        ("-r", "n"),
        *((f"-l {name}", value) for name, value in _resources(options)),
    ]
    found = [_directive(option, value) for option, value in said if value is not None]
    # Before it kills a job's processes it tells them, and workers leave in order.
    found.append(Directive("-notify", "-notify"))
    if options.cwd:
        found.append(Directive("-cwd", "-cwd"))
    if options.envvars:
        found.append(Directive("-V", "-V"))
    return found


def quote(path: str) -> str:
    """A path as ``qsub`` reads it back from a script. What cannot be quoted has been refused."""
    return f'"{path}"' if any(character.isspace() for character in path) else path


def _directive(option: str, value: object) -> Directive:
    sign = "=" if " " in option else " "
    return Directive(option, f"{option}{sign}{value}")


def _slots(options: SgeOptions) -> str | None:
    cores = one(options.cores)
    return None if cores is None else f"{options.parallel_environment} {cores}"


def _resources(options: SgeOptions) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [
        (options.memory_limit_resource, _memory(one(options.memory_gigabytes_limit))),
        (options.memory_resource, _memory(one(options.memory_gigabytes_required))),
        ("h_rt", options.seconds_wall_time),
        (options.gpu_resource, options.devices or None),
        (options.exclusive_resource, "true" if options.exclusive else None),
        ("hostname", _others(options.exclude)),
    ]
    for part in (options.constraint or "").split(","):
        name, _, value = part.partition("=")
        if name:
            found.append((name, value or "true"))
    return found


def _memory(gibibytes: float | None) -> str | None:
    return None if gibibytes is None else f"{mebibytes(gibibytes)}M"


def _others(hosts: str | None) -> str | None:
    """All hosts but these."""
    names = [name for name in (hosts or "").split(",") if name]
    return f"!({'|'.join(names)})" if names else None
