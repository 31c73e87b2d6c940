"""What SLURM's commands print is understood, and nothing that they print is a surprise."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict
from crew_cluster._slurm import answers, states
from crew_core.plugins import JobState
from scripted.commands import said


def handle(job: str, index: int | None, count: int = 5) -> Handle:
    return Handle(job, index, count, "crew-c-i", "/nowhere")


# ── Ids ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("17\n", "17"),
        ("17;big\n", "17;big"),
        ("*** Welcome! 3 nodes are down ***\n17\n", "17"),
        ("17\nYour account has 1000 hours left.\n", "17"),
        ("  17  \n\n", "17"),
        ("Submitted batch job 17\n", "17"),
        ("Submitted batch job 17 on cluster big\n", "17;big"),
    ],
)
def test_an_id_is_found_whatever_is_around_it(printed: str, expected: str) -> None:
    assert answers.job_id(said(printed)) == expected


@pytest.mark.parametrize("printed", ["", "\n", "ok", "job 17 or so", "-17", "17 18"])
def test_what_is_no_id_is_not_taken_for_one(printed: str) -> None:
    with pytest.raises(UnreadableError):
        answers.job_id(said(printed))


@given(st.text())
def test_any_answer_to_a_submission_is_an_id_or_our_error(printed: str) -> None:
    with contextlib.suppress(UnreadableError):
        assert answers.job_id(said(printed))


@given(st.text(), st.text(), st.integers(-64, 255))
def test_any_failure_has_a_verdict(stdout: str, stderr: str, code: int) -> None:
    answer = Answer(("sbatch",), code, stdout, stderr)
    assert answers.verdict(answer) in Verdict
    assert answers.knows_none(answer) in (True, False)


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("Batch job submission failed: Invalid partition name specified", Verdict.REFUSED),
        ("Batch job submission failed: Invalid account or account/partition", Verdict.REFUSED),
        ("Batch job submission failed: Socket timed out on send/recv operation", Verdict.UNSURE),
        ("Unable to contact slurm controller (connect failure)", Verdict.BUSY),
        ("QOSMaxSubmitJobPerUserLimit", Verdict.FULL),
        ("AssocGrpSubmitJobsLimit", Verdict.FULL),
        (
            "AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
            "accounting/QOS policy (job submit limit, user's size and/or time limits)",
            Verdict.FULL,
        ),
        (
            "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, "
            "user's size and/or time limits)",
            Verdict.REFUSED,
        ),
        ("Slurm temporarily unable to accept job, sleeping and retrying", Verdict.BUSY),
    ],
)
def test_a_failed_submission_is_judged_by_its_words(words: str, verdict: Verdict) -> None:
    assert answers.verdict(said(stderr=f"sbatch: error: {words}\n", code=1)) is verdict


def test_a_jobs_name_is_as_slurm_writes_it() -> None:
    assert answers.element("17", None) == "17"
    assert answers.element("17", 4) == "17_4"
    assert answers.element("17;big", 4) == "17_4;big"


@pytest.mark.parametrize(
    ("indices", "expected"),
    [([None], "17"), ([3], "17_3"), ([1, 2, 3, 5], "17_[1-3,5]"), ([5, 4, 3, 2, 1], "17")],
)
def test_cancelled_are_those_alone_that_are_meant(indices: list[int | None], expected: str) -> None:
    assert answers.to_cancel([handle("17", index) for index in indices]) == expected


@given(st.sets(st.integers(1, 300), min_size=1))
def test_ranges_name_each_number_once(numbers: set[int]) -> None:
    named: list[int] = []
    for part in answers.ranges(sorted(numbers)).split(","):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(numbers)


@pytest.mark.parametrize(
    ("text", "limit"),
    [("MaxArraySize            = 1001", 1000), ("MaxArraySize = 0", 1), ("", None)],
)
def test_the_limit_of_arrays_is_read(text: str, limit: int | None) -> None:
    assert answers.array_limit(f"MaxDBDMsgs = 20000\n{text}\nMaxJobCount = 10000\n") == limit


# ── States ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("word", "state", "cause"),
    [
        ("PENDING", JobState.PENDING, None),
        ("CONFIGURING", JobState.PENDING, None),
        ("RUNNING", JobState.RUNNING, None),
        ("COMPLETING", JobState.RUNNING, None),
        ("SUSPENDED", JobState.RUNNING, None),
        ("COMPLETED", JobState.FINISHED, None),
        ("FAILED", JobState.FAILED, None),
        ("CANCELLED", JobState.CANCELLED, "job_ended"),
        ("CANCELLED by 1000", JobState.CANCELLED, "job_ended"),
        ("CANCELLED+", JobState.CANCELLED, "job_ended"),
        ("TIMEOUT", JobState.FAILED, "wall_time"),
        ("OUT_OF_MEMORY", JobState.FAILED, "out_of_memory"),
        ("NODE_FAIL", JobState.FAILED, "node_lost"),
        ("PREEMPTED", JobState.FAILED, "preempted"),
        ("SOMETHING_NEW", JobState.UNKNOWN, None),
    ],
)
def test_a_word_is_a_state_and_a_cause(word: str, state: JobState, cause: str | None) -> None:
    report = states.report(word)
    assert (report.state, report.cause) == (state, cause)


def test_a_reason_may_have_commas_and_bars() -> None:
    text = "17_1|PENDING||0|ReqNodeNotAvail, UnavailableNodes:n[1-3]|x|\n"
    report = states.read_look(text)["17_1"]
    assert report.reason == "ReqNodeNotAvail, UnavailableNodes:n[1-3]|x"
    assert not report.hopeless


@pytest.mark.parametrize("reason", ["BadConstraints", "DependencyNeverSatisfied"])
def test_what_can_never_run_is_hopeless(reason: str) -> None:
    assert states.report("PENDING", reason).hopeless


def test_each_job_has_its_line() -> None:
    text = (
        "17_1|RUNNING|n1|0|None|\n17_2|PENDING||0|Resources|\n\nCLUSTER: big\n"
        "18|COMPLETED|n2|0|None|\n"
    )
    found = states.read_look(text)
    assert {job: report.state.value for job, report in found.items()} == {
        "17_1": "running",
        "17_2": "pending",
        "18": "finished",
    }
    assert found["17_1"].host == "n1"
    assert found["17_2"].reason == "Resources"


@pytest.mark.parametrize(
    ("raw", "status", "cause"),
    [
        ("FAILED", "9", "signal 9"),
        ("FAILED", "1792", "exit 7"),
        ("FAILED", "35072", "signal 9"),
        ("FAILED", "0", None),
        ("FAILED", "?", None),
        ("OUT_OF_MEMORY", "32000", "out_of_memory"),
        ("CANCELLED", "15", "job_ended"),
        ("RUNNING", "0", None),
    ],
)
def test_how_a_worker_died_is_told(raw: str, status: str, cause: str | None) -> None:
    assert states.read_look(f"17|{raw}|n1|{status}|None|\n")["17"].cause == cause


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("slurmstepd-n1: error: StepId=31.batch exceeded memory limit (2 > 1), being killed",
         "out_of_memory"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch", "out_of_memory"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 00:13:43 DUE TO TIME LIMIT ***",
         "wall_time"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-22T00:13:43 ***", None),
        ("my own text: exceeded memory limit", None),
    ],
)  # fmt: skip
def test_what_slurm_writes_into_the_output_is_read(line: str, cause: str | None) -> None:
    assert states.read_cause(f"hello\n{line}\nbye\n") == cause


def test_of_the_accounting_only_ends_are_believed() -> None:
    text = "17_1|RUNNING|0:0|n1\n17_2|OUT_OF_MEMORY|0:125|n1\n17_[3-4]|PENDING|0:0|None assigned\n"
    assert list(states.read_history(text)) == ["17_2"]
    assert states.read_history(text)["17_2"].reason == "OUT_OF_MEMORY 0:125"


def test_a_row_is_for_people() -> None:
    text = (
        "17_2|17|2|crew-my-run-i1|RUNNING|short|n1|2026-11-21T10:00:00|2026-11-21T10:00:05|"
        "2026-11-21T11:00:05|0|None|\n"
        "18|18|N/A|x|PENDING|short||2026-11-21T10:00:00|2026-11-22T10:00:00|N/A|0|Priority|\n"
        "19|19|N/A|y|FAILED|short|n1|2026-11-21T10:00:00|2026-11-21T10:00:01|2026-11-21T10:00:02|"
        "1792|NonZeroExitCode|\n"
        "20|20|N/A|y|FAILED|short|n1|2026-11-21T10:00:00|2026-11-21T10:00:01|2026-11-21T10:00:02|"
        "9|JobLaunchFailure|\n"
    )
    running, waiting, failed, killed = states.read_rows(text)
    assert (running.job, running.submission, running.index) == ("17_2", "17", 2)
    assert (running.state, running.host, running.queue) == ("running", "n1", "short")
    assert running.started is not None
    assert running.started.tzinfo is not None
    assert running.finished is None
    assert (waiting.index, waiting.reason, waiting.started) == (None, "Priority", None)
    assert (failed.exit_code, killed.exit_code, running.exit_code) == (7, 137, None)
    assert failed.finished is not None


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    states.read_look(text)
    states.read_history(text)
    states.read_found(text)
    states.read_cause(text)
    states.read_rows(text)
    answers.array_limit(text)


@given(st.lists(st.text(st.characters(exclude_characters="\n")), min_size=4, max_size=11))
def test_any_fields_can_be_read(fields: list[str]) -> None:
    line = "|".join(fields)
    states.read_look(line)
    states.read_rows(line)
