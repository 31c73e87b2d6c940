"""Turns options into LSF's directives. Pure."""

from __future__ import annotations

from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.job import Job
from crew_cluster._cluster.ladders import one
from crew_cluster._lsf import memory
from crew_cluster._lsf.options import LsfOptions

# A value may follow at once: "-n4". So "-oo" and "-eo" are about what "-o" and "-e" are about.
DIALECT = Dialect(
    prefix="#BSUB",
    aliases={letter: letter for letter in ("-J", "-M", "-P", "-R", "-U", "-e", "-n", "-o", "-q")},
    attached=True,
)

# What a queue says of its time is not in a job's environment. Clients wait for ever for daemons.
# Nothing here may fail: the user's lines may have said `set -e`.
FIND_END = (
    'crew_life=$(timeout 20 bqueues -l "${LSB_QUEUE:-}" 2>/dev/null |',
    "    awk '/^ *([A-Z]+ +)*RUNLIMIT( |$)/ && !life {",
    '        n = 1; while ($n != "RUNLIMIT") n++',
    "        getline; text = $0",
    "        while (n-- && match(text, /[0-9.]+ min/)) {",
    "            life = n ? 0 : substr(text, RSTART) * 60",
    "            text = substr(text, RSTART + RLENGTH)",
    "        }",
    "    } END { if (life) print int(life) }') || crew_life=",
    '[ -z "$crew_life" ] ||',
    "    export CREW_JOB_END_TIME=$(($(date +%s) - ${SECONDS:-0} + crew_life))",
)


def directives(options: LsfOptions, job: Job, unit: str) -> list[Directive]:
    """What follows from the options for one job.

    Args:
        options: with one value for each list.
        job: what is submitted.
        unit: what the site counts memory in.
    """
    gpus, limit = one(options.gpus), one(options.memory_gigabytes_limit)
    said: list[tuple[str, object]] = [
        ("-J", f'"{job.name}{_indices(options, job)}"'),
        ("-o", _quoted(options.log_output or "/dev/null")),
        ("-e", _quoted(options.log_error)),
        ("-cwd", _quoted(options.cwd)),
        ("-q", options.queue),
        ("-P", options.account),
        ("-sla", options.qos),
        ("-U", options.reservation),
        ("-n", one(options.cores)),
        ("-W", options.whole_minutes),
        ("-M", None if limit is None else memory.limit(limit, unit)),
        # Some versions believe the last one only, so all of it is one.
        ("-R", _requirements(options, unit)),
        ("-gpu", f'"num={gpus}"' if gpus else None),
    ]
    found = [Directive(key, f"{key} {value}") for key, value in said if value is not None]
    if options.exclusive:
        found.append(Directive("-x", "-x"))
    return found


def _indices(options: LsfOptions, job: Job) -> str:
    if not job.is_array:
        return ""
    throttle = "" if options.array_max is None else f"%{options.array_max}"
    return f"[1-{job.count}]{throttle}"


def _quoted(path: object) -> str | None:
    """A path as ``bsub`` reads it back from a script. What cannot be quoted has been refused."""
    return None if path is None else f'"{path}"'


def _requirements(options: LsfOptions, unit: str) -> str | None:
    others = [f"hname!={host}" for host in (options.exclude or "").split(",") if host]
    conditions = [*([f"({options.constraint})"] if options.constraint else []), *others]
    required = one(options.memory_gigabytes_required)
    parts = []
    if conditions:
        parts.append(f"select[{' && '.join(conditions)}]")
    if required is not None:
        parts.append(f"rusage[mem={memory.reserved(required, unit)}]")
    if one(options.cores) is not None:
        parts.append("span[hosts=1]")
    return f'"{" ".join(parts)}"' if parts else None
