"""Runs a scheduler's commands: words, never a shell; a group of their own; a time limit."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple, Protocol

from crew_core.plugins import CrewError, unforked

_SHOWN = 2000
"""How much of what a command printed is shown, from its end."""


class Answer(NamedTuple):
    """What came of a command.

    Attributes:
        argv: the command.
        returncode: its exit code; negative: the signal that ended it.
        stdout: what it printed. Bytes that are no UTF-8 have become question marks.
        stderr: what it complained.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """What it said, complaints first, for an error."""
        said = "\n".join(text for part in (self.stderr, self.stdout) if (text := part.strip()))
        return said[-_SHOWN:] or "nothing"


class CommandError(CrewError):
    """A command could not be run, or gave no answer in time.

    Attributes:
        argv: the command.
        said: what it had printed.
        began: True when it ran, so that it may have done what it was asked.
        transient: True when it may run later.
    """

    def __init__(
        self,
        message: str,
        argv: Sequence[str],
        said: str = "",
        *,
        began: bool,
        transient: bool = False,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.argv = tuple(argv)
        self.said = said
        self.began = began


class Run(Protocol):
    """Runs a command, or in a test something that answers like one."""

    def __call__(self, argv: Sequence[str], *, stdin: bytes | None = None) -> Answer:
        """Run a command to its end.

        Raises:
            CommandError: there is no such program, or it took too long.
        """


class Runner:
    """Runs commands with one environment and one time limit.

    Args:
        environment: all the variables that they get.
        seconds: how long each may take.
        programs: what is to be run instead of programs of these names.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        seconds: float,
        programs: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = dict(environment)
        self._seconds = seconds
        self._programs = dict(programs or {})

    def __call__(self, argv: Sequence[str], *, stdin: bytes | None = None) -> Answer:
        """Run a command to its end, or kill it and all that it started."""
        argv = [self._programs.get(argv[0], argv[0]), *argv[1:]]
        # Files and not pipes: some clients leave a helper that would keep a pipe open.
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(stdin or b"")
            given.seek(0)
            try:
                with unforked():
                    child = subprocess.Popen(
                        argv,
                        stdin=given,
                        stdout=out,
                        stderr=err,
                        env=self._environment,
                        # Ctrl-C in the user's terminal is not for the scheduler's client.
                        start_new_session=True,
                    )
            except OSError as error:
                raise _not_run(argv, error) from error
            code = self._wait(child)
            stdout, stderr = _content(out), _content(err)
        if code is None:
            raise CommandError(
                f"no answer from `{shlex.join(argv)}` within {self._seconds:g} s"
                + _said(stderr + stdout),
                argv,
                stderr + stdout,
                began=True,
            )
        return Answer(tuple(argv), code, stdout, stderr)

    def _wait(self, child: subprocess.Popen[bytes]) -> int | None:
        """Its exit code; None when it had to be killed."""
        try:
            return child.wait(self._seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.returncode is None:  # Ctrl-C comes here, too
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _not_run(argv: Sequence[str], error: OSError) -> CommandError:
    return CommandError(
        f"cannot run {argv[0]!r}: {error.strerror}. Is the scheduler's client installed on this "
        "computer, and on PATH?",
        argv,
        began=False,
    )


def _said(text: str) -> str:
    return f". It had said:\n{text.strip()[-_SHOWN:]}" if text.strip() else ""
