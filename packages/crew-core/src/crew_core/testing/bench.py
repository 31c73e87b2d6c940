"""What a check of a launcher works with: launchers, probes to launch, and the end of them all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from crew_core._launcher.base import Launcher
from crew_core._launcher.command import job_name
from crew_core._launcher.report import report_of
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._model.errors import CrewError
from crew_core._model.names import random_name
from crew_core._model.states import JobState
from crew_core.testing import probe as program

if TYPE_CHECKING:
    import crew_core as crew

_POLL_SECONDS = 0.01
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class Report:
    """How a probe was started.

    Attributes:
        arguments: what it was called with.
        environment: all its variables.
        pid: its process, on ``host``.
        group: its process group.
        host: where it runs.
    """

    arguments: list[str]
    environment: dict[str, str]
    pid: int
    group: int
    host: str


@dataclass(frozen=True)
class Probe:
    """A worker that reports how it was started.

    Attributes:
        launch: what a launcher is asked to start.
        folder: where it writes, and is told what to do.
        output: the line that it prints.
    """

    launch: WorkerLaunch
    folder: Path
    output: str
    wait: Callable[[Callable[[], object], str], None] = field(repr=False)

    def report(self) -> Report:
        """Wait until it runs; how it was started."""
        path = self.folder / "report.json"
        self.wait(path.exists, f"{self.launch.name} must start")
        return Report(**json.loads(path.read_text()))

    def release(self, code: int = 0) -> None:
        """Let it end with this exit code, or by this signal when it is negative."""
        unfinished = self.folder / "release.new"
        unfinished.write_text(str(code))
        unfinished.rename(self.folder / "release")

    @property
    def starts(self) -> int:
        """How often it was started."""
        path = self.folder / "starts"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def running(self) -> bool:
        """True while its process lives, wherever that is."""
        path = self.folder / "lock"
        if not path.exists():
            return False
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def await_end(self) -> None:
        """Wait until its process has ended."""
        self.wait(lambda: not self.running, f"{self.launch.name} must end")


class Bench:
    """Makes launchers and probes for one test, and leaves nothing behind.

    Args:
        make: makes a launcher, given a folder for its files.
        folder: a folder of this test that workers can read and write, too.
        python: the interpreter where workers run.
        seconds: how long the platform may take to start or to end a worker.
        limit: the most workers that the platform takes in one submission.
    """

    def __init__(
        self,
        make: Callable[[Path], Launcher],
        folder: Path,
        *,
        python: str,
        seconds: float,
        limit: int,
    ) -> None:
        self.folder = folder
        self.python = python
        self.seconds = seconds
        self.limit = limit
        self._make = make
        self._program = folder / "probe.py"
        self._program.write_text(Path(program.__file__).read_text(encoding="utf-8"))
        self._probes: list[Probe] = []
        self._launched: list[tuple[Launcher, list[Any]]] = []

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A launcher that does not do this is found by the checks of termination.
        for launcher, handles in self._launched:
            with contextlib.suppress(Exception):
                launcher.terminate(handles)
        for probe in self._probes:
            probe.release()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while any(probe.running for probe in self._probes) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def launcher(self) -> Launcher:
        """A new launcher of the kind that is tested."""
        return self._make(self.folder)

    def probe(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        argv: Sequence[str] | None = None,
        log: Path | None = None,
        controller: str = "bench",
        worker: int = 1,
        stubborn: bool = False,
    ) -> Probe:
        """A worker to launch.

        Args:
            arguments: what the program is called with.
            env: variables to add.
            argv: another command line than the program's.
            log: the file for the worker's output.
            controller: the name of the controller that it would work for.
            worker: its slot.
            stubborn: it takes no notice when it is asked to end.
        """
        instance = random_name(8)
        folder = self.folder / f"probe-{instance}"
        folder.mkdir()
        output = f"output of {instance}"
        (folder / "plan.json").write_text(json.dumps({"stubborn": stubborn, "output": output}))
        command = (self.python, "-I", "-S", str(self._program), str(folder), *arguments)
        launch = WorkerLaunch(
            worker=worker,
            instance=instance,
            name=job_name(controller, instance),
            argv=command if argv is None else tuple(argv),
            env=dict(env or {}),
            log=None if log is None else str(log),
        )
        self._probes.append(Probe(launch, folder, output, self.wait))
        return self._probes[-1]

    def probes(self, count: int) -> list[Probe]:
        """Several workers to launch, in slots from 1 up."""
        return [self.probe(worker=slot) for slot in range(1, count + 1)]

    def launch(self, launcher: Launcher, *probes: Probe) -> list[Any]:
        """Ask for these workers in one request; their handles."""
        workers = tuple(probe.launch for probe in probes)
        request = LaunchRequest(controller="bench", launcher=launcher.name, workers=workers)
        handles = launcher.launch(request)
        self._launched.append((launcher, list(handles)))
        return handles

    def start(self, launcher: Launcher, *probes: Probe) -> list[Any]:
        """Ask for these workers and wait until they run; their handles."""
        handles = self.launch(launcher, *probes)
        for probe in probes:
            probe.report()
        return handles

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it did not in time; says what must hold.
        """
        deadline = time.monotonic() + self.seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} within {self.seconds:g} s")
            time.sleep(_POLL_SECONDS)

    def final_state(self, launcher: Launcher, handle: object) -> JobState:
        """Wait until the platform says that a worker has ended; how."""
        states: list[JobState] = []

        def has_ended() -> bool:
            states[:] = poll(launcher, [handle])
            return states[0].final

        self.wait(has_ended, "poll must say that the worker has ended")
        return states[0]

    @contextlib.contextmanager
    def controller(self, launcher: Launcher, **options: Any) -> Iterator[crew.Controller]:
        """A controller with this launcher, whose logs are in the test's folder."""
        import crew_core as crew

        with crew.controller(
            launcher, name=f"bench-{random_name(6)}", log_directory=self.folder, **options
        ) as controller:
            yield controller

    def result(self, controller: crew.Controller, command: str, **data: Any) -> Any:
        """Run a task; its value.

        Raises:
            AssertionError: it has none in time.
        """
        task = controller.push(command, data=data)
        try:
            return task.result(self.seconds)
        except (CrewError, TimeoutError, FutureTimeoutError) as error:
            raise AssertionError(f"a task must run on a worker: {error!r}") from error

    def readable_by_others(self, text: str) -> list[Path]:
        """Files below the test's folder that hold this text and that other users may read."""
        files = [Path(place, name) for place, _, names in os.walk(self.folder) for name in names]
        return [path for path in sorted(files) if _is_public(path) and text in _text_of(path)]


def poll(launcher: Launcher, handles: Sequence[Any]) -> list[JobState]:
    """What a launcher says of these workers, without what it says besides."""
    return [report_of(answer).state for answer in launcher.poll(handles)]


def _is_public(path: Path) -> bool:
    with contextlib.suppress(OSError):  # it may have gone meanwhile
        mode = path.stat().st_mode
        return stat.S_ISREG(mode) and bool(mode & 0o077)
    return False


def _text_of(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_bytes().decode(errors="replace")
    return ""
