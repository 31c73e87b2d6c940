"""The command runner ``ssh``: what ``via="ssh://login.cluster"`` means. The carrier does it."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from typing import Any

from crew_core.plugins import CommandAnswer, CommandRunner, LaunchError
from crew_ssh._carrier.client import Carrier
from crew_ssh._connection.errors import SshError
from crew_ssh._options.hosts import HostOptions
from crew_ssh._via.options import SshRunnerOptions


class SshRunner(CommandRunner):
    """A login node, reached by SSH.

    Args:
        address: "ssh://host", "ssh://user@host:port", or so with a name of ``~/.ssh/config``.
        options: how it is to be reached.
    """

    Options = SshRunnerOptions

    def __init__(self, address: str, options: Any = None) -> None:
        super().__init__(address, options)
        self._host = HostOptions(
            host=address,
            slots=1,
            python=self.options.python,
            env=self.options.env,
            prologue=self.options.prologue,
        )
        self._carrier: Carrier | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        seconds: float = 60.0,
    ) -> CommandAnswer:
        """Run a command there, to its end."""
        told = self._ask(
            "run",
            argv=[os.fspath(word) for word in argv],
            stdin=base64.b64encode(stdin).decode("ascii"),
            env=None if env is None else dict(env),
            seconds=seconds,
        )
        if "missing" in told:
            raise LaunchError(f"{self.address} cannot run {argv[0]!r}: {told['missing']}")
        if "lost" in told:
            raise ConnectionError(told["lost"])
        if "late" in told:
            raise TimeoutError(f"it took more than {seconds:g} s{_said(told['late'])}")
        out, err = (base64.b64decode(told[name]) for name in ("out", "err"))
        return CommandAnswer(told["code"], out, err)

    @property
    def host_default(self) -> str | None:
        """With a tunnel, nobody else needs a port of ours."""
        return "127.0.0.1" if self.options.tunnel is True else None

    def way_back(self, url: str) -> str:
        """Through the login node, and directly where that may do."""
        return str(self._ask("way_back", url=url))

    def close(self) -> None:
        """Hang up."""
        if self._carrier is not None:
            self._carrier.close()

    def _ask(self, do: str, **details: Any) -> Any:
        if self._carrier is None:
            self._carrier = Carrier(self._told())
        try:
            return self._carrier.ask_once(do, **details)
        except SshError as error:
            raise LaunchError(str(error), transient=error.transient) from error

    def _told(self) -> dict[str, Any]:
        own = self.options
        file = own.ssh_config
        return {
            "gate": {"tunnel": own.tunnel, "relay_address": own.relay_address},
            "hosts": [self._host.plain()],
            "tunnel": True,
            "ssh_config": None if file is None else os.fspath(file),
            "seconds_connect": own.seconds_connect,
            "run_directory": own.run_directory,
        }


def _said(text: str) -> str:
    return f". It had said:\n{text}" if text else ""
