"""The options that all schedulers have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crew_cluster._cluster.checks import (
    check_amount,
    check_count,
    check_count_or_none_at_all,
    check_fields,
    check_flag,
    check_interpreter,
    check_lines,
    check_path,
    check_shell_lines,
    check_word,
    checked,
)
from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.shell import check_shell
from crew_cluster._cluster.template import check_template
from crew_cluster._cluster.units import seconds
from crew_core.plugins import Launcher

Ladder = float | tuple[float, ...] | None
"""An amount, or the amounts to try one after the other, or the site's default."""

WholeLadder = int | tuple[int, ...] | None
"""The same for what can be counted."""

Place = str | Path | None
"""A path, or the default."""

Via = str | Mapping[str, Any] | None
"""A login node, or this computer."""

WORD = checked(check_word)
PATH = checked(check_path)
FLAG = checked(check_flag)
COUNT = checked(check_count)
AMOUNT = checked(check_amount)
LINES = checked(check_lines)
AMOUNTS = checked(check_amount, ladder=True)
COUNTS = checked(check_count, ladder=True)
COUNTS_FROM_ZERO = checked(check_count_or_none_at_all, ladder=True)


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(Launcher.Options):
    """What a user can say about workers on any scheduler.

    Options marked "(steps)" may be lists: after a worker died, the next launch asks for the list's
    next value.

    Attributes:
        verbose: log what the scheduler prints when jobs are submitted.
        command_submit: the program that submits; None: the scheduler's own, found on PATH.
        command_list: the program that lists jobs; None: likewise.
        command_terminate: the program that cancels jobs; None: likewise.
        script_directory: where job scripts, credentials of workers that have not started, and
            output of jobs are kept. Compute nodes must see it. None: under the user's state
            directory.
        script_lines: shell lines that run before the worker starts, such as ``module load``.
            They may be directives, too.
        script_lines_after: shell lines that run after the worker has ended. When its job is
            cancelled, as jobs are when a controller is terminated, or exceeds its time, they have
            the time that the scheduler leaves between its signals: on SLURM 30 seconds by default.
        log_output: where jobs, with their workers and tasks, write what they print, in the
            scheduler's own notation; None: to crew's own logs. ``controller.logs()`` shows either.
        log_error: where jobs write errors; None: where ``log_output`` says.
        account: the account or project that pays.
        gpus: graphics processors of one worker (steps). 0 and None: none.
        exclusive: share the node with no other job.
        walltime_minutes: how long a worker's job may run (steps); None: the site's default.
        array_size: the most workers in one submission, which is an array; None: what the site
            allows. 1: no arrays.
        array_max: the most workers of an array that the scheduler lets run at once.
        extra_directives: lines to add to the script's directives, with or without the scheduler's
            prefix. One that says something else about the same thing replaces the generated one.
        drop_directives: generated directives to leave out, such as "--mem" or "mem".
        python: the interpreter on the nodes; None: the same path as here.
        shell: what the script begins with, after ``#!``. "/bin/bash -l" reads the user's profile.
        template: a file with the script's text, in which ``{{ directives }}``,
            ``{{ script_lines }}``, ``{{ worker }}`` and ``{{ script_lines_after }}`` are replaced;
            ``{{ worker }}`` must be there. Also ``{{ name }}``, ``{{ count }}`` and each option by
            name.
        seconds_command: how long a command of the scheduler may take; looks at the queue 20 seconds
            at most.
        seconds_poll: the longest time between two looks at the queue while they are needed. The
            first ones come sooner.
        via: the login node to run the scheduler's commands on, such as "ssh://login.cluster", which
            crew-ssh reaches; or a table of that address and how to reach it:
            ``{"address": "ssh://login.cluster", "tunnel": True}``. Job scripts are kept there,
            workers come back through it, and ``python`` is then the node's interpreter of the same
            version, found on PATH. None: the scheduler's client is on this computer.
    """

    verbose: bool = field(default=False, metadata=FLAG)
    command_submit: Place = field(default=None, metadata=PATH)
    command_list: Place = field(default=None, metadata=PATH)
    command_terminate: Place = field(default=None, metadata=PATH)
    script_directory: Place = field(default=None, metadata=PATH)
    script_lines: tuple[str, ...] = field(default=(), metadata=checked(check_shell_lines))
    script_lines_after: tuple[str, ...] = field(default=(), metadata=checked(check_shell_lines))
    log_output: Place = field(default=None, metadata=PATH)
    log_error: Place = field(default=None, metadata=PATH)
    account: str | None = field(default=None, metadata=WORD)
    gpus: WholeLadder = field(default=None, metadata=COUNTS_FROM_ZERO)
    exclusive: bool = field(default=False, metadata=FLAG)
    walltime_minutes: Ladder = field(default=None, metadata=AMOUNTS)
    array_size: int | None = field(default=None, metadata=COUNT)
    array_max: int | None = field(default=None, metadata=COUNT)
    extra_directives: tuple[str, ...] = field(default=(), metadata=LINES)
    drop_directives: tuple[str, ...] = field(default=(), metadata=LINES)
    python: Place = field(default=None, metadata=PATH)
    shell: str = field(default="/bin/bash", metadata=checked(check_interpreter))
    template: Place = field(default=None, metadata=PATH)
    seconds_command: float = field(default=60.0, metadata=AMOUNT)
    seconds_poll: float = field(default=30.0, metadata=AMOUNT)
    via: Via = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Explain all options in one place, the docstring of the scheduler's class."""
        super().__init_subclass__(**kwargs)
        if cls.__doc__ and ClusterOptions.__doc__:
            common = ClusterOptions.__doc__.partition("Attributes:\n")[2]
            cls.__doc__ = f"{cls.__doc__.rstrip()}\n{common}"

    def __post_init__(self) -> None:
        check_fields(self)
        check_shell("script_lines", self.script_lines)
        check_shell("script_lines_after", self.script_lines_after)
        if self.template is not None:
            check_template(Path(self.template), self)

    @property
    def seconds_wall_time(self) -> int | None:
        """How long a job may run by these options, where lists are at one of their steps."""
        minutes = one(self.walltime_minutes)
        return None if minutes is None else seconds(minutes)
