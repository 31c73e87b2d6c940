"""Checks of launches that cannot succeed bite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import JobState, LaunchError, LaunchRequest
from crew_core.testing.conformance.failures import FailureChecks


class OddError(LaunchError):
    """Cannot be made again from its message alone."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")


class Raising(LocalLauncher):
    """Makes another error of a launch that failed."""

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        try:
            return super().launch(request)
        except LaunchError as error:
            raise self.other(error) from error

    def other(self, error: LaunchError) -> Exception:
        raise NotImplementedError


class Raw(Raising):
    def other(self, error: LaunchError) -> Exception:
        return FileNotFoundError(str(error))


class Vague(Raising):
    def other(self, error: LaunchError) -> Exception:
        return LaunchError("something went wrong")


class Hopeful(Raising):
    def other(self, error: LaunchError) -> Exception:
        return LaunchError(str(error), transient=True)


class Odd(Raising):
    def other(self, error: LaunchError) -> Exception:
        return OddError(2, str(error))


class Silent(LocalLauncher):
    """Takes a worker that did not start for a running one."""

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        try:
            return super().launch(request)
        except LaunchError:
            return [LocalHandle(0, 0.0, worker.instance) for worker in request.workers]

    def poll(self, handles: Sequence[LocalHandle]) -> list[JobState]:
        return [JobState.RUNNING] * len(handles)

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate([handle for handle in handles if handle.pid])


class Partial(LocalLauncher):
    """Keeps what it had started before a launch failed."""

    _starting = False

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        self._starting = True
        self._report = Path(request.workers[0].argv[-1]) / "report.json"
        try:
            return super().launch(request)
        finally:
            self._starting = False

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        if self._starting:
            crew.retry(self._report.exists, seconds_interval=0.01)
        else:
            super().terminate(handles)


class Sulking(LocalLauncher):
    _failed = False

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        if self._failed:
            raise LaunchError("it failed before")
        self._failed = True
        return super().launch(request)


class Despairing(LocalLauncher):
    """Ends everything when one launch fails."""

    def __init__(self) -> None:
        super().__init__()
        self._own: list[LocalHandle] = []

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        try:
            self._own += super().launch(request)
        except LaunchError:
            self.terminate(self._own)
            raise
        return self._own


BROKEN: dict[str, type[LocalLauncher]] = {
    "test_a_missing_program_is_noticed": Silent,
    "test_failed_launches_are_launch_errors": Raw,
    "test_launch_errors_say_what_failed": Vague,
    "test_launch_errors_say_whether_to_try_again": Hopeful,
    "test_launch_errors_can_be_pickled": Odd,
    "test_a_failed_launch_starts_no_worker": Partial,
    "test_launches_go_on_after_a_failure": Sulking,
    "test_earlier_workers_survive_a_failure": Despairing,
}

BY_WAITING = {"test_a_missing_program_is_noticed", "test_a_failed_launch_starts_no_worker"}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(FailureChecks))
def test_it_bites(check: str, bites: Any) -> None:
    seconds = 1.0 if check in BY_WAITING else None
    bites(check, lambda tools: BROKEN[check](), seconds)
