"""Turns options into TORQUE's directives. Pure."""

from __future__ import annotations

import shlex

from crew_cluster._cluster.directives import Directive, arrange
from crew_cluster._cluster.job import Job
from crew_cluster._cluster.ladders import one
from crew_cluster._pbs.script import (
    QsubDialect,
    as_directive,
    indices,
    memory,
    outputs,
    wall_time,
)
from crew_cluster._torque.options import TorqueOptions

DIALECT = QsubDialect(prefix="#PBS")

_OUTPUT = {"-o", "-e", "-j"}


def directives(options: TorqueOptions, job: Job) -> list[Directive]:
    """What follows from the options for one job."""
    said: list[tuple[str, str | None]] = [
        ("-N", job.name),
        ("-t", indices(options, job)),
        *outputs(options),
        ("-q", options.queue),
        ("-A", options.account),
        ("-l nodes", _node(options)),
        ("-l mem", memory(options)),
        ("-l walltime", wall_time(options)),
        ("-l qos", options.qos),
        ("-l advres", options.reservation),
        ("-l naccesspolicy", "singlejob" if options.exclusive else None),
        # A worker is replaced by crew, whose choice of the next one's options may be another.
        ("-r", "n"),
        ("-m", "n"),
    ]
    return [as_directive(key, value) for key, value in said if value is not None]


def output_words(options: TorqueOptions) -> list[str]:
    """Where output goes, as words of a command: in scripts SLURM's ``qsub`` does not read it."""
    said = [as_directive(key, value) for key, value in outputs(options) if value is not None]
    own = [*options.extra_directives, *DIALECT.among(options.script_lines)]
    extra = [text for text in own if _OUTPUT & set(DIALECT.keys(text))]
    lines = arrange(said, DIALECT, drop=options.drop_directives, extra=extra)
    return [word for line in lines for word in _words(DIALECT.bare(line))]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote of the user's: qsub finds it in the script, too
        return []


def _node(options: TorqueOptions) -> str | None:
    """What one worker needs of a node; None where that is left to the site."""
    cores, gpus = one(options.cores), one(options.gpus)
    if cores is None and not gpus and options.constraint is None:
        return None
    parts = ["1", f"ppn={cores or 1}", f"gpus={gpus}" if gpus else "", options.constraint or ""]
    return ":".join(part for part in parts if part)
