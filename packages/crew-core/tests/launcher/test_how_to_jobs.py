"""The page on jobs with limits shows what works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from crew_core._model.options import make_options
from crew_core.plugins import JobReport, JobState, LaunchRequest, WorkerLaunch

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "launch-jobs-with-limits.md"


@pytest.fixture
def site() -> dict[str, Any]:
    """The names that the page's code makes, and a batch system for it."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {
        "__name__": "site_launcher",
        "submit": lambda worker, gigabytes, minutes: (worker.name, gigabytes, minutes),
        "ask": lambda handles: [(handle, "in its words") for handle in handles],
        "jobs_of_mine": lambda: [("crew-c-a", 1), ("crew-c-b", 2)],
    }
    exec(compile(code.group(1), str(PAGE), "exec", dont_inherit=True), names)
    return names


def test_the_launcher_on_the_page_has_ladders_and_lives(site: dict[str, Any]) -> None:
    kind = site["SiteLauncher"]
    launcher = kind(make_options(kind.Options, {"gigabytes": [4, 8, 16], "minutes": 90}))
    assert launcher.steps == 3
    assert [launcher.seconds_life(step) for step in range(3)] == [5400] * 3
    worker = WorkerLaunch(worker=1, instance="a", name="crew-c-a", argv=("true",), step=1)
    assert launcher.launch(LaunchRequest(workers=(worker,))) == [("crew-c-a", 8, 90)]
    assert launcher.find(["crew-c-b"]) == [2]


@pytest.mark.parametrize(
    ("word", "report"),
    [
        ("waiting", JobReport(JobState.PENDING, reason="in its words")),
        ("impossible", JobReport(JobState.PENDING, reason="in its words", hopeless=True)),
        ("memory", JobReport(JobState.FAILED, "out_of_memory", "in its words")),
        ("deleted", JobReport(JobState.CANCELLED, reason="in its words")),
        ("on fire", JobReport(JobState.UNKNOWN, reason="in its words")),
    ],
)
def test_the_launcher_on_the_page_tells_causes(
    site: dict[str, Any], word: str, report: JobReport
) -> None:
    assert site["SiteLauncher"]().poll([word]) == [report]
