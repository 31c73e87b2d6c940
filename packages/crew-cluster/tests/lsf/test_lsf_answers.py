"""What LSF's commands print is understood, and nothing that they print is a surprise."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict
from crew_cluster._lsf import answers, states
from crew_cluster._lsf.states import Seen
from crew_core.plugins import JobState
from lsf import recorded
from scripted.commands import said

NOW = datetime(2026, 11, 22, 1, tzinfo=timezone.utc)


def handle(job: str, index: int | None, count: int = 5) -> Handle:
    return Handle(job, index, count, "crew-c-i", "/nowhere")


# ── Ids ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Job <101> is submitted to default queue <normal>.\n", "101"),
        ("Job <101> is submitted to queue <short>.\n", "101"),
        ("*** Welcome to job <7> ***\nJob <101> is submitted to queue <short>.\nBye\n", "101"),
    ],
)
def test_an_id_is_found_whatever_is_around_it(printed: str, expected: str) -> None:
    assert answers.job_id(said(printed)) == expected


@pytest.mark.parametrize("printed", ["", "101\n", "Job <101> is not found", "Job <x> is submitted"])
def test_what_is_no_id_is_not_taken_for_one(printed: str) -> None:
    with pytest.raises(UnreadableError):
        answers.job_id(said(printed))


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("short: No such queue. Job not submitted.", Verdict.REFUSED),
        ("Job array index too large. Job not submitted.", Verdict.REFUSED),
        ("RUNLIMIT: Cannot exceed queue's hard limit(s). Job not submitted.", Verdict.REFUSED),
        ("Bad resource requirement syntax. Job not submitted.", Verdict.REFUSED),
        ("LSF is down. Please wait ...", Verdict.BUSY),
        ("batch system daemon not responding ... still trying", Verdict.BUSY),
        ("Pending job threshold reached. Retrying in 60 seconds...", Verdict.BUSY),
        ("Failed in receiving reply. Job not submitted.", Verdict.UNSURE),
    ],
)
def test_a_failed_submission_is_judged_by_its_words(words: str, verdict: Verdict) -> None:
    assert answers.verdict(said(stderr=words + "\n", code=255)) is verdict


@given(st.text(), st.text(), st.integers(-64, 255))
def test_any_answer_is_something(stdout: str, stderr: str, code: int) -> None:
    answer = Answer(("bsub",), code, stdout, stderr)
    assert answers.verdict(answer) in Verdict
    assert answers.knows_none(answer) in (True, False)
    assert answers.is_cancelled(answer) in (True, False)
    with contextlib.suppress(UnreadableError):
        assert answers.job_id(answer)


@pytest.mark.parametrize(
    ("words", "knows_none"),
    [
        ("Job <9999> is not found\n", True),
        ("No unfinished job found\n", True),
        ("Job <101>: Job has already finished\nJob <9>: No matching job found\n", True),
        ("batch system daemon not responding ... still trying\nJob <9> is not found\n", True),
        ("Job <101>: User permission denied\n", False),
        ("batch system daemon not responding ... still trying\n", False),
        ("", False),
    ],
)
def test_jobs_that_are_not_known_are_no_trouble(words: str, *, knows_none: bool) -> None:
    assert answers.knows_none(said(stderr=words, code=255)) is knows_none


@pytest.mark.parametrize(
    ("words", "is_cancelled"),
    [
        ("Job <101>: Operation is in progress\n", True),
        ("Job <101>: Operation is in progress\nJob <9>: Job has already finished\n", True),
        ("Job <101>: User permission denied\nJob <9>: Operation is in progress\n", False),
    ],
)
def test_what_will_be_cancelled_is_cancelled(words: str, *, is_cancelled: bool) -> None:
    assert answers.is_cancelled(said(stderr=words, code=255)) is is_cancelled


@pytest.mark.parametrize(
    ("indices", "expected"),
    [([None], ["17"]), ([3], ["17[3]"]), ([3, 1], ["17[1]", "17[3]"]), ([5, 4, 3, 2, 1], ["17"])],
)
def test_cancelled_are_those_alone_that_are_meant(
    indices: list[int | None], expected: list[str]
) -> None:
    assert answers.to_cancel([handle("17", index) for index in indices]) == expected


@pytest.mark.parametrize("job", ["0", "", "00"])
def test_what_means_all_jobs_of_the_user_is_never_said(job: str) -> None:
    assert answers.to_cancel([handle(job, None)]) == []


# ── What commands show ─────────────────────────────────────────────────────────────────────────


def test_each_element_has_its_line() -> None:
    seen = {one.element: one for one in states.read_table(recorded.TABLE)}
    assert {name: one.stat for name, one in seen.items()} == {
        "101": "DONE",
        "102[1]": "RUN",
        "102[2]": "EXIT",
        "102[3]": "PEND",
        "103": "PEND",
        "104": "PEND",
    }
    assert (seen["102[2]"].host, seen["102[3]"].host, seen["103"].host) == ("vm", "", "")
    assert (seen["102[1]"].name, seen["103"].name) == ("crew-c-i1", "crew-c-i4")
    assert seen["104"].name == "two words"


def test_reasons_follow_their_jobs() -> None:
    waiting, other = states.read_table(recorded.REASONS)
    assert waiting.reason == "The job array has reached its running element limit;"
    assert other.reason.endswith("1 host; Closed by LSF administrator: 1 host;")


def test_columns_tell_more() -> None:
    done, running, ended, waiting = states.read_columns(recorded.COLUMNS)
    assert (done.element, running.element) == ("101", "102[1]")
    assert (ended.code, ended.host) == (130, "vm")
    assert (states.report(ended).state, states.report(ended).cause) == (
        JobState.FAILED,
        "out_of_memory",
    )
    assert waiting.reason == "Load information unavailable|1 host"
    assert waiting.host == ""


@pytest.mark.parametrize(
    ("end", "most", "started", "state", "cause"),
    [
        (recorded.DONE, 0, True, JobState.FINISHED, None),
        (recorded.DONE, 310, True, JobState.FINISHED, "out_of_memory"),
        (recorded.CODE_7, 0, True, JobState.FAILED, "exit 7"),
        (recorded.CODE_7, 310, True, JobState.FAILED, "exit 7"),
        (recorded.SIGNAL, 0, True, JobState.FAILED, "signal 9"),
        (recorded.SIGNAL, 310, True, JobState.FAILED, "out_of_memory"),
        (recorded.CODE_130, 0, True, JobState.CANCELLED, "job_ended"),
        (recorded.CODE_130, 310, True, JobState.FAILED, "out_of_memory"),
        (recorded.NO_CODE, 0, False, JobState.CANCELLED, "job_ended"),
        (recorded.NO_CODE, 0, True, JobState.FAILED, None),
        (recorded.IN_WORDS, 0, True, JobState.FAILED, "wall_time"),
    ],
)
def test_a_long_text_tells_how_a_job_ended(
    end: str, most: int, state: JobState, cause: str | None, *, started: bool
) -> None:
    text = recorded.at_length("103", end, most, started=started)
    report = states.report(states.read_at_length(text)["103"])
    assert (report.state, report.cause) == (state, cause)


@pytest.mark.parametrize("job", ["103", "103[4]"])
@pytest.mark.parametrize("head", ["Job <", "Job Id <"])
def test_who_never_started_is_told_from_who_did(job: str, head: str) -> None:
    for started, state in ((True, JobState.FAILED), (False, JobState.CANCELLED)):
        text = recorded.at_length(job, recorded.NO_CODE, started=started)
        told = states.read_at_length(text.replace("Job Id <", head))[job]
        assert states.report(told).state is state


def test_long_texts_are_told_apart() -> None:
    text = recorded.LINE.join(
        [
            recorded.at_length("102[1]", recorded.CODE_7),
            recorded.at_length("102[3]", recorded.DONE),
            recorded.at_length("103", recorded.SIGNAL),
        ]
    )
    found = states.read_at_length(text)
    assert {name: one.code for name, one in found.items()} == {
        "102[1]": 7,
        "102[3]": None,
        "103": 137,
    }


def test_a_running_job_has_not_ended() -> None:
    text = recorded.at_length("103", "x").replace("Sun Nov 22 00:43:01: x", " MEM: 6 Mbytes")
    assert states.read_at_length(text)["103"].stat == ""


# ── What it comes to ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stat", "state"),
    [
        ("PEND", JobState.PENDING),
        ("PSUSP", JobState.PENDING),
        ("RUN", JobState.RUNNING),
        ("SSUSP", JobState.RUNNING),
        ("USUSP", JobState.RUNNING),
        ("DONE", JobState.FINISHED),
        ("EXIT", JobState.FAILED),
        ("ZOMBI", JobState.FAILED),
        ("UNKWN", JobState.UNKNOWN),
        ("NEW", JobState.UNKNOWN),
    ],
)
def test_a_word_is_a_state(stat: str, state: JobState) -> None:
    assert states.report(Seen("1", None, stat, code=1)).state is state


@pytest.mark.parametrize(
    ("word", "state", "cause"),
    [
        ("TERM_OWNER", JobState.CANCELLED, "job_ended"),
        ("TERM_ADMIN", JobState.CANCELLED, "job_ended"),
        ("TERM_RUNLIMIT", JobState.FAILED, "wall_time"),
        ("TERM_MEMLIMIT", JobState.FAILED, "out_of_memory"),
        ("TERM_PREEMPT", JobState.FAILED, "preempted"),
        ("TERM_UNKNOWN", JobState.FAILED, "exit 5"),
    ],
)
def test_a_reason_is_a_cause(word: str, state: JobState, cause: str) -> None:
    report = states.report(Seen("1", None, "EXIT", code=5, exit_reason=f"{word}: job killed"))
    assert (report.state, report.cause, report.reason) == (state, cause, f"{word}: job killed")


def test_a_lost_host_takes_its_workers_with_it() -> None:
    assert states.report(Seen("1", None, "UNKWN")).cause == "node_lost"


def test_a_row_is_for_people() -> None:
    done, running, ended, waiting = (
        states.row(one, NOW) for one in states.read_columns(recorded.COLUMNS)
    )
    assert (running.job, running.submission, running.index) == ("102[1]", "102", 1)
    assert (running.state, running.queue, running.host) == ("running", "normal", "vm")
    assert (done.exit_code, ended.exit_code, running.exit_code) == (0, 130, None)
    assert waiting.started is None
    assert ended.finished is not None
    assert ended.submitted is not None
    assert ended.submitted.year == 2026


def test_a_month_to_come_was_last_year() -> None:
    told = states.moment("Dec 24 18:00", NOW)
    assert told is not None
    assert told.year == 2025


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for one in (*states.read_table(text), *states.read_columns(text)):
        states.row(one, NOW)
    states.read_at_length(text)
    states.moment(text, NOW)


@given(st.lists(st.text(st.characters(exclude_characters="\n|")), min_size=11, max_size=13))
def test_any_columns_can_be_read(fields: list[str]) -> None:
    for one in states.read_columns(f"1|{'|'.join(fields)}"):
        states.row(one, NOW)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_long_text_can_be_read(before: str, after: str) -> None:
    text = f"Job <7[1]>, {before}\nSubmitted from host <vm>\n{after}"
    for one in states.read_at_length(text).values():
        states.report(one)
