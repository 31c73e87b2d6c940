"""What TORQUE's commands print, real ones and SLURM's, is understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import Verdict
from crew_cluster._cluster.shelf import Shelf
from crew_cluster._pbs.states import read_text
from crew_cluster._torque import answers, notes, states
from crew_cluster._torque.notes import Note
from crew_core.plugins import JobReport, JobState
from scripted.commands import said

OF_SLURM = (
    "Job Id:\t17\n\tJob_Name = crew-i\n\tJob_Owner = ann@login\n\tjob_state = R\n"
    "\tqueue = main\n\tqtime = Sun Nov 22 00:43:28 2026\n\tmtime = Sun Nov 22 00:43:29 2026\n"
    "\texec_host = n1/1\n\tPriority = 4294901757\n\n"
    "Job Id:\t18\n\tJob_Name = crew-i\n\tJob_Owner = ann@login\n\tjob_state = C\n\n"
    "Job Id:\t19\n\tJob_Name = other\n\tJob_Owner = anna@login\n\tjob_state = Q\n\n"
)
OF_TORQUE = (
    "Job Id: 7[3].server\n    Job_Name = crew-i-3\n    Job_Owner = ann@login\n"
    "    job_state = C\n    queue = batch\n    exec_host = n1/0\n    exit_status = -11\n"
    "    start_time = Sun Nov 22 00:43:29 2026\n    comp_time = Sun Nov 22 00:43:39 2026\n\n"
)


def test_both_are_read() -> None:
    found = read_text(OF_SLURM + OF_TORQUE)
    assert list(found) == ["17", "18", "19", "7[3].server"]
    report = states.report(found["17"])
    assert (report.state, report.host) == (JobState.RUNNING, "n1")
    report = states.report(found["7[3].server"])
    assert (report.state, report.cause) == (JobState.FAILED, "wall_time")


@pytest.mark.parametrize(
    ("letter", "state"),
    [
        ("Q", JobState.PENDING),
        ("H", JobState.PENDING),
        ("W", JobState.PENDING),
        ("R", JobState.RUNNING),
        ("E", JobState.RUNNING),
        ("S", JobState.RUNNING),
        ("U", JobState.UNKNOWN),
    ],
)
def test_a_letter_is_a_state(letter: str, state: JobState) -> None:
    assert states.report({"job_state": letter}).state is state


@pytest.mark.parametrize(
    ("status", "code", "state", "cause"),
    [
        ("0", None, JobState.FINISHED, None),
        ("3", None, JobState.FAILED, "exit 3"),
        ("265", None, JobState.FAILED, "signal 9"),
        ("271", None, JobState.CANCELLED, "job_ended"),
        ("-10", None, JobState.FAILED, "out_of_memory"),
        ("-11", None, JobState.FAILED, "wall_time"),
        ("-4", None, JobState.FAILED, "node_lost"),
        ("0", 3, JobState.FINISHED, None),
        ("", 0, JobState.FINISHED, None),
        ("", 3, JobState.FAILED, "exit 3"),
        ("", 137, JobState.FAILED, "signal 9"),
        ("", None, JobState.FAILED, None),
    ],
)
def test_how_a_job_ended_is_told_by_the_server_or_itself(
    status: str, code: int | None, state: JobState, cause: str | None
) -> None:
    attributes = {"job_state": "C", "exec_host": "n1/0", "exit_status": status}
    report = states.report(attributes, code)
    assert (report.state, report.cause) == (state, cause)


def test_what_never_ran_was_cancelled() -> None:
    report = states.report({"job_state": "C"})
    assert (report.state, report.cause) == (JobState.CANCELLED, "job_ended")


def test_a_row_is_for_people() -> None:
    running, ended, waiting, element = states.read_rows(read_text(OF_SLURM + OF_TORQUE))
    assert (running.job, running.submission, running.state) == ("17", "17", "running")
    assert running.submitted is not None
    assert (ended.state, waiting.state) == ("cancelled", "pending")
    assert (element.submission, element.index, element.name) == ("7[].server", 3, "crew-i")
    assert (element.state, element.exit_code) == ("failed", -11)
    assert element.started is not None
    assert element.finished is not None


def test_jobs_of_others_are_none_of_ours() -> None:
    assert list(states.owned(read_text(OF_SLURM), "ann")) == ["17", "18"]


def test_an_array_goes_by_its_first_number() -> None:
    names = {"Job_Name": "crew-i"}
    assert states.by_name({"118": names, "17": names, "19": names}) == {"crew-i": "17"}


# ── Answers ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("There was an error\n'error: Invalid partition name specified'", Verdict.REFUSED),
        ("error: Unable to contact slurm controller (connect failure)", Verdict.BUSY),
        ("error: Socket timed out on send/recv operation", Verdict.UNSURE),
        ("sbatch: error: AssocMaxSubmitJobLimit", Verdict.FULL),
        ("qsub: cannot connect to server", Verdict.BUSY),
    ],
)
def test_a_failed_submission_is_judged_by_its_words(words: str, verdict: Verdict) -> None:
    """SLURM's command of this name prints them where others print ids."""
    assert answers.verdict(said(stdout=words, code=1)) is verdict


def test_silence_with_the_right_exit_code_knows_of_none() -> None:
    assert answers.tells_of_none(said(code=153))
    assert not answers.tells_of_none(said(code=255))
    assert not answers.tells_of_none(said(stderr="Problem loading jobs.\n", code=153))


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "cancelled"),
    [
        ("", "", 0, True),
        ("", "", 2, True),
        ("", "qdel: Unknown Job Id 7.server", 153, True),
        ("qdel: Kill job error on job id 7: Access/permission denied", "", 1, False),
        ("", "qdel: Unauthorized Request 7.server", 151, False),
    ],
)
def test_cancelling_what_is_over_is_no_trouble(
    stdout: str, stderr: str, code: int, cancelled: bool
) -> None:
    assert answers.cancelled(said(stdout, stderr, code)) is cancelled


# ── Notes ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("18\n", Note("18")),
        ("18\n0\n", Note("18", 0)),
        ("7[3].server\n143\n", Note("7[3].server", 143)),
        ("", None),
        ("\n", None),
        ("one two\n", None),
    ],
)
def test_a_note_is_a_number_and_an_exit_code(text: str, note: Note | None) -> None:
    assert notes.read(text) == note


def test_notes_are_read_by_their_places(tmp_path: Path) -> None:
    (tmp_path / "2.told").write_text("19\n0\n")
    handle = Handle("17", 1, 3, "crew-i", str(tmp_path))
    assert notes.read_all(handle, Shelf(tmp_path)) == {2: Note("19", 0)}


JOBS = {"17": {"job_state": "Q"}, "18": {"job_state": "R"}}


@pytest.mark.parametrize(
    ("place", "written", "state"),
    [
        (1, {1: Note("18")}, "R"),
        (2, {1: Note("18")}, "Q"),
        (2, {1: Note("18"), 3: Note("17")}, None),
        (3, {1: Note("18"), 3: Note("17")}, "Q"),
        (1, {1: Note("16")}, None),
    ],
)
def test_who_has_not_started_goes_by_the_arrays_number(
    place: int, written: dict[int, Note], state: str | None
) -> None:
    found = notes.attributes_of(place, "17", written, JOBS)
    assert (found and found["job_state"]) == state


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    notes.read(text)
    answers.verdict(said(text, text, 1))
    found = read_text("Job Id: 1\n" + "".join(f"\t{line}\n" for line in text.splitlines()))
    states.read_rows(found)
    states.by_name(found)
    states.owned(found, "ann")


@given(
    st.dictionaries(
        st.sampled_from(["job_state", "exit_status", "comment", "exec_host", "qtime"]),
        st.one_of(st.text(), st.sampled_from(["C", "E", "R"]), st.integers().map(str)),
    ),
    st.one_of(st.none(), st.integers(-999_999_999, 999_999_999)),
)
def test_any_attributes_are_a_report(attributes: dict[str, str], code: int | None) -> None:
    report = states.report(attributes, code)
    JobReport(report.state, cause=report.cause, reason=report.reason)
