"""Which commands are run, and what is made of strange answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from crew_cluster._cluster.commands import Answer, CommandError
from crew_cluster._cluster.identity import user_name
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._torque.options import TorqueOptions
from crew_cluster._torque.scheduler import Torque
from scripted.commands import Scripted, said, silence

ARRAY = [Handle("7[].server", index, 3, "crew-i", "/nowhere") for index in (1, 2, 3)]
PLAIN = Handle("8.server", None, 1, "crew-j", "/nowhere")


def text(**states: str) -> str:
    """What is told of jobs; an underscore stands for what Python does not take."""
    return "".join(
        f"Job Id: {name.lstrip('_')}\n    job_state = {state}\n    exec_host = n1/0\n\n"
        for name, state in states.items()
    )


def elements() -> str:
    return "Job Id: 7[1].server\n    job_state = R\n\nJob Id: 7[2].server\n    job_state = Q\n\n"


def numbered(folder: Path, written: dict[int, str]) -> list[Handle]:
    """Three workers of an array whose jobs have numbers of their own."""
    for place, note in written.items():
        (folder / f"{place}.told").write_text(note)
    return [Handle("17", index, 3, "crew-i", str(folder)) for index in (1, 2, 3)]


def states_of(found: dict[str, Report]) -> dict[str, str]:
    return {job: report.state.value for job, report in found.items()}


def test_all_jobs_are_one_question() -> None:
    run = Scripted(said(elements() + "Job Id: 8.server\n    job_state = R\n"))
    found = Torque().look(run, [*ARRAY, PLAIN])
    assert states_of(found) == {
        "7[1].server": "running",
        "7[2].server": "pending",
        "8.server": "running",
    }
    assert run.asked == [("qstat", "-t", "-f", "-1", "7[].server", "8.server")]


def test_slurms_command_is_not_asked_for_elements(tmp_path: Path) -> None:
    """It does not know that option."""
    run = Scripted(said(text(_17="Q", _18="R")))
    found = Torque().look(run, numbered(tmp_path, {2: "18\n"}))
    assert states_of(found) == {"17[1]": "pending", "17[2]": "running", "17[3]": "pending"}
    assert run.asked == [("qstat", "-f", "-1", "17", "18")]


def test_a_job_tells_itself_how_it_ended(tmp_path: Path) -> None:
    run = Scripted(said(text(_17="C", _18="C", _19="C")))
    found = Torque().look(run, numbered(tmp_path, {1: "18\n0\n", 2: "19\n3\n", 3: "17\n"}))
    assert states_of(found) == {"17[1]": "finished", "17[2]": "failed", "17[3]": "failed"}


def test_where_one_unknown_job_hides_the_others_they_are_asked_for_again() -> None:
    unknown = said(stderr="qstat: Unknown Job Id Error 8.server\n", code=153)
    run = Scripted(unknown, said(elements()))
    assert list(Torque().look(run, [*ARRAY, PLAIN])) == ["7[1].server", "7[2].server"]
    assert run.asked[1] == ("qstat", "-t", "-f", "-1", "7[].server")


def test_where_one_unknown_job_hides_nothing_there_is_one_question() -> None:
    unknown = said(elements(), "qstat: Unknown Job Id Error 8.server\n", code=153)
    run = Scripted(unknown)
    assert list(Torque().look(run, [*ARRAY, PLAIN])) == ["7[1].server", "7[2].server"]


def test_jobs_that_nobody_knows_are_left_out() -> None:
    assert Torque().look(Scripted(said(code=153)), [PLAIN]) == {}


def test_a_server_that_is_down_proves_nothing() -> None:
    with pytest.raises(UnreadableError, match="Problem"):
        Torque().look(Scripted(said(stderr="Problem loading jobs.\n", code=255)), ARRAY)
    with pytest.raises(UnreadableError):
        Torque().look(Scripted(said("")), ARRAY)
    with pytest.raises(CommandError):
        Torque().look(Scripted(silence()), ARRAY)


def test_elements_are_cancelled_by_their_names_and_an_array_by_its_id() -> None:
    run = Scripted(said(), said())
    Torque().cancel(run, [ARRAY[0], ARRAY[2], PLAIN])
    Torque().cancel(run, ARRAY)
    assert run.asked == [
        ("qdel", "7[1].server", "7[3].server", "8.server"),
        ("qdel", "7[].server"),
    ]


def test_slurm_itself_ends_some_of_an_array_as_its_qdel_cannot(tmp_path: Path) -> None:
    array = numbered(tmp_path, {1: "18\n"})
    run = Scripted(said(), said(), said())
    Torque().cancel(run, [array[0], array[2], PLAIN])
    Torque().cancel(run, array)
    assert run.asked == [
        ("qdel", "8.server"),
        ("scancel", "--quiet", "17_[1,3]"),
        ("qdel", "17"),
    ]


def test_a_monitor_finds_the_places_of_slurms_numbers_in_the_folder(tmp_path: Path) -> None:
    names = ["crew-a", "crew-b", "crew-c"]
    (tmp_path / "job.json").write_text(json.dumps({"job": "17", "names": names}))
    numbered(tmp_path, {1: "18\n", 3: "17\n"})
    rows = [Row(job=job, submission=job) for job in ("18", "17", "19")]
    placed = [Torque().placed(row, tmp_path) for row in rows]
    assert [(row.job, row.submission, row.index) for row in placed] == [
        ("17[1]", "17", 1),
        ("17[3]", "17", 3),
        ("19", "19", None),
    ]


def test_a_job_whose_end_was_seen_and_tidied_up_has_not_failed(tmp_path: Path) -> None:
    job = Handle("17", None, 1, "crew-i", str(tmp_path / "gone"))
    assert states_of(Torque().look(Scripted(said(text(_17="C"))), [job])) == {"17": "finished"}


def test_what_a_job_writes_while_its_server_is_asked_counts(tmp_path: Path) -> None:
    array = numbered(tmp_path, {1: "18\n"})
    answers = Scripted(said(text(_17="Q", _18="C")))

    def run(argv: Sequence[str], *, stdin: bytes | None = None) -> Answer:
        (tmp_path / "1.told").write_text("18\n0\n")
        return answers(argv, stdin=stdin)

    assert states_of(Torque().look(run, array))["17[1]"] == "finished"


def test_a_job_that_cannot_tell_of_itself_runs_all_the_same(tmp_path: Path) -> None:
    """Though the user's lines made failures count."""
    (tmp_path / "1.told").mkdir()
    torque, options = Torque(), TorqueOptions()
    lines = [*torque.before_start(options), *torque.after_end(options)]
    text = "\n".join(["set -euo pipefail", *lines, "echo reached"])
    given = {"crew_folder": str(tmp_path), "crew_place": "1", "crew_status": "0"}
    variables = {**given, "PATH": "/usr/bin:/bin", "PBS_JOBID": "7"}
    done = subprocess.run(["bash", "-c", text], env=variables, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"reached\n"


def test_what_slurm_does_not_end_is_an_error(tmp_path: Path) -> None:
    array = numbered(tmp_path, {})
    words = "scancel: error: Kill job error on job id 17_1: Invalid job id specified\n"
    over = said(stderr=words, code=1)
    Torque().cancel(Scripted(over), array[:1])
    with pytest.raises(UnreadableError, match="denied"):
        Torque().cancel(Scripted(said(stderr="scancel: error: denied\n", code=1)), array[:1])


def test_cancelling_what_is_not_ours_is_an_error() -> None:
    words = "qdel: Kill job error on job id 8: Access/permission denied\n"
    with pytest.raises(UnreadableError, match="permission denied"):
        Torque().cancel(Scripted(said(words, code=1)), [PLAIN])


def test_a_job_is_found_by_its_name() -> None:
    run = Scripted(said("7[].server\n"))
    assert Torque().find(run, ["crew-i"]) == {"crew-i": "7[].server"}
    assert run.asked == [("qselect", "-u", user_name(), "-N", "crew-i")]


def test_without_that_command_it_is_found_among_all() -> None:
    told = f"Job Id:\t18\n\tJob_Name = crew-i\n\tJob_Owner = {user_name()}@x\n\tjob_state = R\n\n"
    run = Scripted(silence(began=False), said(told), said(code=153))
    torque = Torque()
    assert torque.find(run, ["crew-i"]) == {"crew-i": "18"}
    assert torque.find(run, ["crew-i"]) == {}
    assert run.programs == ["qselect", "qstat", "qstat"]


def test_a_person_sees_ones_own_jobs() -> None:
    run = Scripted(said("7[].server\n8.server\n"), said(elements()))
    assert [row.job for row in Torque().rows(run)] == ["7[1].server", "7[2].server"]


def test_a_site_that_does_not_tell_its_limit_has_the_usual_one() -> None:
    assert Torque().array_limit(Scripted(said("nothing"))) == 1000
    assert Torque().array_limit(Scripted(said("    max_job_array_size = 7\n"))) == 7
