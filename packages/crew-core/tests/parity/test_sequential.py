"""The controller that runs tasks in this process, for debugging."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import crew_core as crew


@pytest.fixture
def sequential(state_home: Path) -> Iterator[crew.Controller]:
    with crew.controller("sequential") as controller:
        yield controller


def test_it_is_a_controller_like_any_other(sequential: crew.Controller) -> None:
    assert isinstance(sequential, crew.Controller)


def test_what_the_methods_answer(sequential: crew.Controller) -> None:
    assert sequential.empty
    assert sequential.wait() is True
    assert sequential.wait("one") is False
    assert sequential.pop() is None
    assert sequential.collect() is None
    assert sequential.scale() is False
    assert sequential.pop_backlog() == []
    assert sequential.crashes("nobody") == 0
    sequential.autoscale()
    sequential.descale()
    sequential.cancel(all=True)
    assert sequential.unresolved == 0


def test_push_runs_the_task_here(sequential: crew.Controller) -> None:
    handles = [sequential.push(os.getpid, name=name) for name in ("a", "b")]
    assert all(handle.done() for handle in handles)
    assert (sequential.size, sequential.resolved, sequential.unresolved) == (2, 2, 0)
    records = [sequential.pop(), sequential.pop()]
    assert [record.result for record in records if record is not None] == [os.getpid()] * 2
    assert sequential.empty


def test_terminate_forgets(sequential: crew.Controller) -> None:
    """In the original it stays started, with its tasks."""
    sequential.push("1")
    assert sequential.resolved == 1
    sequential.terminate()
    assert not sequential.started
    assert (sequential.resolved, sequential.size) == (0, 0)


def test_walk_collect_and_map(sequential: crew.Controller) -> None:
    handles = sequential.walk("x + y", {"x": [1, 2]}, data={"y": 10})
    assert [handle.result() for handle in handles.values()] == [11, 12]
    table = sequential.collect()
    assert table is not None
    assert table["result"].tolist() == [11, 12]
    assert sequential.map("x", {"x": [3, 4]})["result"].tolist() == [3, 4]
    with pytest.raises(crew.TaskError, match="of mine"):
        sequential.map("raise ValueError('of mine')", {"x": [1]})


def test_resets_hold_here_too(sequential: crew.Controller) -> None:
    """In the original they are taken and forgotten."""
    text = "global parity_leak\nparity_leak = 1"
    sequential.push(text)
    assert sequential.push("'parity_leak' in globals()").result() is False
    assert "parity_leak" not in globals()
    sequential.push("import os\nos.environ['PARITY_LEAK'] = 'x'")
    assert "PARITY_LEAK" not in os.environ


def test_seeds_warnings_and_errors_are_as_with_workers(sequential: crew.Controller) -> None:
    draw = "import random\nrandom.random()"
    first, again = (sequential.push(draw, seed=1).result() for _ in range(2))
    assert first == again
    sequential.collect()
    sequential.push("import warnings\nwarnings.warn('look out')\nraise ValueError('of mine')")
    record = sequential.pop()
    assert record is not None
    assert (record.status, record.code) == ("error", -1)
    assert "look out" in str(record.warnings)
    assert "of mine" in str(record.error)
