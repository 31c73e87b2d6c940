"""What crew is told of a worker's end."""

from __future__ import annotations

import pytest

from crew_core.plugins import JobReport, JobState
from crew_ssh._hosts.workers import report_of, unreachable


@pytest.mark.parametrize(
    ("code", "state", "cause"),
    [
        (0, "finished", None),
        (3, "failed", "exit 3"),
        (127, "failed", "exit 127"),
        (137, "failed", "signal 9"),
        (143, "failed", "signal 15"),
        (255, "failed", "exit 255"),
        (None, "failed", None),
    ],
)
def test_exit_codes_are_understood(code: int | None, state: str, cause: str | None) -> None:
    told = report_of({"state": "ended", "code": code, "told": False})
    assert (told["state"], told.get("cause")) == (state, cause)
    JobReport(JobState(told["state"]), cause=told.get("cause"))


def test_whoever_was_told_to_end_is_cancelled() -> None:
    assert report_of({"state": "ended", "code": 143, "told": True})["state"] == "cancelled"


def test_of_what_is_gone_nothing_is_known() -> None:
    assert report_of({"state": "gone"}) == {"state": "unknown"}


def test_a_host_that_does_not_answer_is_a_lost_node() -> None:
    told = unreachable("no route")
    assert (told["state"], told["cause"]) == ("unknown", "node_lost")
