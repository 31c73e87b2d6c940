"""Another controller runs the tasks whose crashes are used up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import crew_core as crew
from crew_core._model.names import random_name

Make = Callable[..., crew.Controller]
Run = Callable[..., crew.Record]

CRASH = "import os\nos._exit(1)"


def chain(make: Make) -> dict[str, crew.Controller]:
    """a, whose backup is b, whose backup is c: each push may crash twice at each."""
    options = {"workers": 1, "crashes_max": 2, "retry_tasks": False}
    c = make(**options)
    b = make(backup=c, **options)
    return {"a": make(backup=b, **options), "b": b, "c": c}


def test_a_chain_of_backups(make: Make, run_on: Run) -> None:
    controllers = chain(make)
    letters = {controller.name: letter for letter, controller in controllers.items()}
    ran = []
    for _ in range(7):
        record = run_on(controllers["a"], CRASH, name="x")
        assert (record.status, record.code) == ("crash", 19)
        ran.append(letters[str(record.controller)])
    assert ran == ["a", "a", "b", "b", "c", "c", "c"]
    assert [each.crashes("x") for each in controllers.values()] == [2, 2, 3]
    crashes = [each.summary()["crash"].sum() for each in controllers.values()]
    assert crashes == [2, 2, 3]


def test_a_success_on_the_backup_leads_back(make: Make, run_on: Run) -> None:
    """In the original the first one's count stayed, and with it the way to the backup."""
    controllers = chain(make)
    first = controllers["a"]
    for _ in range(2):
        run_on(first, CRASH, name="x")
    assert run_on(first, "1", name="x").controller == controllers["b"].name
    assert [each.crashes("x") for each in controllers.values()] == [0, 0, 0]
    assert run_on(first, "1", name="x").controller == first.name


def test_a_group_cannot_be_a_backup(make: Make) -> None:
    group = crew.ControllerGroup(make(name=random_name()))
    with pytest.raises((TypeError, crew.ConfigError), match="backup"):
        crew.controller("local", backup=group)
