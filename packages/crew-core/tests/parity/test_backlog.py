"""How a pipeline holds back: ``saturated``, ``push_backlog``, ``pop_backlog``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 60


def saturated(controller: crew.Controller) -> bool:
    """A call, as mypy takes a property for a constant."""
    return controller.saturated


def test_a_controller_is_saturated_with_as_many_tasks_as_workers(make: Make, gate: Any) -> None:
    controller = make(workers=2)
    assert not saturated(controller)
    controller.push(gate.hold)
    assert not saturated(controller)
    controller.push(gate.hold)
    assert saturated(controller)
    controller.push(gate.hold)
    assert saturated(controller)
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    assert saturated(controller)  # until they are popped
    controller.collect()
    assert not saturated(controller)


def test_the_backlog_gives_names_first_in_first_out_as_far_as_workers_are_free(
    make: Make, gate: Any
) -> None:
    controller = make(workers=3)
    for name in "abcde":
        controller.push_backlog(name)
    assert controller.pop_backlog() == ["a", "b", "c"]
    controller.push(gate.hold)
    controller.push(gate.hold)
    assert controller.pop_backlog() == ["d"]
    controller.push(gate.hold)
    assert controller.pop_backlog() == []
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    controller.collect()
    assert controller.pop_backlog() == ["e"]
    assert controller.pop_backlog() == []


def test_a_pipeline_runs_through_the_backlog(make: Make) -> None:
    controller = make(workers=2)
    waiting = [f"target {number}" for number in range(20)]
    done: list[str] = []
    while waiting or controller.nonempty or len(done) < 20:
        ready = controller.pop_backlog() or waiting[:1]
        waiting = [name for name in waiting if name not in ready]
        for name in ready:
            if controller.saturated:
                controller.push_backlog(name)
            else:
                controller.push("name", data={"name": name}, name=name)
        if not ready or controller.saturated:
            controller.wait("one", seconds_timeout=0.5)
        record = controller.pop()
        if record is not None:
            done.append(record.result)
    assert sorted(done) == sorted(f"target {number}" for number in range(20))
