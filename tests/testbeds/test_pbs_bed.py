"""The stand-in for PBS answers as OpenPBS was seen to, and runs jobs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbeds import keeper
from testbeds.fixtures import MakeBed
from testbeds.pbs import PbsBed, PbsOptions
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(300)


def submit(bed: PbsBed, script: str, *options: str) -> str:
    return bed.submit(script, "-f", "-o", "/dev/null", "-e", "/dev/null", *options)


def told(bed: PbsBed, job: str) -> dict[str, Any]:
    answer = json.loads(bed.ask("qstat", "-E", "-x", "-f", "-F", "json", job))
    found: dict[str, Any] = answer["Jobs"][job]
    return found


def state(bed: PbsBed, job: str) -> str:
    return str(told(bed, job)["job_state"])


def finished(bed: PbsBed, job: str) -> dict[str, Any]:
    until(lambda: state(bed, job) in ("F", "X"))
    return told(bed, job)


# ── Running ────────────────────────────────────────────────────────────────────────────────────


def test_a_job_runs_and_its_exit_code_is_known(pbs_bed: PbsBed, tmp_path: Path) -> None:
    script = f"#!/bin/sh\n#PBS -N one\n#PBS -o {tmp_path}\necho out; echo err >&2; exit 7\n"
    job = pbs_bed.submit(script, "-f", "-e", f"{tmp_path}/err")
    assert job.endswith(f".{pbs_bed.options.server}")
    end = finished(pbs_bed, job)
    assert (end["Exit_status"], end["substate"], end["Job_Name"]) == (7, 93, "one")
    assert (tmp_path / f"{job}.OU").read_text() == "out\n"
    assert (tmp_path / "err").read_text() == "err\n"
    assert (tmp_path / "err").stat().st_mode & 0o777 == 0o600


def test_a_job_starts_at_home_with_few_variables(
    pbs_bed: PbsBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_EXPORTED", "1")
    script = f"(pwd; env) > {tmp_path}/told"
    job = pbs_bed.submit(script, "-f", "-o", "/dev/null", "-e", "/dev/null", "-v", "A=1,B=x y")
    finished(pbs_bed, job)
    home, *lines = (tmp_path / "told").read_text().splitlines()
    found = dict(line.partition("=")[::2] for line in lines)
    assert home == found["HOME"]
    assert (found["A"], found["B"], found["PBS_JOBID"]) == ("1", "x y", job)
    assert (found["NCPUS"], found["PBS_ENVIRONMENT"]) == ("1", "PBS_BATCH")
    assert found["PBS_O_WORKDIR"] == os.getcwd()
    assert "NOT_EXPORTED" not in found


def test_an_array_runs_all_its_elements(pbs_bed: PbsBed, tmp_path: Path) -> None:
    job = submit(pbs_bed, f"touch {tmp_path}/$PBS_ARRAY_INDEX; exit $PBS_ARRAY_INDEX", "-J", "0-4")
    number, _, rest = job.partition("[].")
    assert finished(pbs_bed, job)["Exit_status"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == list("01234")
    asked = ["qstat", "-x", "-t", "-f", "-F", "json", job]
    jobs = json.loads(pbs_bed.ask(*asked))["Jobs"]
    assert [jobs[f"{number}[{index}].{rest}"]["Exit_status"] for index in range(5)] == [*range(5)]
    assert pbs_bed.run("qstat", number).returncode == 153


def test_a_command_needs_no_script(pbs_bed: PbsBed, tmp_path: Path) -> None:
    words = ["touch", f"{tmp_path}/a b", f"{tmp_path}/$HOME"]
    job = pbs_bed.ask("qsub", "-f", "-o", "/dev/null", "-e", "/dev/null", "--", *words)
    finished(pbs_bed, job)
    assert {path.name for path in tmp_path.iterdir()} == {"a b", "$HOME"}


def test_an_empty_script_is_queued_and_fails(pbs_bed: PbsBed) -> None:
    assert finished(pbs_bed, submit(pbs_bed, ""))["Exit_status"] == 127


@pytest.mark.parametrize(
    ("script", "code"),
    [("kill -9 $$", 128 + 9), ("kill -9 $PPID; sleep 60", 256 + 9), ("#!/no/shell\n", 127)],
)
def test_how_a_job_died_is_in_its_exit_status(pbs_bed: PbsBed, script: str, code: int) -> None:
    assert finished(pbs_bed, submit(pbs_bed, script))["Exit_status"] == code


def test_a_missing_shell_is_seen(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "true", "-S", "/no/shell")
    assert finished(pbs_bed, job)["Exit_status"] == 254


def test_block_gives_the_exit_code(pbs_bed: PbsBed) -> None:
    answer = pbs_bed.run("qsub", "-f", "-W", "block=true", "-o", "/dev/null", stdin="exit 3")
    assert answer.returncode == 3
    assert answer.stdout.strip()


# ── Ending ─────────────────────────────────────────────────────────────────────────────────────


def running(bed: PbsBed, tmp_path: Path, script: str, *options: str) -> str:
    job = submit(bed, f"{script.format(folder=tmp_path)}\n", *options)
    until((tmp_path / "ran").exists)
    return job


def test_a_cancelled_job_ends(pbs_bed: PbsBed, tmp_path: Path) -> None:
    job = running(pbs_bed, tmp_path, "touch {folder}/ran; sleep 600")
    pbs_bed.ask("qdel", job)
    end = finished(pbs_bed, job)
    assert (end["Exit_status"], end["substate"]) == (271, 91)
    answer = pbs_bed.run("qdel", job)
    assert (answer.returncode, answer.stderr) == (35, f"qdel: Job has finished {job}\n")


def test_who_handles_the_signal_keeps_its_slot(make_bed: MakeBed, tmp_path: Path) -> None:
    bed = make_bed(PbsBed, PbsOptions(seconds_to_die=15, seconds_exiting=0))
    script = "trap 'sleep 0.3; touch {folder}/left; exit' TERM; touch {folder}/ran; "
    job = running(bed, tmp_path, f'sh -c "{script} while :; do sleep 0.1; done"')
    bed.ask("qdel", job)
    until((tmp_path / "left").exists)
    assert state(bed, job) == "R"
    finished(bed, job)


def test_force_ends_it_at_once(pbs_bed: PbsBed, tmp_path: Path) -> None:
    job = running(pbs_bed, tmp_path, "trap '' TERM; touch {folder}/ran; while :; do sleep 1; done")
    pbs_bed.ask("qdel", "-W", "force", job)
    assert finished(pbs_bed, job)["Exit_status"] == 265


def test_a_waiting_job_is_deleted_at_once(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "true", "-h")
    assert state(pbs_bed, job) == "H"
    pbs_bed.ask("qdel", job)
    end = told(pbs_bed, job)
    assert (end["job_state"], end["substate"], "Exit_status" in end) == ("F", 91, False)


def test_elements_of_an_array_can_be_deleted(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "sleep 600", "-J", "0-3", "-h")
    element = job.replace("[]", "[2]")
    pbs_bed.ask("qdel", element)
    assert state(pbs_bed, element) == "X"
    pbs_bed.ask("qdel", job)
    assert state(pbs_bed, job) == "F"


def test_who_makes_a_session_escapes(pbs_bed: PbsBed, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    makes = f"setsid sh -c 'echo $$ > {pid}; exec sleep 600' &"
    finished(pbs_bed, submit(pbs_bed, f"{makes} until [ -s {pid} ]; do sleep 0.1; done"))
    assert keeper.started(int(pid.read_text()))


def test_a_job_over_its_time_is_ended(make_bed: MakeBed, tmp_path: Path) -> None:
    bed = make_bed(PbsBed, PbsOptions(seconds_to_die=1))
    job = bed.submit("sleep 600", "-f", "-l", "walltime=1", "-e", f"{tmp_path}/err")
    end = finished(bed, job)
    assert end["Exit_status"] == -29
    assert end["comment"].endswith("and exceeded resource walltime")
    assert "=>> PBS: job killed: walltime" in (tmp_path / "err").read_text()


def test_memory_is_held_where_nodes_hold_it(make_bed: MakeBed, tmp_path: Path) -> None:
    bed = make_bed(PbsBed, PbsOptions(enforce_memory=True, seconds_to_die=1))
    script = "exec python3 -c 'import time; kept = bytearray(200 << 20); time.sleep(600)'"
    options = ("-l", "select=1:ncpus=1:mem=50mb", "-e", f"{tmp_path}/err")
    job = bed.submit(script, "-f", *options)
    assert finished(bed, job)["Exit_status"] == -27
    assert "exceeded limit 51200kb" in (tmp_path / "err").read_text()


def test_undelivered_output_keeps_a_job_exiting(make_bed: MakeBed, tmp_path: Path) -> None:
    bed = make_bed(PbsBed, PbsOptions(seconds_undelivered=15))
    job = bed.submit("exit 5", "-f", "-o", f"{tmp_path}/none/out", "-e", "/dev/null")
    until(lambda: state(bed, job) == "E")
    assert bed.run("qdel", job).stderr == f"qdel: Request invalid for state of job {job}\n"
    assert finished(bed, job)["Exit_status"] == 5


# ── Refusals ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-q", "nowhere"], 170, "Unknown queue"),
        (["-l", "walltime=soon"], 166, "Illegal attribute or resource value Resource_List.wall"),
        (["-l", "select=1:ngpus=1"], 187, "Unknown resource"),
        (["-l", "select=1", "-l", "ncpus=2"], 5, 'cannot be used with "select"'),
        (["-N", "a b"], 2, "illegal -N value"),
        (["-N", "a" * 231], 2, "illegal -N value"),
        (["-o", "/tmp/a b"], 2, "illegal -o value"),
        (["-J", "1-1"], 2, "illegal -J value"),
        (["-J", "0-10000"], 3, "Array job exceeds server or queue size limit"),
        (["-J", "0-1", "-r", "n"], 2, "cannot submit non-rerunable Array Job"),
        (["nothing.sh"], 1, "No such file"),
    ],
)
def test_what_qsub_refuses(pbs_bed: PbsBed, options: list[str], code: int, words: str) -> None:
    answer = pbs_bed.run("qsub", *options, stdin="true\n")
    assert (answer.returncode, answer.stdout) == (code, "")
    assert words in answer.stderr


@pytest.mark.parametrize("script", ["#PBS -N a # why\n", "#!/bin/sh\r\ntrue\r\n"])
def test_scripts_that_are_refused(pbs_bed: PbsBed, script: str) -> None:
    assert pbs_bed.run("qsub", stdin=script).returncode == 1


def test_directives_end_with_the_first_command(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "#!/bin/sh\n# PBS -N no\n#PBS -N yes\ntrue\n#PBS -N late\n")
    assert told(pbs_bed, job)["Job_Name"] == "yes"


def test_all_can_be_refused(pbs_bed: PbsBed) -> None:
    pbs_bed.refuse()
    try:
        answer = pbs_bed.run("qsub", stdin="true")
        assert (answer.returncode, answer.stderr) == (176, "qsub: Queue is not enabled\n")
    finally:
        pbs_bed.accept()
    submit(pbs_bed, "true")


def test_more_than_there_is_waits_for_ever(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "true", "-l", "select=1:ncpus=64")
    until(lambda: "comment" in told(pbs_bed, job))
    lack = "Insufficient amount of resource: ncpus (R: 64 A: 16 T: 16)"
    assert told(pbs_bed, job)["comment"] == f"Can Never Run: {lack}"
    pbs_bed.ask("qdel", job)


# ── Asking ─────────────────────────────────────────────────────────────────────────────────────


def test_json_without_e_tells_of_the_first_alone(pbs_bed: PbsBed) -> None:
    jobs = [submit(pbs_bed, "true", "-h") for _ in range(2)]
    asked = ["-f", "-F", "json", *jobs]
    assert list(json.loads(pbs_bed.ask("qstat", *asked))["Jobs"]) == jobs[:1]
    assert list(json.loads(pbs_bed.ask("qstat", "-E", *asked))["Jobs"]) == jobs
    assert list(json.loads(pbs_bed.ask("qstat", "-E", *asked, "9999"))["Jobs"]) == jobs
    pbs_bed.ask("qdel", *jobs)
    assert "Jobs" not in json.loads(pbs_bed.ask("qstat", "-E", *asked))


def test_unknown_ids_do_not_hide_the_others(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "true", "-h")
    answer = pbs_bed.run("qstat", job, "9999")
    assert answer.returncode == 153
    assert job in answer.stdout
    assert answer.stderr == f"qstat: Unknown Job Id 9999.{pbs_bed.options.server}\n"
    pbs_bed.ask("qdel", job)


def test_variables_that_look_like_json_become_it(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "true", "-h", "-v", "A=007,B=1e999,C=true")
    found = told(pbs_bed, job)["Variable_List"]
    assert (found["A"], found["B"], found["C"]) == (7, None, True)
    pbs_bed.ask("qdel", job)


def test_without_history_the_finished_are_unknown(make_bed: MakeBed) -> None:
    bed = make_bed(PbsBed, PbsOptions(history=False))
    job = submit(bed, "true")
    until(lambda: bed.run("qstat", job).returncode == 153)
    answer = bed.run("qstat", "-x", "-f", "-F", "json", job)
    assert answer.returncode == 0
    assert "Jobs" not in json.loads(answer.stdout)
    assert answer.stderr == f"qstat: PBS is not configured to maintain job history {job}\n"


def test_history_ends_some_day(make_bed: MakeBed) -> None:
    bed = make_bed(PbsBed, PbsOptions(seconds_remembered=1))
    job = submit(bed, "true")
    until(lambda: bed.run("qstat", "-x", job).returncode == 153)


def test_jobs_are_found_by_name(pbs_bed: PbsBed) -> None:
    job = submit(pbs_bed, "true", "-h", "-N", "sought")
    assert pbs_bed.ask("qselect", "-N", "sought", "-s", "QH") == job
    pbs_bed.ask("qdel", job)
    assert pbs_bed.ask("qselect", "-N", "sought") == ""


# ── What tests turn ────────────────────────────────────────────────────────────────────────────


def test_jobs_outlive_a_stop_of_the_server(pbs_bed: PbsBed, tmp_path: Path) -> None:
    script = "touch {folder}/ran; until [ -e {folder}/go ]; do sleep 0.1; done; exit 4"
    job = running(pbs_bed, tmp_path, script)
    pbs_bed.stop_scheduler()
    try:
        assert pbs_bed.run("qsub", stdin="true").returncode == 162
        answer = pbs_bed.run("qstat", "-f", "-F", "json", job)
        assert answer.returncode == 255
        assert "Jobs" not in json.loads(answer.stdout)
        assert "Connection refused" in answer.stderr
        (tmp_path / "go").touch()
    finally:
        pbs_bed.start_scheduler()
    assert finished(pbs_bed, job)["Exit_status"] == 4


def test_a_node_that_starts_again_runs_its_jobs_again(make_bed: MakeBed, tmp_path: Path) -> None:
    bed = make_bed(PbsBed, PbsOptions())
    count = f"echo run >> {tmp_path}/runs; touch {tmp_path}/ran; sleep 600"
    twice = running(bed, tmp_path, count)
    once = submit(bed, "sleep 600", "-r", "n")
    until(lambda: state(bed, once) == "R")
    bed.stop_node()
    bed.start_node()
    until(lambda: (tmp_path / "runs").read_text() == "run\nrun\n")
    assert told(bed, twice)["run_count"] == 2
    assert finished(bed, once)["Exit_status"] == -4


def test_a_drained_node_starts_no_job(pbs_bed: PbsBed) -> None:
    host = pbs_bed.hosts()[0]
    pbs_bed.drain(host)
    try:
        assert "state = offline" in pbs_bed.ask("pbsnodes", "-av")
        job = submit(pbs_bed, "true")
        until(lambda: "comment" in told(pbs_bed, job))
        assert told(pbs_bed, job)["comment"] == "Not Running: Not enough free nodes available"
    finally:
        pbs_bed.restore(host)
    finished(pbs_bed, job)


def test_a_lost_node_keeps_its_jobs_running_for_long(pbs_bed: PbsBed, tmp_path: Path) -> None:
    script = "touch {folder}/ran; until [ -e {folder}/go ]; do sleep 0.1; done"
    job = running(pbs_bed, tmp_path, script)
    pbs_bed.fail(pbs_bed.hosts()[0])
    try:
        assert "state = down" in pbs_bed.ask("pbsnodes", "-av")
        (tmp_path / "go").touch()  # so it ends there, and nobody hears of it
        assert state(pbs_bed, job) == "R"
    finally:
        pbs_bed.restore(pbs_bed.hosts()[0])
    finished(pbs_bed, job)


def test_the_server_tells_how_large_arrays_may_be(pbs_bed: PbsBed) -> None:
    told = pbs_bed.ask("qstat", "-B", "-f")
    assert "    max_array_size = 10000\n" in told


def test_a_command_can_answer_late(pbs_bed: PbsBed) -> None:
    command = ["qsub", "-f", "-h", "-N", "late", "--", "true"]
    environment = {**os.environ, **pbs_bed.environment()}
    pbs_bed.delay("qsub", 600)
    try:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as late:
            until(lambda: pbs_bed.ask("qselect", "-N", "late") != "")
            assert late.poll() is None
            late.kill()
            assert late.communicate()[0] == b""
    finally:
        pbs_bed.delay("qsub", 0)
    pbs_bed.ask("qdel", pbs_bed.ask("qselect", "-N", "late"))


def test_a_site_can_greet(pbs_bed: PbsBed) -> None:
    pbs_bed.greet("Welcome to 1.example\n")
    try:
        first, job = submit(pbs_bed, "true").splitlines()
    finally:
        pbs_bed.greet("")
    assert first == "Welcome to 1.example"
    finished(pbs_bed, job)


def test_qsub_leaves_a_process_that_keeps_descriptors(pbs_bed: PbsBed) -> None:
    reads, writes = os.pipe()
    command = ["qsub", "-o", "/dev/null", "-e", "/dev/null", "--", "true"]
    environment = {**os.environ, **pbs_bed.environment()}
    subprocess.run(command, env=environment, pass_fds=[writes], check=True, capture_output=True)
    os.close(writes)
    os.set_blocking(reads, False)
    with pytest.raises(BlockingIOError):
        os.read(reads, 1)
    os.close(reads)
