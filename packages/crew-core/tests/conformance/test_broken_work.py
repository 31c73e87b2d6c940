"""Checks with real workers bite."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import JobState, LaunchRequest, WorkerLaunch
from crew_core.testing.conformance.work import WorkChecks

LINGER = '"$@"; sleep 10'


class Mangling(LocalLauncher):
    """Starts something else than it was told to."""

    def __init__(self, change: Callable[[WorkerLaunch], WorkerLaunch]) -> None:
        super().__init__()
        self._change = change

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        workers = tuple(self._change(worker) for worker in request.workers)
        return super().launch(replace(request, workers=workers))


class FirstOnly(LocalLauncher):
    """Starts one worker, and says that it is all of them."""

    _first: list[LocalHandle] | None = None

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        if self._first is None:
            self._first = super().launch(replace(request, workers=request.workers[:1]))
        return self._first * len(request.workers)


class OneProcess(LocalLauncher):
    """Has copies whose ``__init__`` was never called."""

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalLauncher.__new__, (OneProcess,)


class Renaming(LocalLauncher):
    def __init__(self) -> None:
        super().__init__()
        self._count = itertools.count()

    def job(self, handle: LocalHandle) -> str:
        return f"job {next(self._count)}"


class Lingering(Mangling):
    """Leaves a process behind, and ends none."""

    def __init__(self) -> None:
        super().__init__(lambda w: replace(w, argv=("/bin/sh", "-c", LINGER, "sh", *w.argv)))

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        pass


class Failing(LocalLauncher):
    def poll(self, handles: Sequence[LocalHandle]) -> list[JobState]:
        taken = {JobState.FINISHED: JobState.FAILED}
        return [taken.get(state, state) for state in super().poll(handles)]


def copy_secret(worker: WorkerLaunch) -> WorkerLaunch:
    return replace(worker, env={**worker.env, "JOB_SECRET": worker.env["CREW_SECRET"]})


def forget_controller(worker: WorkerLaunch) -> WorkerLaunch:
    at = worker.argv.index("--controller") + 1
    return replace(worker, argv=(*worker.argv[:at], "another", *worker.argv[at + 1 :]))


BROKEN: dict[str, Callable[[], LocalLauncher]] = {
    "test_a_worker_connects_and_works": lambda: Mangling(lambda w: replace(w, env={})),
    "test_several_workers_work_at_once": FirstOnly,
    "test_two_controllers_work_at_once": lambda: Mangling(forget_controller),
    "test_launch_daemons_can_launch": OneProcess,
    "test_tasks_see_no_secret": lambda: Mangling(copy_secret),
    "test_jobs_are_named_in_tables": Renaming,
    "test_workers_end_with_their_controller": Lingering,
    "test_workers_without_a_dispatcher_end": lambda: Mangling(
        lambda w: replace(w, argv=(*w.argv, "--grace", "600"))
    ),
    "test_idle_workers_finish": Failing,
}

BY_WAITING = {
    "test_a_worker_connects_and_works",
    "test_several_workers_work_at_once",
    "test_workers_end_with_their_controller",
    "test_workers_without_a_dispatcher_end",
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(WorkChecks))
def test_it_bites(check: str, bites: Any) -> None:
    bites(check, lambda tools: BROKEN[check](), 1.5 if check in BY_WAITING else None)
