"""Checks with a scripted platform bite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crew_core.plugins import JobState, Launcher, LaunchError, LaunchRequest, WorkerLaunch
from crew_core.testing import FakePlatform, FakePlatformLauncher, PlatformConformance
from crew_core.testing.conformance.platforms import PlatformChecks
from crew_core.testing.fake_platform import NoAnswerError, RefusedError


class Telling(FakePlatformLauncher):
    """Says something else than what is so."""

    wrong: JobState = JobState.UNKNOWN
    right: JobState = JobState.UNKNOWN

    def poll(self, handles: Sequence[str]) -> list[JobState]:
        return [self.wrong if s is self.right else s for s in super().poll(handles)]


class QueuedRuns(Telling):
    wrong, right = JobState.RUNNING, JobState.PENDING


class FailedFinished(Telling):
    wrong, right = JobState.FINISHED, JobState.FAILED


class CancelledFinished(Telling):
    wrong, right = JobState.FINISHED, JobState.CANCELLED


class UnlistedFailed(Telling):
    wrong, right = JobState.FAILED, JobState.UNKNOWN


class Impatient(FakePlatformLauncher):
    """Gives up what waits in the queue."""

    def poll(self, handles: Sequence[str]) -> list[JobState]:
        states = super().poll(handles)
        self.terminate([h for h, s in zip(handles, states, strict=True) if s is JobState.PENDING])
        return states


class RunningOnly(FakePlatformLauncher):
    """Ends what runs, and leaves what waits."""

    def terminate(self, handles: Sequence[str]) -> None:
        states = self.poll(handles)
        super().terminate(
            [h for h, s in zip(handles, states, strict=True) if s is JobState.RUNNING]
        )


class Raising(FakePlatformLauncher):
    """Makes another error of a refusal."""

    def launch(self, request: LaunchRequest) -> list[str]:
        try:
            return super().launch(request)
        except LaunchError as error:
            raise self.other(error) from error

    def other(self, error: LaunchError) -> LaunchError:
        raise NotImplementedError


class NeverAgain(Raising):
    def other(self, error: LaunchError) -> LaunchError:
        return LaunchError(str(error))


class EverAgain(Raising):
    def other(self, error: LaunchError) -> LaunchError:
        return LaunchError(str(error), transient=True)


class Vague(Raising):
    def other(self, error: LaunchError) -> LaunchError:
        return LaunchError("refused")


class Partial(FakePlatformLauncher):
    """Keeps what it had submitted before a refusal."""

    def launch(self, request: LaunchRequest) -> list[str]:
        return [job for part in self._parts(request) for job in self._submit(part)]

    def _parts(self, request: LaunchRequest) -> list[tuple[WorkerLaunch, ...]]:
        size = self.options.limit
        return [request.workers[i : i + size] for i in range(0, len(request.workers), size)]


class Direct(FakePlatformLauncher):
    """Submits without a thought of what may go wrong."""

    def launch(self, request: LaunchRequest) -> list[str]:
        return self.submit(request.workers)

    def submit(self, workers: Sequence[WorkerLaunch]) -> list[str]:
        try:
            return self._platform.submit(workers)
        except (RefusedError, NoAnswerError) as error:
            raise LaunchError(str(error)) from error


class Insistent(Direct):
    """Submits again when there was no answer."""

    def submit(self, workers: Sequence[WorkerLaunch]) -> list[str]:
        try:
            return self._platform.submit(workers)
        except NoAnswerError:
            return self._platform.submit(workers)


class OneByOne(FakePlatformLauncher):
    def launch(self, request: LaunchRequest) -> list[str]:
        return [
            super(OneByOne, self).launch(replace(request, workers=(worker,)))[0]
            for worker in request.workers
        ]


class AskingOneByOne(FakePlatformLauncher):
    def poll(self, handles: Sequence[str]) -> list[JobState]:
        return [super(AskingOneByOne, self).poll([handle])[0] for handle in handles]


class Curious(FakePlatformLauncher):
    def poll(self, handles: Sequence[str]) -> list[JobState]:
        self._platform.states([])
        return super().poll(handles)


class Forgetful(FakePlatformLauncher):
    def poll(self, handles: Sequence[str]) -> list[JobState]:
        self._ended.clear()
        return super().poll(handles)


class Trusting(FakePlatformLauncher):
    """Goes on to say what it heard last."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._heard: dict[str, JobState] = {}

    def poll(self, handles: Sequence[str]) -> list[JobState]:
        for handle, state in zip(handles, super().poll(handles), strict=True):
            if state is not JobState.UNKNOWN:
                self._heard[handle] = state
        return [self._heard.get(handle, JobState.UNKNOWN) for handle in handles]


class Resigned(FakePlatformLauncher):
    """Asks never again once it got no state."""

    _resigned = False

    def poll(self, handles: Sequence[str]) -> list[JobState]:
        states = super().poll(handles)
        self._resigned |= JobState.UNKNOWN in states
        return [JobState.UNKNOWN] * len(handles) if self._resigned else states


class Raw(FakePlatformLauncher):
    """Lets the platform's errors through."""

    def poll(self, handles: Sequence[str]) -> list[JobState]:
        self._platform.states(handles)
        return super().poll(handles)


BROKEN: dict[str, type[FakePlatformLauncher]] = {
    "test_queued_workers_are_pending": QueuedRuns,
    "test_queued_workers_start_in_the_end": Impatient,
    "test_queued_workers_can_be_terminated": RunningOnly,
    "test_terminated_in_the_queue_is_ended": CancelledFinished,
    "test_queued_workers_end_with_their_controller": RunningOnly,
    "test_workers_that_die_in_the_queue_have_failed": FailedFinished,
    "test_workers_ended_by_an_operator_have_ended": CancelledFinished,
    "test_passing_refusals_are_transient": NeverAgain,
    "test_lasting_refusals_are_not_transient": EverAgain,
    "test_refusals_are_quoted": Vague,
    "test_a_refused_part_ends_the_rest": Partial,
    "test_a_lost_answer_starts_no_worker_twice": Insistent,
    "test_a_lost_answer_leaves_no_worker_behind": Direct,
    "test_unlisted_workers_have_not_ended": UnlistedFailed,
    "test_late_workers_are_seen_in_the_end": Resigned,
    "test_forgotten_workers_stay_ended": Forgetful,
    "test_forgotten_workers_do_not_run": Trusting,
    "test_a_silent_platform_is_unknown": Raw,
    "test_a_platform_that_was_down_is_asked_again": Resigned,
    "test_submissions_are_not_too_large": Direct,
    "test_submissions_are_few": OneByOne,
    "test_questions_are_few": AskingOneByOne,
    "test_no_question_about_nothing": Curious,
}

BY_WAITING = {
    "test_queued_workers_can_be_terminated",
    "test_queued_workers_end_with_their_controller",
    "test_queued_workers_start_in_the_end",
    "test_a_refused_part_ends_the_rest",
    "test_a_lost_answer_leaves_no_worker_behind",
    "test_late_workers_are_seen_in_the_end",
    "test_a_platform_that_was_down_is_asked_again",
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(PlatformChecks))
def test_it_bites(check: str, bites: Any, tmp_path: Path) -> None:
    def make(tools: Any) -> Launcher:
        return BROKEN[check](FakePlatformLauncher.Options(folder=tmp_path))

    seconds = 1.5 if check in BY_WAITING else None
    platform = FakePlatform(tmp_path)
    try:
        bites(check, make, seconds, PlatformConformance, [platform])
    finally:
        platform.cancel_all()
