"""Which commands are run, and what is made of strange answers."""

from __future__ import annotations

import pytest

from crew_cluster._cluster.commands import CommandError
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._slurm.scheduler import Slurm
from crew_core.plugins import JobState
from scripted.commands import Scripted, said, silence

DISABLED = said(stderr="Slurm accounting storage is disabled\n", code=1)
UNKNOWN_ID = said(stderr="slurm_load_jobs error: Invalid job id specified\n", code=1)
DOWN = said(stderr="slurm_load_jobs error: Unable to contact slurm controller\n", code=1)


def handle(job: str, index: int | None = None, count: int = 1) -> Handle:
    return Handle(job, index, count, "crew-c-i", "/nowhere")


ARRAY = [handle("17", index, 3) for index in (1, 2, 3)]


def test_all_jobs_are_one_question() -> None:
    lines = "17_1|RUNNING|n1|0|None|\n17_2|PENDING||0|Priority|\n17_3|PENDING||0|Priority|\n"
    run = Scripted(said(lines + "18|RUNNING|n2|0|None|\n"))
    found = Slurm().look(run, [*ARRAY, handle("18")])
    assert sorted(found) == ["17_1", "17_2", "17_3", "18"]
    assert run.programs == ["squeue"]
    assert "--jobs=17,18" in run.asked[0]


def test_jobs_of_two_clusters_are_asked_for_where_they_are() -> None:
    run = Scripted(said("7|RUNNING|n1|0|None|\n"), said("7|PENDING||0|Priority|\n"))
    found = Slurm().look(run, [handle("7;a"), handle("7;b")])
    assert {job: report.state.value for job, report in found.items()} == {
        "7;a": "running",
        "7;b": "pending",
    }
    assert [argv[-1] for argv in run.asked] == ["--clusters=a", "--clusters=b"]


def test_what_the_controller_has_forgotten_the_accounting_tells() -> None:
    run = Scripted(UNKNOWN_ID, said("17|TIMEOUT|0:0|n1\n"))
    report = Slurm().look(run, [handle("17")])["17"]
    assert (report.state, report.cause) == (JobState.FAILED, "wall_time")
    assert run.programs == ["squeue", "sacct"]


def test_a_site_without_accounting_is_asked_for_it_once() -> None:
    run = Scripted(UNKNOWN_ID, DISABLED, UNKNOWN_ID)
    slurm = Slurm()
    assert slurm.look(run, [handle("17")]) == {}
    assert slurm.look(run, [handle("17")]) == {}
    assert run.programs == ["squeue", "sacct", "squeue"]


def test_a_site_without_the_accountings_program_is_asked_for_it_once() -> None:
    run = Scripted(UNKNOWN_ID, silence(began=False), UNKNOWN_ID)
    slurm = Slurm()
    slurm.look(run, [handle("17")])
    assert slurm.look(run, [handle("17")]) == {}


def test_a_controller_that_is_down_proves_nothing() -> None:
    with pytest.raises(UnreadableError, match="Unable to contact"):
        Slurm().look(Scripted(DOWN), ARRAY)
    with pytest.raises(CommandError):
        Slurm().look(Scripted(silence()), ARRAY)


def test_an_answer_of_another_kind_proves_nothing() -> None:
    with pytest.raises(UnreadableError, match="site's own squeue"):
        Slurm().look(Scripted(said("the site's own squeue: nothing to see\n")), ARRAY)


def test_a_whole_array_is_cancelled_by_its_id() -> None:
    run = Scripted(said())
    Slurm().cancel(run, ARRAY)
    assert run.asked == [("scancel", "--quiet", "17")]


def test_all_that_is_cancelled_is_one_command() -> None:
    run = Scripted(said())
    Slurm().cancel(run, [ARRAY[0], ARRAY[2], handle("18"), handle("18")])
    assert run.asked == [("scancel", "--quiet", "17_[1,3]", "18")]


def test_cancelling_what_has_ended_is_no_error() -> None:
    words = "scancel: error: Kill job error on job id 17: Invalid job id specified\n"
    Slurm().cancel(Scripted(said(stderr=words, code=1)), ARRAY)


def test_cancelling_what_is_not_ours_is_an_error() -> None:
    words = "scancel: error: Kill job error on job id 17: Access/permission denied\n"
    with pytest.raises(UnreadableError, match="permission denied"):
        Slurm().cancel(Scripted(said(stderr=words, code=1)), ARRAY)


def test_a_site_that_does_not_tell_its_limit_has_the_usual_one() -> None:
    assert Slurm().array_limit(Scripted(said("nothing"))) == 1000
