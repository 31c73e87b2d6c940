"""Checks of handles bite."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import JobState, Launcher, LaunchRequest
from crew_core.testing.conformance.handles import HandleChecks


class FirstMissing(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        return super().launch(request)[1:]


class FirstOnly(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        return super().launch(request)[:1]


class AtMost(LocalLauncher):
    """Starts so many workers of a request, and no more."""

    most = 3

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        return super().launch(replace(request, workers=request.workers[: self.most]))


class AtMostTwo(AtMost):
    most = 2


class Twice(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        super().launch(request)
        # Or the second may have come and gone before the first has begun.
        begun = [Path(worker.argv[-1]) / "starts" for worker in request.workers]
        crew.retry(lambda: all(path.exists() for path in begun), seconds_interval=0.01)
        return super().launch(request)


class Again(LocalLauncher):
    """Runs a worker that failed once more."""

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        again = ("/bin/sh", "-c", '"$@" || "$@"', "sh")
        workers = tuple(replace(w, argv=(*again, *w.argv)) for w in request.workers)
        return super().launch(replace(request, workers=workers))


class OneForAll(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        return handles[:1] * len(handles)


class Reversed(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        return super().launch(request)[::-1]


class Clinging(Launcher):
    """Has handles that hold on to this process."""

    def launch(self, request: LaunchRequest) -> list[Any]:
        return [(handle, threading.Lock()) for handle in LocalLauncher().launch(request)]


class ByIdentity(LocalLauncher):
    def job(self, handle: LocalHandle) -> str:
        return str(id(handle))


class OwnOnly(LocalLauncher):
    """Takes all workers that it did not start itself for dead."""

    def poll(self, handles: Sequence[LocalHandle]) -> list[JobState]:
        return [
            self._state(handle) if handle.instance in self._children else JobState.FAILED
            for handle in handles
        ]


class LatestOnly(OwnOnly):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        kept, self._children = self._children, {}
        self._kept = [*getattr(self, "_kept", []), kept]  # or Popen would complain
        return super().launch(request)


class Nameless(LocalLauncher):
    def job(self, handle: LocalHandle) -> str:
        return ""


BROKEN: dict[str, type[Launcher]] = {
    "test_one_worker_is_one_handle": FirstMissing,
    "test_two_workers_are_two_handles": FirstOnly,
    "test_as_many_workers_as_one_submission_takes": AtMostTwo,
    "test_more_workers_than_one_submission_takes": AtMost,
    "test_each_worker_starts_once": Twice,
    "test_a_worker_that_left_is_not_started_again": Again,
    "test_handles_differ": OneForAll,
    "test_handles_are_in_the_order_of_workers": Reversed,
    "test_handles_can_be_pickled": Clinging,
    "test_copied_handles_are_as_good": ByIdentity,
    "test_handles_are_good_in_another_launcher": OwnOnly,
    "test_earlier_handles_stay_good": LatestOnly,
    "test_jobs_have_names": Nameless,
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(HandleChecks))
def test_it_bites(check: str, bites: Any) -> None:
    seconds = 1.0 if check == "test_handles_are_in_the_order_of_workers" else None
    bites(check, lambda tools: BROKEN[check](), seconds)
