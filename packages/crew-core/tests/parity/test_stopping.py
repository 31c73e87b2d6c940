"""``cancel`` and time limits: the task ends for certain, its worker goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 60


def test_cancel_all(make: Make, gate: Any) -> None:
    controller = make(workers=2)
    controller.walk(gate.hold, {"value": [1, 2, 3, 4]})
    gate.wait_for(2)
    controller.cancel(all=True)
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert table["status"].tolist() == ["cancel"] * 4
    assert table["code"].tolist() == [20] * 4
    assert table["error"].str.contains("cancel").all()
    assert controller.summary()["cancel"].sum() == 4


def test_cancel_by_name_touches_nothing_else(make: Make, gate: Any) -> None:
    controller = make(workers=2)
    controller.walk(gate.hold, {"value": list("abcd")}, names="value")
    gate.wait_for(2)
    controller.cancel(["a", "d", "nobody"])
    for _ in range(2):
        assert controller.wait("one", seconds_timeout=SECONDS)
        record = controller.pop()
        assert record is not None
        assert (record.name in {"a", "d"}, record.status) == (True, "cancel")
    assert controller.unresolved == 2
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert sorted(table["result"]) == ["b", "c"]
    assert controller.summary()["cancel"].sum() == 2


def test_the_worker_of_a_cancelled_task_takes_the_next(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    controller.push(gate.hold, name="held")
    gate.wait_for(1)
    controller.cancel("held")
    assert controller.push("1").result(SECONDS) == 1
    assert controller.launcher.summary()["launches"].tolist() == [1]


def test_a_time_limit_gives_a_record_like_any_other(controller: crew.Controller, gate: Any) -> None:
    """In the original a timeout made pop and collect fail, and its record was lost."""
    controller.push(gate.hold, name="late", seconds_timeout=0.1)
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert (record.name, record.status, record.code) == ("late", "timeout", 5)
    assert controller.collect() is None


def test_a_time_limit_does_not_count_the_wait_for_a_worker(make: Make, gate: Any) -> None:
    """In the original the clock ran from the submission on, and with it the worker's start."""
    controller = make(workers=1)
    controller.push(gate.hold, name="first")
    gate.wait_for(1)
    second = controller.push("1", seconds_timeout=4)
    third = controller.push("1", seconds_queue=0.1)
    with pytest.raises(crew.TaskTimeoutError, match=r"queue|wait"):
        third.result(SECONDS)
    assert controller.wait(seconds_timeout=4.1) is False
    gate.open()
    assert second.result(SECONDS) == 1
