"""Bursts of pushes become few launches, and nothing is launched more often than needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crew_core as crew
from crew_core._controller.throttle import QUIET_SECONDS, Throttle
from crew_core._launcher.report import report_of
from crew_core.plugins import JobState, LaunchRequest
from crew_core.testing import FakeLauncher

SECONDS = 30
LONG = 3600.0  # no test lasts that long

times = st.floats(0, 1000)


class Recording(FakeLauncher):
    """Starts nothing; tells who waits of each launch."""

    seconds_launch_default: ClassVar[float] = LONG

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.changed = threading.Condition()

    @property
    def sizes(self) -> list[int]:
        return [len(request.workers) for request in self.requests]

    def launch(self, request: LaunchRequest) -> list[str]:
        with self.changed:
            handles = super().launch(request)
            self.changed.notify_all()
        return handles

    def wait_for(self, workers: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: sum(self.sizes) >= workers, SECONDS)


class Gathering(Recording):
    gathers: ClassVar[bool] = True


@pytest.fixture
def launcher() -> Recording:
    return Recording()


@pytest.fixture
def open_with(controller_name: str) -> Iterator[Any]:
    opened: list[crew.Controller] = []

    def open_with(launcher: Recording, **options: Any) -> crew.Controller:
        opened.append(crew.controller(launcher, name=controller_name, **options))
        return opened[-1]

    yield open_with
    for controller in opened:
        controller.terminate()


# ── Bursts ─────────────────────────────────────────────────────────────────────────────────────


def test_a_burst_of_pushes_is_few_launches(launcher: Recording, open_with: Any) -> None:
    # The second, if the machine paused amid the pushes, comes after seconds_interval.
    controller = open_with(launcher, workers=200, seconds_interval=10)
    for i in range(100):
        controller.push(abs, (i,))
    launcher.wait_for(100)
    assert len(launcher.sizes) <= 2
    assert sum(launcher.sizes) == 100


def test_a_launcher_that_gathers_gets_a_slow_series_at_once(open_with: Any) -> None:
    launcher = Gathering()
    controller = open_with(launcher, workers=10, seconds_interval=5)
    paused = threading.Event()
    for i in range(4):
        controller.push(abs, (i,))
        paused.wait(4 * QUIET_SECONDS)
        controller.pop()
    launcher.wait_for(4)
    assert launcher.sizes == [4]


def test_when_all_workers_are_needed_nothing_is_waited_for(open_with: Any) -> None:
    launcher = Gathering()
    controller = open_with(launcher, workers=3, seconds_interval=LONG)
    controller.walk("x", {"x": range(5)})
    launcher.wait_for(3)
    assert launcher.sizes == [3]


def test_many_at_once_are_one_launch(launcher: Recording, open_with: Any) -> None:
    controller = open_with(launcher, workers=50)
    controller.walk("x", {"x": range(20)})
    launcher.wait_for(20)
    assert launcher.sizes == [20]


# ── Not too often ──────────────────────────────────────────────────────────────────────────────


def test_within_seconds_interval_of_a_launch_only_unthrottled_calls_launch(
    launcher: Recording, open_with: Any
) -> None:
    controller = open_with(launcher, workers=10, seconds_interval=LONG)
    controller.descale()
    controller.push(abs, (1,))
    assert controller.scale() is True
    controller.autoscale()
    controller.push(abs, (2,))
    assert controller.scale() is False
    controller.pop()
    assert controller.wait(seconds_timeout=0.1) is False
    assert launcher.sizes == [1]
    assert controller.scale(throttle=False) is True
    controller.push(abs, (3,), throttle=False)
    assert launcher.sizes == [1, 1, 1]


def test_launches_by_hand_neither_wait_nor_make_others_wait(
    launcher: Recording, open_with: Any
) -> None:
    controller = open_with(launcher, workers=10, seconds_interval=LONG)
    controller.launch(2)
    controller.launch()
    assert launcher.sizes == [2, 1]
    controller.walk("x", {"x": range(10)})
    launcher.wait_for(10)
    assert launcher.sizes == [2, 1, 7]


def test_terminate_does_not_wait_for_the_throttle(open_with: Any) -> None:
    launcher = Gathering()
    controller = open_with(launcher, workers=3, seconds_interval=LONG)
    controller.push(abs, (1,))
    controller.terminate()
    assert launcher.sizes == []


# ── Beyond the cap, and cancelled ──────────────────────────────────────────────────────────────


def test_workers_launched_by_hand_stay_when_the_demand_is_gone(
    launcher: Recording, open_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crew_core._controller.scaling.PATIENCE_SECONDS", 0.0)
    controller = open_with(launcher, workers=2, seconds_interval=0.01)
    controller.launch(3)
    by_hand = list(launcher.launched)
    handles = [controller.push(abs, (i,)) for i in range(5)]
    assert controller.scale() is False  # three for two
    for handle in handles:
        handle.cancel()
    assert controller.wait(seconds_timeout=SECONDS)
    controller.pop()
    assert controller.launcher.summary()["state"].tolist() == ["pending"] * 3
    assert launcher.terminated == []
    assert launcher.launched == by_hand


def test_pending_launches_are_cancelled_when_the_demand_is_gone(
    launcher: Recording, open_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crew_core._controller.scaling.PATIENCE_SECONDS", 0.0)
    controller = open_with(launcher, workers=2, seconds_interval=0.01)
    handles = [controller.push(abs, (i,)) for i in range(5)]
    launcher.wait_for(2)
    for handle in handles:
        handle.cancel()
    # What was told to end is noted before its state is.
    crew.retry(lambda: set(launcher.states.values()) == {JobState.CANCELLED})
    assert sorted(launcher.terminated) == sorted(launcher.launched)


# ── Over-launching ─────────────────────────────────────────────────────────────────────────────


class SlowStart(Recording):
    """Its workers need longer than the controller waits."""

    seconds_launch_default: ClassVar[float] = 0.05

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.most = 0

    def launch(self, request: LaunchRequest) -> list[str]:
        handles = super().launch(request)
        self.most = max(self.most, self.alive())
        return handles

    def alive(self) -> int:
        return sum(not report_of(state).state.final for state in self.states.values())


def test_a_slow_start_neither_exceeds_the_cap_nor_launches_for_ever(open_with: Any) -> None:
    launcher = SlowStart()
    controller = open_with(launcher, workers=2, seconds_interval=0.01, launch_max=4)
    with pytest.raises(crew.LaunchError, match="4 launches in a row were futile"):
        controller.map("x", {"x": range(2)})
    assert launcher.most == 2
    assert sum(launcher.sizes) == 4
    assert launcher.alive() == 0


# ── The rule ───────────────────────────────────────────────────────────────────────────────────


@given(times, times, st.booleans())
def test_launches_are_an_interval_apart(launched: float, later: float, full: bool) -> None:
    throttle = Throttle(10.0, short_lived=False, gathers=lambda: False)
    throttle.note_launch(launched)
    now = launched + later
    left = throttle.seconds_left(now, began=now, pushed=now - 1, full=full)
    assert left == throttle.closed_for(now) == max(0.0, launched + 10.0 - now)


@pytest.mark.parametrize(("gathers", "apart"), [(False, 0.0), (True, 10.0)])
def test_short_lived_workers_are_replaced_at_once_unless_launches_gather(
    gathers: bool, apart: float
) -> None:
    throttle = Throttle(10.0, short_lived=True, gathers=lambda: gathers)
    throttle.note_launch(100.0)
    assert throttle.closed_for(100.0) == apart


def test_a_launch_waits_for_the_end_of_the_burst_but_not_for_ever() -> None:
    throttle = Throttle(10.0, short_lived=False, gathers=lambda: False)
    assert throttle.seconds_left(5.0, began=5.0, pushed=5.0, full=False) == pytest.approx(
        QUIET_SECONDS
    )
    assert throttle.seconds_left(15.0, began=5.0, pushed=15.0, full=False) == 0.0
    assert throttle.seconds_left(5.0, began=5.0, pushed=5.0, full=True) == 0.0


def test_launches_that_gather_wait_for_the_interval() -> None:
    throttle = Throttle(10.0, short_lived=True, gathers=lambda: True)
    assert throttle.seconds_left(7.0, began=5.0, pushed=5.0, full=False) == 8.0
    assert throttle.seconds_left(7.0, began=5.0, pushed=5.0, full=True) == 0.0
