"""What PBS says of jobs becomes states and rows."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._pbs import states
from crew_core.plugins import JobReport, JobState
from scripted.commands import said


def job(state: str, **attributes: Any) -> dict[str, str]:
    return {"job_state": state, **{key: str(value) for key, value in attributes.items()}}


@pytest.mark.parametrize(
    ("letter", "state"),
    [
        ("Q", JobState.PENDING),
        ("H", JobState.PENDING),
        ("W", JobState.PENDING),
        ("T", JobState.PENDING),
        ("R", JobState.RUNNING),
        ("S", JobState.RUNNING),
        ("U", JobState.RUNNING),
        ("E", JobState.RUNNING),
        ("M", JobState.UNKNOWN),
        ("?", JobState.UNKNOWN),
        ("", JobState.UNKNOWN),
    ],
)
def test_a_letter_is_a_state(letter: str, state: JobState) -> None:
    assert states.report(job(letter)).state is state


@pytest.mark.parametrize("letter", ["F", "X"])
@pytest.mark.parametrize(
    ("attributes", "state", "cause"),
    [
        ({"Exit_status": 0, "substate": 92}, JobState.FINISHED, None),
        ({"Exit_status": 7, "substate": 93}, JobState.FAILED, "exit 7"),
        ({"Exit_status": 137, "substate": 93}, JobState.FAILED, "signal 9"),
        ({"Exit_status": 267, "substate": 93}, JobState.FAILED, "signal 11"),
        ({"Exit_status": 254, "substate": 93}, JobState.FAILED, "exit 254"),
        ({"Exit_status": 271, "substate": 93}, JobState.CANCELLED, "job_ended"),
        ({"Exit_status": 265, "substate": 93}, JobState.CANCELLED, "job_ended"),
        ({"Exit_status": 0, "substate": 91}, JobState.CANCELLED, "job_ended"),
        ({"substate": 91}, JobState.CANCELLED, "job_ended"),
        ({"substate": 92}, JobState.FINISHED, None),
        ({}, JobState.FAILED, None),
        ({"Exit_status": -29}, JobState.FAILED, "wall_time"),
        ({"Exit_status": -27}, JobState.FAILED, "out_of_memory"),
        ({"Exit_status": -26}, JobState.FAILED, "out_of_memory"),
        ({"Exit_status": -4}, JobState.FAILED, "node_lost"),
        ({"Exit_status": -20}, JobState.FAILED, "node_lost"),
        ({"Exit_status": -1}, JobState.FAILED, "exit -1"),
        (
            {"Exit_status": 143, "comment": "Job run and exceeded resource walltime"},
            JobState.FAILED,
            "wall_time",
        ),
    ],
)
def test_how_a_job_ended_is_told(
    letter: str, attributes: dict[str, Any], state: JobState, cause: str | None
) -> None:
    report = states.report(job(letter, **attributes))
    assert (report.state, report.cause) == (state, cause)


def test_a_reason_is_the_comment_and_the_exit_code() -> None:
    report = states.report(job("F", Exit_status=-29, comment="Job run and exceeded"))
    assert report.reason == "Job run and exceeded (Exit_status -29)"


def test_what_can_never_run_is_hopeless() -> None:
    lack = "Insufficient amount of resource: ncpus (R: 64 A: 16 T: 16)"
    never = states.report(job("Q", comment=f"Can Never Run: {lack}"))
    assert never.hopeless
    assert "ncpus" in never.reason
    assert not states.report(job("Q", comment=f"Not Running: {lack}")).hopeless


def test_json_may_have_odd_values_and_lines_before_it() -> None:
    text = (
        "Welcome {to} the site\n"
        '{\n "timestamp":1,\n "Jobs":{\n  "7.vm":{\n   "Job_Name":"crew-i",\n   "job_state":"R",\n'
        '   "exec_host":"n1/0*2+n2/0",\n   "Exit_status":-29,\n   "Variable_List":{"A":1e999,'
        '"B":null,"C":[1],"D":"a\tb"},\n   "comment":"tab\there"\n  }\n }\n}\n'
    )
    found = states.read_json(said(text))
    assert found["7.vm"]["Exit_status"] == "-29"
    assert states.report(found["7.vm"]).host == "n1"


def test_json_without_jobs_tells_of_none() -> None:
    assert states.read_json(said('{"timestamp":1,"pbs_server":"vm"}\n')) == {}


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", "{", '{"Jobs":[]}', '{"Jobs":{"7.vm":3}}', '{"Jobs":7}', "{" * 9999]
)
def test_what_is_no_json_of_jobs_is_our_error(text: str) -> None:
    with pytest.raises(UnreadableError):
        states.read_json(said(text))


TEXT = """
Job Id: 7[1].vm
    Job_Name = crew-i
    job_state = F
    Exit_status = 0
    substate = 92
    comment = Job run at Sun Nov 22 at 03:54 on (n1:ncpus=1) and exceeded reso
\turce mem
    Variable_List = PBS_O_HOME=/home/u,A=b
\tC=d
    job_state = R

Job Id: 8.vm
    job_state = Q
    comment = Can Never Run: a = b
"""


def test_text_is_read_as_well() -> None:
    found = states.read_text(TEXT)
    assert list(found) == ["7[1].vm", "8.vm"]
    assert found["7[1].vm"]["job_state"] == "F"
    assert found["7[1].vm"]["comment"].endswith("on (n1:ncpus=1) and exceeded resource mem")
    assert states.report(found["8.vm"]).reason == "Can Never Run: a = b"


def test_reports_are_by_the_names_that_were_asked_for() -> None:
    jobs = {"7[1].vm": job("R"), "7[2].vm": job("Q"), "7[].vm": job("B"), "9.vm": job("R")}
    wanted = ["7[1].vm.site.org", "7[2].vm", "8.vm"]
    found = states.report_all(jobs, wanted, states.report)
    assert {name: report.state.value for name, report in found.items()} == {
        "7[1].vm.site.org": "running",
        "7[2].vm": "pending",
    }


def test_a_row_is_for_people() -> None:
    times = {"qtime": "Sat Nov 21 00:37:16 2026", "stime": "Sat Nov 21 00:37:17 2026"}
    jobs = {
        "7[].vm": job("B", Job_Name="crew-i"),
        "7[2].vm": job("R", Job_Name="crew-i", queue="workq", exec_host="n1/0", **times),
        "8.vm": job("Q", Job_Name="crew-j", comment="Not Running: no", qtime=times["qtime"]),
        "9.vm": job("E", Exit_status=3, **times),
        "10.vm": job("F", Exit_status=3, substate=93, obittime="Sat Nov 21 00:37:19 2026", **times),
    }
    running, waiting, ending, failed = states.read_rows(jobs)
    assert (running.job, running.submission, running.index) == ("7[2].vm", "7[].vm", 2)
    assert (running.state, running.host, running.queue) == ("running", "n1", "workq")
    assert running.started is not None
    assert running.started.tzinfo is not None
    assert running.finished is None
    assert (waiting.index, waiting.reason, waiting.started) == (None, "Not Running: no", None)
    assert (ending.state, ending.exit_code) == ("ending", None)
    assert (failed.state, failed.exit_code) == ("failed", 3)
    assert failed.finished is not None
    assert (failed.finished - running.started).total_seconds() == 2


@pytest.mark.parametrize("text", [None, "", "N/A", "0", "1 2 3 4 5"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert states.moment(text) is None


ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["job_state", "Exit_status", "substate", "comment", "exec_host", "qtime", "stime", "mtime"]
    ),
    st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.sampled_from(["F", "X", "Q"])),
)


@given(st.dictionaries(st.text(), ATTRIBUTES))
def test_any_jobs_can_be_read(jobs: dict[str, Any]) -> None:
    found = states.read_json(said(json.dumps({"Jobs": jobs})))
    states.read_rows(found)
    for attributes in found.values():
        report = states.report(attributes)
        JobReport(report.state, cause=report.cause, reason=report.reason)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    states.read_rows(states.read_text(text))
    states.read_text("Job Id: 1\n" + "".join(f"\t{line}\n" for line in text.splitlines()))
    states.moment(text)
    with contextlib.suppress(UnreadableError):
        states.read_json(said(text))
