"""Turns options into PBS's directives. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from crew_cluster._cluster.directives import Dialect, Directive, matches
from crew_cluster._cluster.job import Job
from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.units import clock, mebibytes
from crew_cluster._pbs.options import PbsOptions

_WITHOUT_VALUE = frozenset({"-f", "-h", "-I", "-V", "-x", "-X", "-z"})

# These old ways to ask for the whole job cannot stand beside a select.
_INSTEAD_OF_SELECT = frozenset(
    {"mem", "mpiprocs", "ncpus", "nodect", "nodes", "ompthreads", "vmem"}
)

_WALL_TIME = "-l walltime"

# Where the user does not say how long a job may run, its queue does. Nothing here may fail: the
# user's lines may have said `set -eu`.
FIND_END = (
    'if [ -z "${PBS_WALLTIME:-}" ]; then',
    '    crew_limit=$(qstat -f "$PBS_JOBID" 2>/dev/null | awk \'$1 == "Resource_List.walltime" &&',
    "        $3 ~ /^[0-9]+:[0-9]+:[0-9]+$/ "
    '{split($3, t, ":"); print t[1] * 3600 + t[2] * 60 + t[3]}\') || crew_limit=',
    '    [ -z "$crew_limit" ] || export '
    "CREW_JOB_END_TIME=$(($(date +%s) - ${SECONDS:-0} + crew_limit))",
    "fi",
)

GO_TO_WORK = 'cd -- "${PBS_O_WORKDIR:-.}" || :'


class QsubDialect(Dialect):
    """Directives as ``qsub`` reads them: several options may share a line."""

    def keys(self, text: str) -> list[str]:
        """What a user's line is about."""
        return list(dict.fromkeys(self._keys(text)))

    def _keys(self, text: str) -> Iterator[str]:
        words = iter(self.bare(text).split())
        for word in words:
            if len(word) < 2 or word[0] != "-":
                continue
            option, value = word[:2], word[2:]
            if not value and option not in _WITHOUT_VALUE:
                value = next(words, "")
            if option != "-l":
                yield option
                continue
            names = [part.partition("=")[0].strip() for part in value.split(",")]
            yield from (f"-l {name}" for name in names if name)
            if self._instead_of_select & set(names):
                yield from ("-l select", "-l place")

    @property
    def _instead_of_select(self) -> frozenset[str]:
        return frozenset()


class PbsDialect(QsubDialect):
    """Directives of PBS Pro and OpenPBS."""

    @property
    def _instead_of_select(self) -> frozenset[str]:
        return _INSTEAD_OF_SELECT


DIALECT = PbsDialect(prefix="#PBS")


def directives(options: PbsOptions, job: Job) -> list[Directive]:
    """What follows from the options for one job."""
    queue = options.queue if options.reservation is None else options.reservation
    said: list[tuple[str, str | None]] = [
        ("-N", job.name),
        ("-J", indices(options, job)),
        *outputs(options),
        ("-q", queue),
        ("-A", options.account),
        ("-P", options.project),
        ("-l select", _chunk(options)),
        ("-l place", "exclhost" if options.exclusive else None),
        (_WALL_TIME, wall_time(options)),
        # A worker is replaced by crew. PBS does not take it of arrays: those of their jobs that
        # run again find nothing to start.
        ("-r", None if job.is_array else "n"),
        ("-m", "n"),
    ]
    return [as_directive(key, value) for key, value in said if value is not None]


def as_directive(key: str, value: str) -> Directive:
    """A directive of an option and its value; of a resource where the key names one."""
    option, _, resource = key.partition(" ")
    return Directive(key, f"{option} {resource}={quote(value)}" if resource else f"{key} {value}")


def outputs(options: Any) -> list[tuple[str, str | None]]:
    """Where a job's output goes, which the script sends to the job's folder itself.

    PBS would deliver it at the end of the job, and hold up the job if it could not.
    """
    given = options.log_output
    error = options.log_error
    return [
        ("-o", quote("/dev/null" if given is None else str(given))),
        ("-e", None if error is None else quote(str(error))),
        ("-j", "oe" if options.log_join or error is None else "n"),
    ]


def indices(options: Any, job: Job) -> str | None:
    """The indices of an array."""
    if not job.is_array:
        return None
    most = "" if options.array_max is None else f"%{options.array_max}"
    return f"1-{job.count}{most}"


def wall_time(options: Any) -> str | None:
    """How long a job may run."""
    seconds = options.seconds_wall_time
    return None if seconds is None else clock(seconds)


def seconds_told(options: Any, dialect: Dialect) -> int | None:
    """How long a job may run; None where the user's own directives have the last word on it."""
    own = [*options.extra_directives, *dialect.among(options.script_lines)]
    if any(_WALL_TIME in dialect.keys(line) for line in own):
        return None
    dropped = any(matches(_WALL_TIME, dialect.bare(word)) for word in options.drop_directives)
    seconds: int | None = None if dropped else options.seconds_wall_time
    return seconds


def memory(options: Any) -> str | None:
    """How much memory a job has."""
    gibibytes = one(options.memory_gigabytes_required)
    return None if gibibytes is None else f"{mebibytes(gibibytes)}mb"


def quote(value: str) -> str:
    """A value as ``qsub`` reads it back from a script."""
    return re.sub(r"([^\w@%+=:,./^$~\[\]{}*-])", r"\\\1", value)


def _chunk(options: PbsOptions) -> str | None:
    """What one worker needs of a node; None where that is left to the site."""
    cores, gpus = one(options.cores), one(options.gpus)
    wanted = (cores, memory(options), gpus or None, options.constraint, options.exclusive or None)
    if wanted == (None,) * len(wanted):
        return None
    parts = [
        "1",
        f"ncpus={cores or 1}",
        f"mem={memory(options)}" if memory(options) else "",
        f"ngpus={gpus}" if gpus else "",
        options.constraint or "",
    ]
    return ":".join(part for part in parts if part)
