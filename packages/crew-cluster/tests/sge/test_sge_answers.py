"""What Grid Engine's commands print is understood, and nothing that they print is a surprise."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict
from crew_cluster._sge import answers, states
from crew_core.plugins import JobState
from scripted.commands import said
from sge.recorded import ACCOUNTS, LISTING, REASONS


def handle(job: str, index: int | None, count: int = 5) -> Handle:
    return Handle(job, index, count, "crew-c-i", "/nowhere")


# ── Ids ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("17\n", "17"),
        ("17.1-3:1\n", "17"),
        ("*** Welcome! 3 nodes are down ***\n17\n", "17"),
        ("17\nYour account has 1000 hours left.\n", "17"),
        ('Your job 17 ("crew-c-i1") has been submitted\n', "17"),
        ('Your job-array 17.1-3:1 ("crew-c-i1") has been submitted\n', "17"),
    ],
)
def test_an_id_is_found_whatever_is_around_it(printed: str, expected: str) -> None:
    assert answers.job_id(said(printed)) == expected


@pytest.mark.parametrize("printed", ["", "\n", "ok", "job 17 or so", "-17", "17 18", "17.2"])
def test_what_is_no_id_is_not_taken_for_one(printed: str) -> None:
    with pytest.raises(UnreadableError):
        answers.job_id(said(printed))


@pytest.mark.parametrize(
    ("words", "code", "verdict"),
    [
        ('Unable to run job: unknown resource "gpu"\nExiting.', 1, Verdict.REFUSED),
        ("Unable to run job: job rejected: you tried to submit a job with more than 9 tasks",
         1, Verdict.REFUSED),
        ("Unable to run job: job rejected: only 1 jobs are allowed per user (current job count: 3)",
         25, Verdict.FULL),
        ("error: commlib error: got select error (Connection refused)\n"
         "Unable to run job: unable to send message to qmaster using port 29681 on host \"vm\": "
         "got send error", 1, Verdict.BUSY),
        ("error: failed receiving gdi request response for mid=1 (got syncron message receive "
         "timeout error).", 1, Verdict.UNSURE),
    ],
)  # fmt: skip
def test_a_failed_submission_is_judged_by_its_words(
    words: str, code: int, verdict: Verdict
) -> None:
    assert answers.verdict(said(stderr=words + "\n", code=code)) is verdict


@given(st.text(), st.text(), st.integers(-64, 255))
def test_any_answer_is_something(stdout: str, stderr: str, code: int) -> None:
    answer = Answer(("qsub",), code, stdout, stderr)
    assert answers.verdict(answer) in Verdict
    assert answers.is_cancelled(answer) in (True, False)
    with contextlib.suppress(UnreadableError):
        assert answers.job_id(answer)


@pytest.mark.parametrize(
    ("printed", "is_cancelled"),
    [
        ("root has registered the job 44 for deletion", True),
        ("root has deleted job-array tasks 1-3:1 of job 49", True),
        ('denied: job "99999" does not exist', True),
        ("job 3 is already in deletion", True),
        ('root has deleted job 6\ndenied: job "9" does not exist', True),
        ('denied: you are not allowed to delete job "7"', False),
        ("error: commlib error: got select error (Connection refused)", False),
        ("", False),
    ],
)
def test_it_is_known_whether_jobs_end(printed: str, *, is_cancelled: bool) -> None:
    assert answers.is_cancelled(said(printed + "\n", code=1)) is is_cancelled


def test_a_jobs_name_is_as_grid_engine_writes_it() -> None:
    assert answers.element("17", None) == "17"
    assert answers.element("17", 4) == "17.4"


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ([None], ["17"]),
        ([3], ["17.3"]),
        ([1, 2, 3, 5], ["17.1-3", "17.5"]),
        ([5, 4, 3, 2, 1], ["17"]),
    ],
)
def test_cancelled_are_those_alone_that_are_meant(
    indices: list[int | None], expected: list[str]
) -> None:
    assert answers.to_cancel([handle("17", index) for index in indices]) == expected


@pytest.mark.parametrize(
    ("text", "limit"),
    [("max_aj_tasks                 75000", 75000), ("max_aj_tasks 0", None), ("", None)],
)
def test_the_limit_of_arrays_is_read(text: str, limit: int | None) -> None:
    assert answers.array_limit(f"max_aj_instances 2000\n{text}\nmax_u_jobs 0\n") == limit


# ── States ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("qw", JobState.PENDING),
        ("hqw", JobState.PENDING),
        ("Rq", JobState.PENDING),
        ("Eqw", JobState.PENDING),
        ("t", JobState.RUNNING),
        ("r", JobState.RUNNING),
        ("Rr", JobState.RUNNING),
        ("dr", JobState.RUNNING),
        ("dt", JobState.RUNNING),
        ("s", JobState.RUNNING),
        ("S", JobState.RUNNING),
        ("T", JobState.RUNNING),
        ("", JobState.UNKNOWN),
        ("new", JobState.UNKNOWN),
    ],
)
def test_letters_are_a_state(word: str, state: JobState) -> None:
    assert states.report(word).state is state


def test_an_error_is_hopeless() -> None:
    assert states.report("Eqw").hopeless
    assert not states.report("qw").hopeless


def test_who_is_being_deleted_ends_by_somebodys_will() -> None:
    assert states.report("dr").cause == "job_ended"
    assert states.report("Rq").cause == "job_ended"
    assert states.report("r").cause is None


def test_each_element_has_its_report() -> None:
    found = states.read_look(LISTING)
    assert {job: report.raw for job, report in found.items()} == {
        "2": "r",
        "3.1": "r",
        "3.3": "qw",
        "3.4": "qw",
        "3.5": "qw",
        "7": "Eqw",
    }
    assert found["2"].host == "vm"


@pytest.mark.parametrize("text", ["", "nothing to see", LISTING[:-20]])
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(UnreadableError):
        states.read_look(text)


def test_an_empty_queue_is_an_answer() -> None:
    text = "<?xml version='1.0'?>\n<job_info>\n<queue_info>\n</queue_info>\n</job_info>\n"
    assert states.read_look(text) == {}


def test_reasons_belong_to_jobs_and_elements() -> None:
    reasons = states.read_reasons(REASONS)
    assert reasons["7.1"] == (
        'error: can\'t open output file "/nonexistent/x/y": No such file or directory'
    )
    assert reasons["8"] == 'cannot run in PE "smp" because it only offers 0 slots'


@pytest.mark.parametrize(
    ("job", "state", "cause"),
    [
        ("2", JobState.FINISHED, None),
        ("3.1", JobState.FAILED, "exit 7"),
        ("3.2", JobState.FAILED, "signal 9"),
        ("9", JobState.FAILED, "wall_time"),
        ("35", JobState.FAILED, "out_of_memory"),
    ],
)
def test_the_accounting_tells_how_jobs_ended(job: str, state: JobState, cause: str | None) -> None:
    report = states.read_history(ACCOUNTS, ["crew-c-i1"])[job]
    assert (report.state, report.cause) == (state, cause)


def test_jobs_of_years_ago_had_the_same_ids() -> None:
    assert "36" not in states.read_history(ACCOUNTS, ["crew-c-i1"])


def test_memory_counts_for_each_slot() -> None:
    """Two slots have twice the memory, so this one was ended for its time."""
    text = ACCOUNTS.replace("slots        1", "slots        2")
    assert states.read_history(text, ["crew-c-i1"])["35"].cause == "wall_time"


def test_a_row_is_for_people() -> None:
    running, *waiting, failed = states.read_rows(LISTING.replace("<state>r<", "<state>dr<"))
    assert (running.job, running.submission, running.index) == ("2", "2", None)
    assert (running.state, running.queue, running.host) == ("ending", "all.q", "vm")
    assert running.started is not None
    assert running.submitted is None
    assert waiting[-1].index == 5
    assert waiting[-1].submitted is not None
    assert (failed.state, failed.raw_state, failed.name) == ("pending", "Eqw", "crew-c-i&3")
    assert states.reason_of({"7.1": "why"}, failed) == "why"


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for read in (text, f"<job_list>{text}</job_list></job_info>"):
        with contextlib.suppress(UnreadableError):
            states.read_rows(read)
    states.read_reasons(text)
    states.read_history(text, [text])
    answers.array_limit(text)


NAMES = st.sampled_from(["JB_job_number", "tasks", "state", "queue_name", "JAT_start_time"])


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_characters="<>"), max_size=12)))
def test_any_fields_can_be_read(fields: dict[str, str]) -> None:
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    states.read_rows(f"<job_list>{inside}</job_list></job_info>")


FACTS = st.sampled_from(["jobnumber", "taskid", "failed", "exit_status", "maxvmem", "category"])


@given(st.dictionaries(FACTS, st.text(max_size=12)))
def test_any_account_can_be_read(facts: dict[str, str]) -> None:
    lines = "\n".join(f"{name}  {value}" for name, value in facts.items())
    states.read_history(f"=====\njobname  x\n{lines}\n", ["x"])
