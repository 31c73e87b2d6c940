"""Tens of thousands of tasks: each comes back once, whatever workers do meanwhile. For minutes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew

Survivors = Callable[[], list[Any]]

TASKS = 60_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def pause(i: int) -> int:
    time.sleep(0.005)
    return i


def same(i: int) -> int:
    return i


def stumble(i: int) -> int:
    """Of six, one fails and three warn."""
    if i % 6 == 0:
        raise ValueError(i)
    if i % 2 == 1:
        warnings.warn(f"odd: {i}", UserWarning, stacklevel=1)
    return i


def push_and_pop_all(controller: crew.Controller, command: Callable[[int], int]) -> None:
    names = [str(i) for i in range(TASKS)]
    controller.walk(command, {"i": range(TASKS)}, names=names)
    popped = {}
    while controller.nonempty:
        assert controller.wait("one", 120)
        while (record := controller.pop()) is not None:
            assert record.name not in popped
            popped[record.name] = record.value()
    assert popped == {name: int(name) for name in names}


def test_each_of_many_short_tasks_comes_back_once(
    controller_name: str, survivors: Survivors
) -> None:
    with crew.controller("local", name=controller_name, workers=20, seconds_idle=1) as controller:
        push_and_pop_all(controller, pause)
    assert survivors() == []


def test_each_task_comes_back_once_when_workers_live_for_a_hundred_over_a_network(
    controller_name: str, survivors: Survivors
) -> None:
    with crew.controller(
        "local", name=controller_name, workers=20, tasks_max=100, host="127.0.0.1", tls="automatic"
    ) as controller:
        push_and_pop_all(controller, same)
        assert len(controller.launcher.summary()) <= 20
    assert survivors() == []


def test_map_counts_errors_and_warnings_exactly_and_keeps_the_order(controller_name: str) -> None:
    with crew.controller("local", name=controller_name, workers=4) as controller:
        for _ in range(3):
            table = controller.map(stumble, {"i": range(6000)}, error="silent", warnings=False)
            assert list(table["result"].dropna()) == [i for i in range(6000) if i % 6]
            assert (table["status"] == "error").sum() == 1000
            assert table["warnings"].notna().sum() == 3000


def test_map_scales_workers_that_each_do_one_task(
    controller_name: str, survivors: Survivors
) -> None:
    with crew.controller("local", name=controller_name, workers=20, tasks_max=1) as controller:
        table = controller.map(pause, {"i": range(200)})
        assert list(table["result"]) == list(range(200))
        assert table["instance"].nunique() == 200
    assert survivors() == []
