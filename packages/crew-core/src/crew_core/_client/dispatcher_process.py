"""The dispatcher's process: start it, wait until it listens, see that it ends."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from crew_core._model.errors import DispatcherError
from crew_core._wire.spawning import unforked

if TYPE_CHECKING:
    from crew_core._wire.network.settings import NetworkSettings

_LOG_TAIL = 2000


class DispatcherProcess:
    """Owns one dispatcher process, from start to end.

    Args:
        directory: a private directory for its sockets and its log.
        controller: the controller's name, shown in process listings.
        network: where it listens for workers; None: only on this computer.
        segments: what it is to remove at its end, if nobody else needs it; "": nothing.
    """

    def __init__(
        self,
        directory: Path,
        controller: str,
        network: NetworkSettings | None = None,
        segments: str = "",
    ) -> None:
        self.directory = directory
        self._log = directory / "dispatcher.log"
        self._process = self._spawn(directory, controller, network, segments)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_ready(self, seconds: float) -> None:
        """Block until its sockets listen.

        Raises:
            DispatcherError: it died or did not get there in time; it is ended then.
        """
        output = self._process.stdout
        assert output is not None
        line = _read_line(output, seconds)
        output.close()
        if line.strip() != b"READY":
            self.end(0)
            if line.startswith(b"FAILED "):
                raise DispatcherError(f"the dispatcher {line[7:].decode().strip()}")
            raise DispatcherError(
                f"the dispatcher did not start within {seconds:g} s (process {self.pid}, exit code "
                f"{self._process.returncode}). Its last words:\n{self.last_words()}"
            )

    def running(self) -> bool:
        """True while it lives. Reaps it when it does not."""
        return self._process.poll() is None

    def end(self, seconds: float) -> None:
        """Wait for its end; after ``seconds``, ask, and finally force it."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        for step in (None, self._process.terminate, self._process.kill):
            if step is not None:
                with contextlib.suppress(ProcessLookupError):
                    step()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds if step is None else 2.0)
                return

    def how_it_ended(self) -> str:
        """Exit code or signal, in words; call it once the process is known to be gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        if code is None:
            return "it closed its connection but still runs"
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def last_words(self) -> str:
        """The end of what it printed."""
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace")[-_LOG_TAIL:].strip() or "(nothing)"
        return "(its log is gone)"

    def _spawn(
        self, directory: Path, controller: str, network: NetworkSettings | None, segments: str
    ) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "crew_core._dispatcher"]
        argv += ["--directory", os.fspath(directory), "--controller", controller]
        argv += ["--client-pid", str(os.getpid())]
        if segments:
            argv += ["--segments", segments]
        if network is not None:
            argv.append("--network")
        # A module of the user's in the working directory must not shadow one of the dispatcher's.
        environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        with open(os.open(self._log, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as log:
            try:
                # Its own session: Ctrl-C in the user's terminal is not for the dispatcher.
                with unforked():
                    process = subprocess.Popen(
                        argv,
                        stdin=subprocess.DEVNULL if network is None else subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        env=environment,
                        start_new_session=True,
                    )
            except OSError as error:
                raise DispatcherError(
                    f"cannot start the dispatcher ({argv[0]}): {error}"
                ) from error
        if network is not None:
            # Not by its command line or environment, which more people can read.
            _hand_over(process, msgspec.msgpack.encode(network))
        return process


def _hand_over(process: subprocess.Popen[bytes], settings: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it died; that shows soon
        stdin.write(settings)


def _read_line(output: IO[bytes], seconds: float) -> bytes:
    """The first line, or what there is of it when time is up or the writer has gone."""
    line = b""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                break
            chunk = os.read(output.fileno(), 64)
            if not chunk:
                break
            line += chunk
    return line
