"""Goes through what a controller needs, one step after the other, and ends all that it started."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crew_core._model.errors import CrewError, LaunchError
from crew_core._model.names import random_name

if TYPE_CHECKING:
    from crew_core._controller.controller import Controller
    from crew_core._launcher.finding import Finding
    from crew_core._launcher.processes import OurProcess

_TASK = """
import os, platform, socket, sys
(socket.gethostname(), platform.python_version(), os.getcwd())
"""
_POLL_SECONDS = 0.1
_TASK_SECONDS = 60.0
_LAUNCH_SECONDS = 300.0
_LEAVING_SECONDS = 3.0
_LITTLE_BYTES = 100 << 20


@dataclass(frozen=True)
class Step:
    """How one step went.

    Attributes:
        name: in two or three words.
        ok: it went well.
        said: what was found.
        advice: what to do next, if it did not.
        seconds: how long it took.
        doubtful: it may work, and may not.
    """

    name: str
    ok: bool
    said: str
    advice: str = ""
    seconds: float = 0.0
    doubtful: bool = False


def checkup(name: str, seconds: float | None, *, here: bool) -> Iterator[Step]:
    """Yield each step when it is over; after one that others depend on has failed, no more.

    Args:
        name: of a controller in the configuration, or of a launcher.
        seconds: how long a worker may take to connect; None: as long as its launcher gives it.
        here: examine this computer first.
    """
    if here:
        yield _timed("Python", _python)
        yield _timed("plugins", _plugins)
        yield _timed("configuration", _configuration)
        yield _timed("private files", _private_files)
        yield _timed("logs", _room_for_logs)
        yield _timed("left-overs", _left_overs)
    yield from _Trial(name, seconds).steps()


# ── This computer ──────────────────────────────────────────────────────────────────────────────


def _python() -> str:
    from crew_core._plugins.findings import own_version

    return f"{platform.python_version()} at {sys.executable}, crew-core {own_version()}"


def _plugins() -> str:
    from crew_core._plugins.registry import launchers

    found = launchers()
    broken = [info.problem for info in found if info.problem]
    if broken:
        raise CrewError("; ".join(broken))
    return ", ".join(sorted(info.name for info in found))


def _configuration() -> str:
    from crew_core._controller import configuration
    from crew_core._controller.making import controller

    sections = configuration.sections()
    for section in sections:
        try:
            controller(section.name)
        except TypeError as error:
            raise CrewError(str(error)) from error
    files = ", ".join(sorted({str(section.path) for section in sections}))
    names = ", ".join(section.name for section in sections)
    return f"{names} ({files})" if sections else "no file describes a controller, which is allowed"


def _private_files() -> str:
    from crew_core._wire.places import runtime_directory

    return f"{runtime_directory()} is yours alone"


def _room_for_logs() -> str:
    from crew_core._wire.places import make_directories, state_directory

    directory = state_directory()
    try:
        make_directories(directory)
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise CrewError(f"cannot use {directory}: {error.strerror}. Set XDG_STATE_HOME") from error
    if not os.access(directory, os.W_OK):
        raise CrewError(f"cannot write to {directory}. Set XDG_STATE_HOME to another folder")
    if free < _LITTLE_BYTES:
        raise CrewError(f"{directory} has {free >> 20} MiB left. Make room, or set XDG_STATE_HOME")
    return f"{directory}, {free / (1 << 30):.1f} GiB free"


def _left_overs() -> str:
    from crew_core._launcher.processes import find

    deadline = time.monotonic() + _LEAVING_SECONDS
    dispatchers = find("dispatcher")
    while (dead := _without_session(dispatchers)) and time.monotonic() < deadline:
        time.sleep(0.1)  # one whose session has just ended is about to leave
        dispatchers = find("dispatcher")
    if dead:
        pids = ", ".join(str(process.pid) for process in dead)
        raise CrewError(f"dispatchers without a session: {pids}. End them: crew clean")
    return f"none; {len(dispatchers)} controllers of yours run"


def _without_session(dispatchers: list[OurProcess]) -> list[OurProcess]:
    from crew_core._launcher.processes import lived_at

    return [d for d in dispatchers if d.client_pid and not lived_at(d.client_pid, d.started)]


# ── One worker ─────────────────────────────────────────────────────────────────────────────────


class _Trial:
    """Launches one worker and has it run a task.

    Args:
        name: of a controller in the configuration, or of a launcher.
        seconds: how long the worker may take to connect; None: as long as its launcher gives it.
    """

    def __init__(self, name: str, seconds: float | None) -> None:
        self._name = name
        self._seconds = seconds
        self._controller: Controller | None = None

    def steps(self) -> Iterator[Step]:
        """Yield each step; whatever happens, nothing is left when it is over."""
        step = _timed("launcher", self._make)
        yield step
        if not step.ok:
            return
        well = True
        for step in self._examined():
            yield step
            well = well and step.ok
        if well:
            yield from self._tried()

    def _tried(self) -> Iterator[Step]:
        try:
            for name, do in (
                ("dispatcher", self._start),
                ("submission", self._launch),
                ("connection", self._connect),
                ("task", self._run),
            ):
                step = _timed(name, do)
                yield step
                if not step.ok:
                    break
        finally:
            last = _timed("end", self._end)
        yield last

    @property
    def _made(self) -> Controller:
        assert self._controller is not None
        return self._controller

    def _make(self) -> str:
        from crew_core._cli.names import make_controller

        options: dict[str, Any] = {"name": f"doctor-{random_name(3)}", "workers": 1}
        if self._seconds is not None:
            options["seconds_launch"] = self._seconds
        made = make_controller(self._name, **options)
        given = self._seconds or made._options.scaling.seconds_launch
        if given is None and made.launcher.seconds_launch_default > _LAUNCH_SECONDS:
            # Jobs may wait for a day, and somebody sits here.
            made = make_controller(self._name, **options, seconds_launch=_LAUNCH_SECONDS)
        self._controller = made
        launcher = self._made.launcher
        return f"{launcher.name} ({type(launcher).__module__}), options understood"

    def _examined(self) -> Iterator[Step]:
        """What the platform itself says, before anything is launched."""
        begin = time.monotonic()
        try:
            for found in self._findings():
                now = time.monotonic()
                yield _step_of(found, now - begin)
                begin = now
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            yield Step("platform", False, _told(error), seconds=time.monotonic() - begin)

    def _findings(self) -> Iterable[Finding]:
        from crew_core._client.network import dialled_at
        from crew_core._model.network import port_range

        launcher, options = self._made.launcher, self._made._options.network
        if launcher.local:
            return launcher.examine((), (0, 0))
        hosts = dialled_at(options, launcher.host_default)
        return launcher.examine(hosts, port_range(options))

    def _start(self) -> str:
        self._made.start()
        return "up: this computer's side of things works"

    def _launch(self) -> str:
        if self._runs_here:
            return "none: tasks run in this process"
        self._made.launch(1)
        (job,) = self._made.launcher.summary()["job"]
        return "handed to a launch daemon" if job is None else f"taken, as job {job}"

    def _connect(self) -> str:
        if self._runs_here:
            return "none: tasks run in this process"
        while True:
            (row,) = self._made.launcher.summary().tail(1).to_dict("records")
            if row["discovered"]:
                return f"a worker on {row['host']} has connected and proved who it is"
            if row["state"] in ("launch_failed", "lost", "terminated", "exited"):
                raise self._last_error(str(row["state"]))
            time.sleep(_POLL_SECONDS)

    def _run(self) -> str:
        host, version, folder = self._made.push(_TASK).result(_TASK_SECONDS)
        mine = platform.python_version()
        if version.split(".")[:2] != mine.split(".")[:2]:
            raise CrewError(f"ran on {host}, but with Python {version}; here it is {mine}")
        return f"ran on {host}, in {folder}, with Python {version}"

    def _end(self) -> str:
        self._made.terminate()
        return "worker and dispatcher have gone"

    @property
    def _runs_here(self) -> bool:
        return self._made.launcher.name == "sequential"

    def _last_error(self, state: str) -> CrewError:
        # The platform may still be asked for what the worker wrote.
        deadline = time.monotonic() + 5.0
        while not self._made.launcher.errors and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        errors = self._made.launcher.errors
        return errors[-1] if errors else CrewError(f"the worker is {state}")


_ADVICE = {
    "plugins": "Reinstall or uninstall the package that is named.",
    "launcher": "crew launchers lists what is installed; names and options are in crew.toml.",
    "dispatcher": "Look whether processes and sockets of yours are limited here: ulimit -a",
    "submission": "Try by hand what was run; crew script NAME shows a scheduler's job script.",
    "connection": (
        "The job started, or waited, and no worker came. Can its machine reach this one "
        "(host=, port=), is crew-core installed there (python=), does it see the same disk?"
    ),
    "task": "The worker is there but did not run a task: crew logs shows what it said.",
}


def _timed(name: str, do: Callable[[], str]) -> Step:
    begin = time.monotonic()
    try:
        said, ok = do(), True
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is what was asked for
        said, ok = _told(error), False
    advice = "" if ok else _ADVICE.get(name, "")
    return Step(name, ok, said, advice, time.monotonic() - begin)


def _step_of(found: Finding, seconds: float) -> Step:
    good = found.grade.value == "good"
    bad = found.grade.value == "bad"
    return Step(found.check, not bad, found.words, found.advice, seconds, not (good or bad))


def _told(error: Exception) -> str:
    if isinstance(error, LaunchError):
        return _in_full(error)
    return str(error) if isinstance(error, CrewError) else repr(error)


def _in_full(error: LaunchError) -> str:
    """With the command that failed, and what it printed."""
    told = [str(error)]
    if error.argv:
        told.append(f"it ran: {' '.join(error.argv)} (exit code {error.returncode})")
    if error.stderr and error.stderr.strip() not in told[0]:
        told.append(f"it printed: {error.stderr.strip()}")
    return "\n        ".join(told)
