"""Checks that launching leaves all as it was bite."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import Launcher, LaunchRequest, WorkerLaunch
from crew_core.testing.conformance.surroundings import SurroundingsChecks


class Harming(LocalLauncher):
    """Does some harm before each launch."""

    def __init__(self, harm: Callable[[LaunchRequest], object]) -> None:
        super().__init__()
        self._harm = harm

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        self._harm(request)
        return super().launch(request)


class SameGroup(LocalLauncher):
    def _start(self, worker: WorkerLaunch) -> LocalHandle:
        child = subprocess.Popen(worker.argv, stdout=subprocess.DEVNULL)
        self._children[worker.instance] = child
        return LocalHandle(child.pid, psutil.Process(child.pid).create_time(), worker.instance)


class WrongOutput(LocalLauncher):
    def logs(self, handle: LocalHandle) -> str:  # type: ignore[override]
        return "queued\n"


class MainThreadOnly(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("signals only work in the main thread")
        return super().launch(request)


class Counting(LocalLauncher):
    def job(self, handle: LocalHandle) -> str:
        return str(len(self._children))


class Waiting(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        crew.retry(lambda: self.poll(handles)[0].final, seconds_interval=0.01)
        return handles


def before_launch(harm: Callable[[Any, LaunchRequest], object]) -> Callable[[Any], Launcher]:
    return lambda tools: Harming(lambda request: harm(tools, request))


def eager(tools: Any) -> Launcher:
    tools.spawn()
    return LocalLauncher()


def leave_file_open(tools: Any, request: LaunchRequest) -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    tools.undo.append(lambda: os.close(descriptor))


def take_hangups(tools: Any, request: LaunchRequest) -> None:
    # Not ignored: they are so already where tests run with nohup.
    signal.signal(signal.SIGHUP, lambda *_: None)


def leave_thread(tools: Any, request: LaunchRequest) -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    tools.undo += [event.set, thread.join]


def empty_log(tools: Any, request: LaunchRequest) -> None:
    Path(request.workers[0].log or "").write_text("")


def public_log(tools: Any, request: LaunchRequest) -> None:
    log = Path(request.workers[0].log or "")
    log.parent.mkdir()
    log.touch()
    log.chmod(0o644)


BROKEN: dict[str, Callable[[Any], Launcher]] = {
    "test_making_a_launcher_starts_nothing": eager,
    "test_ctrl_c_does_not_reach_workers": lambda tools: SameGroup(),
    "test_working_directory_stays": before_launch(lambda tools, _: os.chdir(tools.folder)),
    "test_file_modes_stay": before_launch(lambda *_: os.umask(0o077)),
    "test_signal_handlers_stay": before_launch(take_hangups),
    "test_no_open_file_is_left": before_launch(leave_file_open),
    "test_no_thread_keeps_python_from_ending": before_launch(leave_thread),
    "test_no_process_is_left": before_launch(lambda tools, _: tools.spawn()),
    "test_logs_are_appended_to": before_launch(empty_log),
    "test_logs_are_private": before_launch(public_log),
    "test_output_of_jobs_is_text_or_nothing": lambda tools: WrongOutput(),
    "test_threads_may_launch": lambda tools: MainThreadOnly(),
    "test_launchers_do_not_mix": lambda tools: Counting(),
    "test_launching_does_not_wait_for_workers": lambda tools: Waiting(),
}

BY_WAITING = {
    "test_no_open_file_is_left",
    "test_no_thread_keeps_python_from_ending",
    "test_no_process_is_left",
    "test_output_of_jobs_is_text_or_nothing",
    "test_launching_does_not_wait_for_workers",
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(SurroundingsChecks))
def test_it_bites(check: str, bites: Any) -> None:
    bites(check, BROKEN[check], 1.0 if check in BY_WAITING else None)
