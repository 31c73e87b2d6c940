"""Runs one attempt of a job: as a container, or as processes of a session of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbeds import keeper
from testbeds.aws_batch.engine import Engine, EngineError
from testbeds.standin.mom import processes

_LOOK_SECONDS = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class CannotStartError(Exception):
    """The attempt could not be started; the message is what AWS calls its reason."""


@dataclass(frozen=True)
class What:
    """What is to run.

    Attributes:
        image: the container's.
        argv: the command.
        environment: its variables, those of AWS Batch among them.
        memory_bytes: how much it may have.
        init: let a small first process hand signals on, as `initProcessEnabled` asks.
        label: the job's id, for whoever looks at the machine.
    """

    image: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    memory_bytes: int
    init: bool
    label: str


class Run(ABC):
    """One attempt that has been started.

    Attributes:
        out_of_memory: it was ended because it took more memory than it may have.
    """

    out_of_memory: bool = False

    @abstractmethod
    def output(self) -> Iterator[bytes]:
        """What it prints, as it comes; ends with it."""

    @abstractmethod
    def wait(self, seconds: float) -> int | None:
        """Its exit code, 128 and the number for a signal; None when it runs on."""

    @abstractmethod
    def signal(self, number: int) -> None:
        """Send it a signal; nothing when it has ended."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing of it."""


class Runner(ABC):
    """Starts attempts."""

    @abstractmethod
    def start(self, what: What) -> Run:
        """Start one.

        Raises:
            CannotStartError: it cannot.
        """


# ── Processes ──────────────────────────────────────────────────────────────────────────────────


class ProcessRunner(Runner):
    """Runs jobs as processes of this machine; the image must be the one there is.

    Args:
        path: of programs.
        image: the name of the image that there is.
    """

    def __init__(self, path: str, image: str) -> None:
        self._path = path
        self._image = image

    def start(self, what: What) -> Run:
        """Start a session of its own, in a folder of its own."""
        if what.image != self._image:
            raise CannotStartError(
                f"CannotPullContainerError: pull access denied for {what.image}, "
                "repository does not exist or may require authorization"
            )
        return _ProcessRun(self._path, what)


class _ProcessRun(Run):
    def __init__(self, path: str, what: What) -> None:
        self._folder = tempfile.mkdtemp(prefix="crew-job-")
        basics = {"PATH": path, "HOME": self._folder, "LANG": "C.UTF-8"}
        try:
            self._process = subprocess.Popen(
                what.argv,
                env={**basics, **what.environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise CannotStartError(f"CannotStartContainerError: {error}") from None
        self._memory_bytes = what.memory_bytes
        threading.Thread(target=self._hold_to_memory, daemon=True).start()

    def output(self) -> Iterator[bytes]:
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            yield chunk

    def wait(self, seconds: float) -> int | None:
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        # As a container, whose processes end with the first of them.
        keeper.kill(self._members(), signal.SIGKILL)
        return 128 - code if code < 0 else code

    def signal(self, number: int) -> None:
        """To the first process, as an engine does; to all when it is the last one."""
        if self._process.poll() is None:
            keeper.kill({self._process.pid}, number)
            if number == signal.SIGKILL:
                keeper.kill(self._members(), number)

    def close(self) -> None:
        keeper.kill(self._members(), signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _members(self) -> set[int]:
        return {pid for pid, _, session, _ in processes() if session == self._process.pid}

    def _hold_to_memory(self) -> None:
        while self._process.returncode is None:
            if sum(_resident(pid) for pid in self._members()) > self._memory_bytes:
                self.out_of_memory = True
                self.signal(signal.SIGKILL)
            time.sleep(_LOOK_SECONDS)


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * _PAGE_BYTES
    return 0


# ── Containers ─────────────────────────────────────────────────────────────────────────────────


class ContainerRunner(Runner):
    """Runs jobs as containers.

    Args:
        engine: what runs them.
        network: "host" or "bridge".
        binds: folders of this machine that each sees, read-only, at the same place.
        path: of programs.
    """

    def __init__(self, engine: Engine, network: str, binds: Sequence[str], path: str) -> None:
        self._engine = engine
        self._network = network
        self._binds = binds
        self._path = path

    def start(self, what: What) -> Run:
        """Create a container and start it."""
        basics = {"PATH": self._path, "HOME": "/root", "LANG": "C.UTF-8"}
        variables = {**basics, **what.environment}
        host: dict[str, object] = {
            "NetworkMode": self._network,
            "Binds": [f"{folder}:{folder}:ro" for folder in self._binds],
            "Memory": what.memory_bytes,
            "MemorySwap": what.memory_bytes,
            "Init": what.init,
        }
        asked = {
            "Image": what.image,
            "Cmd": list(what.argv),
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Labels": {"crew-job": what.label},
            "WorkingDir": "/root",
            "Tty": False,
            "HostConfig": host,
        }
        try:
            return _ContainerRun(self._engine, self._engine.create(asked))
        except EngineError as error:
            what_failed = "CannotPull" if error.status == 404 else "CannotStart"
            raise CannotStartError(f"{what_failed}ContainerError: {error}"[:255]) from None


class _ContainerRun(Run):
    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._code: int | None = None
        self._ended = threading.Event()
        try:
            engine.start(container)
        except EngineError:
            engine.remove(container)
            raise
        threading.Thread(target=self._await_end, daemon=True).start()

    def output(self) -> Iterator[bytes]:
        return self._engine.output(self._container)

    def wait(self, seconds: float) -> int | None:
        return self._code if self._ended.wait(seconds) else None

    def signal(self, number: int) -> None:
        with contextlib.suppress(EngineError):
            self._engine.kill(self._container, number)

    def close(self) -> None:
        with contextlib.suppress(EngineError):
            self._engine.remove(self._container)

    def _await_end(self) -> None:
        try:
            self._code = self._engine.wait(self._container)
            self.out_of_memory = self._engine.was_out_of_memory(self._container)
        except EngineError:  # somebody removed it
            self._code = 137
        self._ended.set()
