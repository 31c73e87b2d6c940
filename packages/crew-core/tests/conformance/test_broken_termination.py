"""Checks of termination bite."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import crew_core as crew
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import JobState, LaunchError, LaunchRequest, WorkerLaunch
from crew_core.testing.conformance.termination import TerminationChecks


class Base(LocalLauncher):
    """Knows its own handles."""

    everybodys: ClassVar[list[LocalHandle]] = []

    def __init__(self) -> None:
        super().__init__()
        self.own: list[LocalHandle] = []

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        self.own += handles
        self.everybodys.extend(handles)
        return handles

    def await_end(self, handle: LocalHandle) -> None:
        crew.retry(lambda: self.poll([handle])[0].final, seconds_interval=0.01)


class NothingMeansAll(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate(handles or self.own)


class FirstOnly(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate(handles[:1])


class All(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate(self.own)


class Everybodys(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate(self.everybodys)


class Once(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        for handle in dict.fromkeys(handles):
            self.own.remove(handle)
        super().terminate(handles)


class OnceAtATime(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        if len(set(handles)) < len(handles):
            raise KeyError("a handle that is gone")
        super().terminate(handles)


class Particular(Base):
    """Complains of workers that have ended."""

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        if handles:
            self.await_end(handles[0])
            raise ProcessLookupError(handles[0].pid)


class Discouraged(Base):
    """Stops at the first worker, as that has ended."""

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        if handles:
            self.await_end(handles[0])


class OwnOnly(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate([handle for handle in handles if handle in self.own])


class OwnOrError(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        if not set(handles) <= set(self.own):
            raise KeyError("not mine")
        super().terminate(handles)


class Polite(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        for handle in handles:
            with contextlib.suppress(ProcessLookupError):
                os.kill(handle.pid, signal.SIGTERM)


class Unaware(Base):
    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        """End them, and believe that they run."""
        super().terminate(handles)
        self.own.clear()

    def poll(self, handles: Sequence[LocalHandle]) -> list[JobState]:
        return [JobState.RUNNING] * len(handles)


class Restarting(Base):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        self._request = request
        return super().launch(request)

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate(handles)
        (worker,) = self._request.workers
        super().launch(replace(self._request, workers=(self._logged(worker),)))
        crew.retry(self._log.read_text, seconds_interval=0.01)

    def _logged(self, worker: WorkerLaunch) -> WorkerLaunch:
        self._log = Path(worker.argv[4]) / "second.log"
        return replace(worker, log=str(self._log))


class Closed(Base):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        if self.own:
            raise LaunchError("closed")
        return super().launch(request)


BROKEN: dict[str, type[LocalLauncher]] = {
    "test_terminate_of_nothing_is_no_error": NothingMeansAll,
    "test_terminate_ends_running_workers": FirstOnly,
    "test_terminate_spares_other_workers": All,
    "test_terminate_spares_workers_of_other_launchers": Everybodys,
    "test_terminate_may_be_repeated": Once,
    "test_a_handle_may_be_terminated_twice_at_once": OnceAtATime,
    "test_terminate_of_ended_workers_is_no_error": Particular,
    "test_ended_workers_do_not_keep_others_from_their_end": Discouraged,
    "test_workers_of_an_earlier_session_can_be_terminated": OwnOnly,
    "test_unknown_workers_are_no_error": OwnOrError,
    "test_terminate_ends_workers_that_do_not_listen": Polite,
    "test_terminated_workers_have_ended": Unaware,
    "test_terminated_workers_are_not_started_again": Restarting,
    "test_launches_go_on_after_termination": Closed,
}

BY_WAITING = {
    "test_terminate_ends_running_workers",
    "test_ended_workers_do_not_keep_others_from_their_end",
    "test_workers_of_an_earlier_session_can_be_terminated",
    "test_terminate_ends_workers_that_do_not_listen",
    "test_terminated_workers_have_ended",
    "test_terminated_workers_are_not_started_again",
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(TerminationChecks))
def test_it_bites(check: str, bites: Any) -> None:
    seconds = 1.0 if check in BY_WAITING else None
    bites(check, lambda tools: BROKEN[check](), seconds)
