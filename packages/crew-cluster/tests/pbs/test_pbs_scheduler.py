"""Which commands are run, and what is made of strange answers."""

from __future__ import annotations

import json

import pytest

from crew_cluster._cluster.commands import CommandError
from crew_cluster._cluster.identity import user_name
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._pbs.scheduler import Pbs
from crew_core.plugins import JobState
from scripted.commands import Scripted, said, silence

HEAD = {"timestamp": 1, "pbs_version": "23.06.06", "pbs_server": "vm"}
DOWN = said(
    json.dumps(HEAD),
    "Connection refused\nqstat: cannot connect to server vm (errno=15010)\n",
    code=255,
)
NO_HISTORY = said("", "qstat: PBS is not configured to maintain job history 7.vm\n")
USAGE = said("", "usage: qstat [-f] [-J] [-p] [-t] [-x]\n", code=2)
ARRAY = [Handle("7[].vm", index, 3, "crew-i", "/nowhere") for index in (1, 2, 3)]
PLAIN = Handle("8.vm", None, 1, "crew-j", "/nowhere")


def answer() -> str:
    return json.dumps(
        {
            **HEAD,
            "Jobs": {
                "7[].vm": {"job_state": "B"},
                "7[1].vm": {"job_state": "R"},
                "7[2].vm": {"job_state": "Q"},
                "8.vm": {"job_state": "F", "Exit_status": 0},
            },
        }
    )


def test_all_jobs_are_one_question() -> None:
    run = Scripted(said(answer()))
    found = Pbs().look(run, [*ARRAY, PLAIN])
    assert {job: report.state.value for job, report in found.items()} == {
        "7[1].vm": "running",
        "7[2].vm": "pending",
        "8.vm": "finished",
    }
    assert run.asked == [
        ("qstat", "-x", "-t", "-E", "-f", "-F", "json", "7[].vm", "8.vm"),
    ]


def test_elements_are_asked_for_only_where_there_are_any() -> None:
    run = Scripted(said(answer()))
    Pbs().look(run, [PLAIN])
    assert "-t" not in run.asked[0]


def test_jobs_that_nobody_knows_are_left_out() -> None:
    assert Pbs().look(Scripted(said(json.dumps(HEAD))), [PLAIN]) == {}


def test_a_server_that_is_down_proves_nothing() -> None:
    with pytest.raises(UnreadableError, match="cannot connect"):
        Pbs().look(Scripted(DOWN), ARRAY)
    with pytest.raises(CommandError):
        Pbs().look(Scripted(silence()), ARRAY)


def test_a_site_without_history_is_asked_for_it_once() -> None:
    run = Scripted(NO_HISTORY, said(answer()), said(answer()))
    pbs = Pbs()
    pbs.look(run, [PLAIN])
    pbs.look(run, [PLAIN])
    assert ["-x" in argv for argv in run.asked] == [True, False, False]


TEXT = "Job Id: 8.vm\n    job_state = R\n"


def test_an_old_version_is_asked_for_text() -> None:
    run = Scripted(USAGE, said(TEXT), said(TEXT))
    pbs = Pbs()
    assert pbs.look(run, [PLAIN])["8.vm"].state is JobState.RUNNING
    assert pbs.look(run, [PLAIN])["8.vm"].state is JobState.RUNNING
    assert run.asked[1] == run.asked[2] == ("qstat", "-x", "-f", "8.vm")


def test_where_json_is_broken_text_is_asked_for() -> None:
    run = Scripted(
        said('{"Jobs":{"8.vm":{"job_state":"R","Variable_List":{"f":"() { }'), said(TEXT)
    )
    assert Pbs().look(run, [PLAIN])["8.vm"].state is JobState.RUNNING


def test_a_text_tells_of_the_others_when_one_is_unknown() -> None:
    run = Scripted(USAGE, said(TEXT, "qstat: Unknown Job Id 7[].vm\n", code=153))
    assert list(Pbs().look(run, [*ARRAY, PLAIN])) == ["8.vm"]


def test_an_empty_text_proves_nothing() -> None:
    with pytest.raises(UnreadableError):
        Pbs().look(Scripted(USAGE, said("")), [PLAIN])


def test_any_other_trouble_proves_nothing() -> None:
    with pytest.raises(UnreadableError, match="Unauthorized"):
        Pbs().look(Scripted(said("", "qstat: Unauthorized Request 8.vm\n", code=151)), [PLAIN])


def test_all_that_is_cancelled_is_one_command() -> None:
    run = Scripted(said())
    Pbs().cancel(run, [ARRAY[0], ARRAY[2], PLAIN])
    assert run.asked == [("qdel", "7[1].vm", "7[3].vm", "8.vm")]


def test_a_whole_array_is_cancelled_by_its_id() -> None:
    run = Scripted(said())
    Pbs().cancel(run, ARRAY)
    assert run.asked == [("qdel", "7[].vm")]


@pytest.mark.parametrize(
    "words",
    [
        "qdel: Unknown Job Id 8.vm",
        "qdel: Job has finished 8.vm",
        "qdel: Request invalid for state of job 8.vm",
    ],
)
def test_cancelling_what_is_over_is_no_error(words: str) -> None:
    Pbs().cancel(Scripted(said(stderr=f"{words}\n", code=153)), [PLAIN])


def test_cancelling_what_is_not_ours_is_an_error() -> None:
    with pytest.raises(UnreadableError, match="Unauthorized"):
        Pbs().cancel(Scripted(said(stderr="qdel: Unauthorized Request 8.vm\n", code=151)), [PLAIN])


def test_a_job_is_found_by_its_name() -> None:
    run = Scripted(said("7[].vm\n"), said(""))
    assert Pbs().find(run, ["crew-i", "crew-j"]) == {"crew-i": "7[].vm"}
    assert run.asked[0] == ("qselect", "-u", user_name(), "-N", "crew-i")


def test_a_server_that_is_down_has_not_said_that_there_is_no_such_job() -> None:
    with pytest.raises(UnreadableError, match="qselect"):
        Pbs().find(Scripted(said(stderr="Connection refused\n", code=162)), ["crew-i"])


def test_a_person_sees_ones_own_jobs() -> None:
    run = Scripted(said("7[].vm\n8.vm\n"), said(answer()))
    assert [row.job for row in Pbs().rows(run)] == ["7[1].vm", "7[2].vm", "8.vm"]
    assert run.asked[0] == ("qselect", "-u", user_name(), "-x")


def test_a_person_without_jobs_sees_none() -> None:
    assert Pbs().rows(Scripted(said(""))) == []


def test_a_site_that_does_not_tell_its_limit_has_the_usual_one() -> None:
    assert Pbs().array_limit(Scripted(said("nothing"))) == 10000
    assert Pbs().array_limit(Scripted(said("    max_array_size = 7\n"))) == 7
