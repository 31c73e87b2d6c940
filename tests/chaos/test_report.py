"""What the table says."""

from __future__ import annotations

from chaos.faults.catalog import FAULTS
from chaos.faults.kills import KillDaemon, KillSupervisor, KillTaskProcess
from chaos.report import Report, Row


def text(report: Report) -> str:
    return "\n".join(report.lines())


def test_a_run_in_which_all_promises_were_kept_is_well() -> None:
    report = Report([Row(KillSupervisor, tried=3)], sessions=2, tasks=100)
    assert report.is_well
    assert "kept" in text(report)
    assert "3 faults, 2 sessions, 100 tasks came back" in text(report)
    assert text(report).endswith("all is well")


def test_what_was_broken_skipped_or_not_tried_is_told_apart() -> None:
    broken = Row(KillSupervisor, tried=2, problems=["a task is gone"])
    report = Report([broken, Row(KillDaemon, lacks="root"), Row(KillTaskProcess)])
    assert not report.is_well
    assert [row.outcome for row in report.rows] == [
        "BROKEN 1 times",
        "SKIPPED: needs root",
        "not tried",
    ]
    assert "! a task is gone" in text(report)


def test_a_problem_of_a_session_is_enough() -> None:
    report = Report([Row(KillSupervisor, tried=1)], problems=["1 tasks are lost: 7"])
    assert not report.is_well
    assert "1 tasks are lost: 7" in text(report)


def test_no_two_faults_have_one_name_and_each_says_what_is_promised() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.promise for fault in FAULTS)
