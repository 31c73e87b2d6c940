"""Which commands are run, and what is made of strange answers."""

from __future__ import annotations

import pytest

from crew_cluster._cluster.commands import CommandError
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._sge.options import SgeOptions
from crew_cluster._sge.scheduler import Sge
from crew_core.plugins import JobState
from scripted.commands import Scripted, said, silence
from sge.recorded import ACCOUNTS, EMPTY, LISTING, REASONS, account

DOWN = said(
    stderr="error: commlib error: got select error (Connection refused)\nerror: unable to send "
    'message to qmaster using port 29681 on host "vm": got send error\n',
    code=1,
)
UNKNOWN_ID = said(stderr="error: job id 99999 not found\n", code=1)


def handle(job: str, index: int | None = None, count: int = 1, name: str = "crew-c-i1") -> Handle:
    return Handle(job, index, count, name, "/nowhere")


ARRAY = [handle("3", index, 5) for index in (1, 3, 4)]


def test_all_jobs_are_one_question() -> None:
    run = Scripted(said(LISTING))
    found = Sge().look(run, [*ARRAY, handle("2")])
    assert sorted(found) == ["2", "3.1", "3.3", "3.4"]
    assert run.programs == ["qstat"]


def test_why_a_job_is_in_error_is_asked_for() -> None:
    run = Scripted(said(LISTING), said(REASONS))
    report = Sge().look(run, [handle("7"), handle("2")])["7"]
    assert report.hopeless
    assert "can't open output file" in report.reason
    assert run.asked[1] == ("qstat", "-j", "7")


def test_who_cannot_be_asked_why_is_hopeless_all_the_same() -> None:
    run = Scripted(said(LISTING), silence())
    report = Sge().look(run, [handle("7")])["7"]
    assert (report.hopeless, report.reason) == (True, "")


def test_what_left_the_queue_the_accounting_tells() -> None:
    run = Scripted(said(LISTING), said(ACCOUNTS))
    found = Sge().look(run, [ARRAY[0], handle("3", 2, 5)])
    assert found["3.1"].state is JobState.RUNNING
    assert (found["3.2"].state, found["3.2"].cause) == (JobState.FAILED, "signal 9")
    assert run.asked[1] == ("qacct", "-j", "3")


def test_the_accounting_is_read_once_for_all() -> None:
    accounts = said(account(18) + account(19, name="crew-c-i2", status="7"))
    run = Scripted(said(EMPTY), accounts)
    found = Sge().look(run, [handle("18"), handle("19", name="crew-c-i2")])
    assert {job: report.state.value for job, report in found.items()} == {
        "18": "finished",
        "19": "failed",
    }
    assert run.asked[1] == ("qacct", "-j", "crew-c-*")


def test_what_neither_knows_is_left_out() -> None:
    assert Sge().look(Scripted(said(EMPTY), UNKNOWN_ID), [handle("17")]) == {}


@pytest.mark.parametrize("began", [True, False])
def test_an_accounting_that_cannot_be_read_is_asked_once(*, began: bool) -> None:
    run = Scripted(said(EMPTY), silence(began=began), said(EMPTY))
    sge = Sge()
    assert sge.look(run, [handle("17")]) == {}
    assert sge.look(run, [handle("17")]) == {}
    assert run.programs == ["qstat", "qacct", "qstat"]


def test_a_scheduler_that_is_down_proves_nothing() -> None:
    with pytest.raises(UnreadableError, match="unable to send message"):
        Sge().look(Scripted(DOWN), ARRAY)
    with pytest.raises(CommandError):
        Sge().look(Scripted(silence()), ARRAY)


def test_an_answer_of_another_kind_proves_nothing() -> None:
    with pytest.raises(UnreadableError, match="site's own qstat"):
        Sge().look(Scripted(said("the site's own qstat: nothing to see\n")), ARRAY)


def test_jobs_are_found_by_name() -> None:
    run = Scripted(said(LISTING))
    assert Sge().find(run, ["crew-c-i1", "crew-c-i9"]) == {"crew-c-i1": "3"}


def test_all_that_is_cancelled_is_one_command() -> None:
    run = Scripted(said('root has deleted job 18\ndenied: job "3" does not exist\n', code=1))
    Sge().cancel(run, [*ARRAY, handle("18"), handle("18")])
    assert run.asked == [("qdel", "3.1", "3.3-4", "18")]


def test_cancelling_what_is_not_ours_is_an_error() -> None:
    with pytest.raises(UnreadableError, match="not allowed"):
        Sge().cancel(Scripted(said('denied: you are not allowed to delete job "3"\n')), ARRAY)


def test_a_row_says_why_its_job_waits() -> None:
    run = Scripted(said(LISTING), said(REASONS))
    reasons = {row.job: row.reason for row in Sge().rows(run)}
    assert "can't open output file" in reasons["7"]
    assert reasons["2"] == ""
    assert run.asked[1] == ("qstat", "-j", "3,7")


def test_a_row_says_how_its_job_ended() -> None:
    listing = LISTING.replace("<state>qw<", "<state>z<").replace("<state>Eqw<", "<state>r<")
    run = Scripted(said(listing), said(account(3, task="3") + account(3, task="4", status="7")))
    rows = {row.job: (row.state, row.reason, row.host) for row in Sge().rows(run)}
    assert rows["3.3"] == ("finished", "", "vm")
    assert rows["3.4"] == ("failed", "failed 0, exit_status 7", "vm")
    assert rows["3.5"] == ("finished", "", "")
    assert run.asked[0][-2:] == ("-s", "prsz")
    assert run.asked[1] == ("qacct", "-j", "crew-*")


def test_who_cannot_read_the_accounting_sees_jobs_all_the_same() -> None:
    run = Scripted(said(LISTING.replace("<state>qw<", "<state>z<")), said(REASONS), silence())
    assert {row.state for row in Sge().rows(run)} == {"finished", "pending", "running"}


def test_a_site_that_sets_no_limit_has_the_usual_one() -> None:
    assert Sge().array_limit(Scripted(said("max_aj_tasks 0\n"))) == 75000
    assert Sge().array_limit(Scripted(said("max_aj_tasks 500\n"))) == 500


def test_jobs_get_all_variables_if_the_user_says_so() -> None:
    given = {"PATH": "/bin", "MINE": "1", "JOB_ID": "7", "SGE_ROOT": "/sge"}
    assert Sge().environment(SgeOptions(), given) == {"PATH": "/bin", "SGE_ROOT": "/sge"}
    assert "MINE" in Sge().environment(SgeOptions(envvars=True), given)
    assert "JOB_ID" not in Sge().environment(SgeOptions(envvars=True), given)
