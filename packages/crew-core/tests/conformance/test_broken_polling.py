"""Checks of what launchers say of their workers bite."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import JobState, LaunchRequest
from crew_core.testing.conformance.polling import PollChecks

States = list[JobState]


class Telling(LocalLauncher):
    """Says something else than what is so."""

    def __init__(self, change: Callable[[States], States]) -> None:
        super().__init__()
        self._change = change

    def poll(self, handles: Sequence[LocalHandle]) -> States:
        return self._change(super().poll(handles))


class SignalsCancel(LocalLauncher):
    def poll(self, handles: Sequence[LocalHandle]) -> States:
        killed = [(self.exit_text(handle) or "").startswith("signal") for handle in handles]
        states = super().poll(handles)
        return [JobState.CANCELLED if k else s for k, s in zip(killed, states, strict=True)]


class Forgetting(LocalLauncher):
    """Says how a worker ended only once."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def poll(self, handles: Sequence[LocalHandle]) -> States:
        states = super().poll(handles)
        for number, handle in enumerate(handles):
            if handle.instance in self._told:
                states[number] = JobState.UNKNOWN
            elif states[number].final:
                self._told.add(handle.instance)
        return states


class Cancelling(LocalLauncher):
    """Takes all workers that it was told to end for cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self._cancelled: set[LocalHandle] = set()

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        super().terminate(handles)
        self._cancelled.update(handles)

    def poll(self, handles: Sequence[LocalHandle]) -> States:
        states = super().poll(handles)
        cancelled = [handle in self._cancelled for handle in handles]
        return [JobState.CANCELLED if c else s for c, s in zip(cancelled, states, strict=True)]


class InOrderOfLaunch(LocalLauncher):
    def __init__(self) -> None:
        super().__init__()
        self._order: list[LocalHandle] = []

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        self._order += handles
        return handles

    def poll(self, handles: Sequence[LocalHandle]) -> States:
        return super().poll(sorted(handles, key=self._order.index))


class OnceEach(LocalLauncher):
    def poll(self, handles: Sequence[LocalHandle]) -> States:
        return super().poll(list(dict.fromkeys(handles)))


class Ending(LocalLauncher):
    def poll(self, handles: Sequence[LocalHandle]) -> States:
        self.terminate(handles)
        return super().poll(handles)


class Hopeful(LocalLauncher):
    """Takes all workers that it did not start itself for running."""

    def poll(self, handles: Sequence[LocalHandle]) -> States:
        return [
            self._state(h) if h.instance in self._children else JobState.RUNNING for h in handles
        ]


class OneThread(LocalLauncher):
    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def poll(self, handles: Sequence[LocalHandle]) -> States:
        if threading.get_ident() != self._thread:
            return [JobState.FAILED] * len(handles)
        return super().poll(handles)


def always(state: JobState) -> Callable[[], LocalLauncher]:
    return lambda: Telling(lambda states: [state] * len(states))


def taking(wrong: JobState, right: JobState) -> Callable[[], LocalLauncher]:
    return lambda: Telling(lambda states: [wrong if s is right else s for s in states])


BROKEN: dict[str, Callable[[], LocalLauncher]] = {
    "test_poll_answers_for_each_handle": lambda: Telling(
        lambda states: cast("States", [state.value for state in states])
    ),
    "test_poll_of_nothing_is_nothing": lambda: Telling(lambda states: states or [JobState.UNKNOWN]),
    "test_running_workers_have_not_ended": always(JobState.FINISHED),
    "test_running_workers_become_running": always(JobState.UNKNOWN),
    "test_success_is_finished": taking(JobState.FAILED, JobState.FINISHED),
    "test_exit_codes_are_failures": taking(JobState.FINISHED, JobState.FAILED),
    "test_deaths_by_signals_are_failures": SignalsCancel,
    "test_final_states_stay": Forgetting,
    "test_final_states_stay_after_termination": Cancelling,
    "test_many_are_told_apart": lambda: Telling(lambda states: states[:1] * len(states)),
    "test_handles_may_come_in_any_order": InOrderOfLaunch,
    "test_a_handle_may_be_asked_about_twice": OnceEach,
    "test_polling_changes_nothing": Ending,
    "test_workers_of_an_earlier_session_are_no_error": Hopeful,
    "test_threads_may_poll": OneThread,
}

BY_WAITING = {
    "test_running_workers_become_running",
    "test_workers_of_an_earlier_session_are_no_error",
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(PollChecks))
def test_it_bites(check: str, bites: Any) -> None:
    seconds = 1.0 if check in BY_WAITING else None
    bites(check, lambda tools: BROKEN[check](), seconds)
