"""What runs a launcher's commands on another computer: the class that plugin authors derive from.

A scheduler's client is often on a login node alone. A launcher that gets ``via=`` runs its commands
there and keeps its jobs' files there; its workers come back by the way that the runner knows.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from crew_core._launcher.base import API_VERSION
from crew_core._model.errors import LaunchError

_SECONDS = 60.0
_SHOWN = 500


@dataclass(frozen=True)
class CommandAnswer:
    """What came of a command that was run on another computer.

    Attributes:
        returncode: its exit code; negative: the signal that ended it.
        stdout: what it printed.
        stderr: what it complained.

    Example::

        >>> from crew_core.plugins import CommandAnswer
        >>> CommandAnswer(0, b"4711", b"").stdout
        b'4711'
    """

    returncode: int
    stdout: bytes
    stderr: bytes


class CommandRunner(ABC):
    r"""Another computer, as a launcher needs it: to run commands, and for workers to come back by.

    Derive from it, write ``run``, and name the class in the hook ``crew_runners``. What users give
    as ``via="NAME://ADDRESS"`` is looked up there by its name; ``command_runner`` makes the object.
    A launcher and its monitor have one each. Nothing is done before the first call.

    Args:
        address: what the user gave, such as "ssh://login.cluster".
        options: what the user gave besides; None: the defaults.

    Example::

        >>> import os, subprocess
        >>> from crew_core.plugins import CommandAnswer, CommandRunner
        >>> class Here(CommandRunner):
        ...     def run(self, argv, *, stdin=b"", env=None, seconds=60.0):
        ...         done = subprocess.run(argv, input=stdin, env=env, capture_output=True)
        ...         return CommandAnswer(done.returncode, done.stdout, done.stderr)
        >>> here = Here("here://anywhere")
        >>> here.run(["echo", "hello"]).stdout
        b'hello\n'
        >>> "PATH" in here.environment()
        True
        >>> here.way_back("tls+tcp://10.0.0.1:4000"), here.host_default
        ('tls+tcp://10.0.0.1:4000', None)
        >>> here.close()

    Attributes:
        api_version: the version of crew's plugin interface that the class was written for.
    """

    api_version: ClassVar[int] = API_VERSION

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """No options. A plugin's own frozen dataclass of this name declares the user's keywords."""

    def __init__(self, address: str, options: Any = None) -> None:
        self.address = address
        self.options: Any = self.Options() if options is None else options
        self._environment: dict[str, str] | None = None

    @abstractmethod
    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        seconds: float = _SECONDS,
    ) -> CommandAnswer:
        """Run a command there, to its end; blocks until then.

        Args:
            argv: its words; no shell looks at them.
            stdin: what it reads.
            env: all the variables that it gets; None: those that the computer gives its users.
            seconds: after these it is killed, with all that it started.

        Raises:
            LaunchError: it was not run; ``transient`` where later it may be.
            OSError: it was begun, and what came of it is not known: it took too long, or the
                connection broke.
        """

    def environment(self) -> Mapping[str, str]:
        """The variables that the computer gives its users; asked once.

        Raises:
            LaunchError: it was not reached, or gives no answer.
        """
        if self._environment is None:
            argv = ["env", "-0"]
            try:
                answer = self.run(argv)
            except OSError as error:
                raise LaunchError(f"{self.address}: {error}", transient=True) from error
            if answer.returncode != 0:
                said = answer.stderr.decode(errors="replace").strip()[-_SHOWN:]
                raise LaunchError(f"{self.address}: `{shlex.join(argv)}` failed: {said}")
            entries = answer.stdout.decode(errors="surrogateescape").split("\0")
            self._environment = dict(entry.split("=", 1) for entry in entries if "=" in entry)
        return self._environment

    @property
    def host_default(self) -> str | None:
        """Where the dispatcher listens unless the user says ``host=``; as in ``Launcher``."""
        return None

    def way_back(self, url: str) -> str:
        """What workers beyond that computer are to dial, to get to what is dialled here by ``url``.

        By default the same: they reach this computer directly.

        Raises:
            LaunchError: there is no way.
        """
        return url

    def close(self) -> None:  # noqa: B027 - optional, not forgotten
        """No worker needs it any more: hang up. The next call begins anew."""
