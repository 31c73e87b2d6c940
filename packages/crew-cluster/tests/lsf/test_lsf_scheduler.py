"""Which commands are run, and what is made of strange answers."""

from __future__ import annotations

import pytest

from crew_cluster._cluster.commands import Answer, CommandError
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._lsf.scheduler import Lsf
from crew_core.plugins import JobState
from lsf import recorded
from scripted.commands import Scripted, said, silence

TOO_OLD = said(stderr="bjobs: invalid option -- 'o'\n", code=255)
UNKNOWN_ID = said(stderr="Job <999> is not found\n", code=255)
NO_HISTORY = said(stderr="No matching job found\n", code=255)
ENDED_WELL = said(recorded.at_length("101", recorded.DONE))


def handle(job: str, index: int | None = None, count: int = 1) -> Handle:
    return Handle(job, index, count, "crew-c-i1", "/nowhere")


ARRAY = [handle("102", index, 3) for index in (1, 2, 3)]


def test_all_jobs_are_one_question() -> None:
    run = Scripted(said(recorded.COLUMNS))
    found = Lsf().look(run, [*ARRAY, handle("101")])
    assert {job: report.state.value for job, report in found.items()} == {
        "101": "finished",
        "102[1]": "running",
        "102[2]": "failed",
        "102[3]": "pending",
    }
    assert found["102[2]"].cause == "out_of_memory"
    assert run.programs == ["bjobs"]
    assert run.asked[0][-2:] == ("102", "101")


def test_an_old_lsf_is_asked_for_columns_once() -> None:
    run = Scripted(TOO_OLD, said(recorded.TABLE), ENDED_WELL, said(recorded.TABLE), ENDED_WELL)
    lsf = Lsf()
    lsf.look(run, [handle("101")])
    lsf.look(run, [handle("101")])
    assert [argv[1:3] for argv in run.asked] == [
        ("-a", "-noheader"),
        ("-a", "-w"),
        ("-l", "101"),
        ("-a", "-w"),
        ("-l", "101"),
    ]


def test_an_lsf_that_does_not_answer_is_not_an_old_one() -> None:
    down = said(stderr="LSF is down. Please wait ...\n", code=255)
    run = Scripted(down, down, said(recorded.COLUMNS))
    lsf = Lsf()
    with pytest.raises(UnreadableError, match="LSF is down"):
        lsf.look(run, [handle("101")])
    assert lsf.look(run, [handle("101")])["101"].state is JobState.FINISHED


def test_an_old_lsf_tells_in_long_texts_how_jobs_ended() -> None:
    ended = said(recorded.at_length("102[2]", recorded.CODE_130, 310))
    run = Scripted(TOO_OLD, said(recorded.TABLE), ended, said(recorded.REASONS))
    found = Lsf().look(run, ARRAY)
    assert found["102[1]"].state is JobState.RUNNING
    assert (found["102[2]"].cause, found["102[2]"].host) == ("out_of_memory", "vm")
    assert found["102[3]"].reason.startswith("The job array has reached")
    assert run.asked[2:] == [("bjobs", "-l", "102[2]"), ("bjobs", "-w", "-p", "102")]


def test_what_cannot_be_asked_for_is_done_without() -> None:
    run = Scripted(TOO_OLD, said(recorded.TABLE), silence(), silence())
    found = Lsf().look(run, ARRAY)
    assert (found["102[2]"].state, found["102[2]"].cause) == (JobState.FAILED, None)
    assert found["102[3]"].reason == ""


def test_what_is_forgotten_the_history_tells() -> None:
    history = said(recorded.at_length("999", recorded.CODE_7))
    run = Scripted(UNKNOWN_ID, history)
    assert Lsf().look(run, [handle("999")])["999"].cause == "exit 7"
    assert run.asked[1] == ("bhist", "-l", "999")


def test_what_nobody_knows_is_left_out() -> None:
    assert Lsf().look(Scripted(UNKNOWN_ID, NO_HISTORY), [handle("999")]) == {}


def test_those_that_are_known_are_shown_beside_those_that_are_not() -> None:
    answer = said(recorded.COLUMNS, "Job <999> is not found\n", 255)
    found = Lsf().look(Scripted(answer, NO_HISTORY), [handle("999"), ARRAY[0]])
    assert sorted(found) == ["102[1]"]


@pytest.mark.parametrize(
    "answer",
    [
        silence(),
        said(stderr="LSF is down. Please wait ...\n", code=255),
        said("the site's own bjobs: nothing to see\n"),
        said(),
    ],
)
def test_who_does_not_answer_proves_nothing(answer: Answer | CommandError) -> None:
    with pytest.raises((CommandError, UnreadableError)):
        Lsf().look(Scripted(answer, answer), ARRAY)


def test_jobs_are_found_by_name() -> None:
    run = Scripted(TOO_OLD, said(recorded.TABLE))
    assert Lsf().find(run, ["crew-c-i1", "crew-c-i9"]) == {"crew-c-i1": "102"}


def test_an_empty_queue_has_no_jobs_of_this_name() -> None:
    assert Lsf().find(Scripted(said(stderr="No job found\n", code=255)), ["crew-c-i1"]) == {}


def test_all_that_is_cancelled_is_one_command() -> None:
    run = Scripted(said("Job <18> is being terminated\n"))
    Lsf().cancel(run, [ARRAY[0], ARRAY[2], handle("18"), handle("18")])
    assert run.asked == [("bkill", "102[1]", "102[3]", "18")]


def test_cancelling_what_has_ended_is_no_error() -> None:
    words = "Job <102>: Job has already finished\n"
    Lsf().cancel(Scripted(said(stderr=words, code=255)), ARRAY)


def test_cancelling_what_is_not_ours_is_an_error() -> None:
    words = "Job <102>: User permission denied\n"
    with pytest.raises(UnreadableError, match="permission denied"):
        Lsf().cancel(Scripted(said(stderr=words, code=255)), ARRAY)


def test_a_row_says_why_its_job_waits() -> None:
    run = Scripted(TOO_OLD, said(recorded.TABLE), said(recorded.REASONS))
    reasons = {row.job: row.reason for row in Lsf().rows(run)}
    assert reasons["102[3]"].startswith("The job array")
    assert reasons["102[1]"] == ""
