"""The page that leads users of crew for R to the names here is whole, true and up to date."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "parity.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    # scripts/ is no package, and should not become one for a test.
    spec = importlib.util.spec_from_file_location("parity", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def problems(script: ModuleType, *rows: tuple[str, str | list[str], str]) -> list[str]:
    """What the script says of these rows alone, without what they leave out."""
    made = [row for each in rows for row in script._rows(*each)]
    chapter = script.Chapter("a chapter", "", (script.Section("a section", "", tuple(made)),))
    found: list[str] = script.problems([chapter], script.surface())
    return [problem for problem in found if not problem.endswith("docs/reference/parity")]


def test_every_row_is_true_and_every_public_name_has_one(script: ModuleType) -> None:
    assert script.problems(script.read(), script.surface()) == []


def test_the_page_is_what_the_data_say(script: ModuleType) -> None:
    assert script.PAGE.read_text("utf-8") == script.page(script.read())


def test_there_are_rows_by_the_hundred(script: ModuleType) -> None:
    chapters = script.read()
    rows = [row for chapter in chapters for part in chapter.sections for row in part.rows]
    assert len(chapters) == len(script.FILES)
    assert len(rows) > 600


@pytest.mark.parametrize(
    "name",
    [
        "crew.Controller.push",
        "crew.Controller.push(scale=)",
        "crew.controller(workers=)",
        "crew.Record.status",
        'crew.Controller.summary()["tasks"]',
        'crew.monitor("local").workers',
        "crew.plugins.Launcher.poll(handles=)",
        "$ crew clean",
        'crew.controller("slurm", partition=)',
        'crew.monitor("aws_batch", job_queue=)',
        "crew_rush.RushWorker.push_tasks(xss=)",
    ],
)
def test_a_name_that_is_there_is_taken(script: ModuleType, name: str) -> None:
    assert problems(script, ("original", name, "")) == []


@pytest.mark.parametrize(
    "name",
    [
        "crew.Controller.shove",
        "crew.Controller.push(scales=)",
        "crew.controller(worker=)",
        "crew.Record.state",
        'crew.Controller.summary()["task"]',
        'crew.monitor("local").worker',
        "crew.plugins.Launcher.poll(handle=)",
        "$ crew tidy",
        'crew.controller("slurm", partitions=)',
        'crew.monitor("aws_batch", queue=)',
        "crew_rush.Rush.pop_task",
        "Controller.push",
    ],
)
def test_a_name_that_is_not_there_is_refused(script: ModuleType, name: str) -> None:
    assert problems(script, ("original", name, "")) == [
        f"a chapter, a section: original: there is no {name}"
    ]


def test_a_row_says_where_or_why_not_and_only_once(script: ModuleType) -> None:
    assert "neither a name here nor a reason" in problems(script, ("original", "", ""))[0]
    twice = ("original", "crew.Controller.push", "")
    assert problems(script, twice, twice) == ["a chapter, a section: original: two rows"]


def test_a_public_name_without_a_row_is_found(script: ModuleType) -> None:
    found = script.problems([], script.surface())
    assert "crew.Controller.push(scale=): public, but in no row of docs/reference/parity" in found
