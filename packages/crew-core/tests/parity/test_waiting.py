"""``wait``: for all or for one, with and without a limit, also while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 60


def test_with_no_tasks_it_answers_at_once(make: Make) -> None:
    controller = make()
    for _ in range(2):
        assert controller.wait("all") is True  # without a limit: it would wait for ever
        assert controller.wait("one") is False
        controller.start()


def test_with_all_tasks_done_it_answers_at_once(controller: crew.Controller) -> None:
    controller.push("1").result(SECONDS)
    assert controller.wait("all") is True
    assert controller.wait("one") is True
    assert controller.wait("all", seconds_timeout=0) is True


def test_a_limit_ends_the_wait_for_a_long_task(controller: crew.Controller, gate: Any) -> None:
    controller.push(gate.hold)
    gate.wait_for(1)
    assert controller.wait("all", seconds_timeout=0.2) is False
    assert controller.wait("one", seconds_timeout=0.2) is False
    assert controller.wait("all", seconds_timeout=0) is False


def test_one_is_enough_when_asked_for_one(controller: crew.Controller, gate: Any) -> None:
    controller.push(gate.hold, name="held")
    gate.wait_for(1)
    controller.push("1", name="quick")
    assert controller.wait("one", seconds_timeout=SECONDS) is True
    assert controller.unresolved == 1
    assert controller.wait("all", seconds_timeout=0) is False
    record = controller.pop()
    assert record is not None
    assert record.name == "quick"
    assert controller.wait("one", seconds_timeout=0) is False


def test_all_means_all(controller: crew.Controller) -> None:
    before = time.monotonic()
    controller.push(time.sleep, (0.5,))
    assert controller.wait("all", seconds_timeout=SECONDS) is True
    assert time.monotonic() - before >= 0.5
    assert controller.unresolved == 0


def test_many_small_waits_never_return_early(controller: crew.Controller) -> None:
    """In the original counters lagged behind: a wait could end, and a map give a task undone."""
    for number in range(100):
        table = controller.map("x + n", {"x": [1, 2]}, data={"n": number})
        assert table["status"].tolist() == ["success", "success"]
        assert table["result"].tolist() == [1 + number, 2 + number]
        controller.push("n", data={"n": number})
        assert controller.wait(seconds_timeout=SECONDS) is True
        record = controller.pop()
        assert record is not None
        assert record.result == number


def test_workers_that_leave_are_replaced_while_nobody_waits(make: Make, gate: Any) -> None:
    """In the original nothing was launched unless the user pushed, popped or waited."""
    controller = make(workers=1, tasks_max=1)
    handles = [controller.push(gate.hold, (number,)) for number in range(3)]
    gate.open()
    # The handles are futures: asking them is no call of the controller.
    assert [handle.result(SECONDS) for handle in handles] == [0, 1, 2]


def test_a_limit_that_is_none_is_refused(controller: crew.Controller) -> None:
    with pytest.raises((crew.ConfigError, TypeError), match="seconds_timeout"):
        controller.wait(seconds_timeout=-1)
    with pytest.raises(crew.ConfigError, match="mode"):
        controller.wait("some")  # type: ignore[arg-type]  # what is tested
