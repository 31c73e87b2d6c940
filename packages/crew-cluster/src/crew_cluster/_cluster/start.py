"""What a worker's private file says to the shell of its job: variables and command line. Pure."""

from __future__ import annotations

import re
import shlex

from crew_core.plugins import ConfigError, WorkerLaunch

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def start_lines(
    worker: WorkerLaunch, python: str | None = None, *, prints_to_job: bool = False
) -> str:
    """Shell text to be read by a worker's job.

    Args:
        worker: the worker.
        python: the interpreter on the nodes; None: as the worker's command line says.
        prints_to_job: what the worker and its tasks print goes where the job's output goes, and
            the worker's log leads there.

    Raises:
        ConfigError: a variable of the worker cannot be set by a shell.
    """
    argv = worker.argv if python is None else (python, *worker.argv[1:])
    bad = [name for name in worker.env if not _VARIABLE.fullmatch(name)]
    if bad:
        raise ConfigError(f"environment variable {bad[0]!r}: a shell cannot set one of this name")
    lines = [f"export {name}={shlex.quote(value)}" for name, value in worker.env.items()]
    if prints_to_job and worker.log is not None:
        argv = _without_log(argv, worker.log)
        lines.append(_lead(worker.log))
    return "\n".join([*lines, f"set -- {shlex.join(argv)}"]) + "\n"


def _without_log(argv: tuple[str, ...], log: str) -> tuple[str, ...]:
    """The command line without its two words about a log."""
    at = argv.index(log) if log in argv else 0
    return argv[: at - 1] + argv[at + 1 :] if at and argv[at - 1] == "--log" else argv


def _lead(log: str) -> str:
    """Make a link of the log, so that it is found whatever the scheduler calls the job's output."""
    quoted = shlex.quote(log)
    directory = shlex.quote(log.rpartition("/")[0] or "/")
    link = f'ln -sfn -- "$(readlink "/proc/$$/fd/1")" {quoted}'
    return f"{{ mkdir -p -m 700 -- {directory} && {link}; }} 2>/dev/null || :"
