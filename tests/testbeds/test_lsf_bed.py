"""The stand-in for LSF answers as OpenLava was seen to, and runs jobs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from testbeds import keeper
from testbeds.fixtures import MakeBed
from testbeds.lsf import LsfBed, LsfOptions
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(300)


def submit(bed: LsfBed, script: str, *options: str) -> str:
    return bed.submit(f"{script}\n", "-o", "/dev/null", *options)


def states(bed: LsfBed, job: str) -> list[str]:
    return [line.split()[2] for line in bed.ask("bjobs", "-a", "-w", "-noheader", job).splitlines()]


def over(bed: LsfBed, job: str) -> list[str]:
    until(lambda: all(state in ("DONE", "EXIT") for state in states(bed, job)))
    return states(bed, job)


def end(bed: LsfBed, job: str) -> str:
    """All that is told at length, its lines joined as they were before they were broken."""
    over(bed, job)
    return bed.ask("bjobs", "-l", job).replace("\n" + " " * 21, "")


def running(bed: LsfBed, tmp_path: Path, script: str, *options: str) -> str:
    job = submit(bed, script.format(folder=tmp_path), *options)
    until((tmp_path / "ran").exists)
    return job


# ── Running ────────────────────────────────────────────────────────────────────────────────────


def test_a_job_runs_and_its_exit_code_is_known(lsf_bed: LsfBed, tmp_path: Path) -> None:
    script = "#!/bin/bash\necho out; echo err >&2; exit 7\n#BSUB -J late # the last one wins\n"
    job = lsf_bed.submit(script, "-o", f"{tmp_path}/%J.%I", "-e", f"{tmp_path}/err")
    told = end(lsf_bed, job)
    assert "Exited with exit code 7." in told
    assert "Job Name <late>" in told
    header, _, text = (tmp_path / f"{job}.0").read_text().partition("if any) follows:\n\n")
    assert header.startswith("Sender: OpenLava System")
    assert text == "out\n"
    assert (tmp_path / "err").read_text() == "err\n"


def test_a_job_has_all_variables_and_the_folder_of_its_submission(
    lsf_bed: LsfBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPORTED", 'a "b"\n$c')
    job = submit(lsf_bed, f"pwd > {tmp_path}/folder; env -0 > {tmp_path}/told", "-n", "2")
    over(lsf_bed, job)
    lines = (tmp_path / "told").read_text().split("\0")
    found = dict(line.partition("=")[::2] for line in lines)
    host = lsf_bed.hosts()[0]
    assert found["EXPORTED"] == 'a "b"\n$c'
    assert (found["LSB_JOBID"], found["LSB_JOBINDEX"]) == (job, "0")
    assert (found["LSB_HOSTS"], found["LSB_MCPU_HOSTS"]) == (f"{host} {host}", f"{host} 2")
    assert (tmp_path / "folder").read_text().strip() == os.getcwd()


def test_a_folder_that_is_gone_becomes_tmp(lsf_bed: LsfBed, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    environment = {**os.environ, **lsf_bed.environment()}
    inside = f"cd {folder} && rmdir {folder} && echo 'pwd > {tmp_path}/told' | bsub -o /dev/null"
    subprocess.run(["sh", "-c", inside], env=environment, check=True, capture_output=True)
    until(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text() == "/tmp\n")


def test_an_array_runs_all_its_elements(lsf_bed: LsfBed, tmp_path: Path) -> None:
    script = f'echo "$LSB_JOBNAME" > {tmp_path}/$LSB_JOBINDEX; [ $LSB_JOBINDEX -lt 5 ]'
    job = submit(lsf_bed, script, "-J", "many[1-3,5]%2")
    assert over(lsf_bed, job) == ["DONE", "DONE", "DONE", "EXIT"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3", "5"]
    assert (tmp_path / "2").read_text() == "many[1-3,5]\n"
    assert "many[5]" in lsf_bed.ask("bjobs", "-w", "-a", job)


def test_a_command_is_read_by_a_shell(lsf_bed: LsfBed, tmp_path: Path) -> None:
    command = ["touch", f"{tmp_path}/a b", f"{tmp_path}/$HOME", ";", "touch", f"{tmp_path}/c"]
    lsf_bed.ask("bsub", "-o", "/dev/null", *command)
    until(lambda: {path.name for path in tmp_path.iterdir()} == {"a b", "$HOME", "c"})


def test_a_job_lasts_until_its_group_has_ended(lsf_bed: LsfBed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = "touch {folder}/ran; (until [ -e {folder}/go ]; do sleep 0.1; done) &"
    job = running(lsf_bed, tmp_path, script)
    assert states(lsf_bed, job) == ["RUN"]
    go.touch()
    assert over(lsf_bed, job) == ["DONE"]


def test_waiting_gives_the_exit_code(lsf_bed: LsfBed) -> None:
    answer = lsf_bed.run("bsub", "-K", "-o", "/dev/null", stdin="exit 3\n")
    assert answer.returncode == 3
    assert answer.stdout.startswith("Job <")
    assert "<<Starting on" in answer.stdout


# ── Ending ─────────────────────────────────────────────────────────────────────────────────────


def test_the_first_signal_is_an_interrupt(lsf_bed: LsfBed, tmp_path: Path) -> None:
    job = running(lsf_bed, tmp_path, "touch {folder}/ran; sleep 600")
    assert lsf_bed.ask("bkill", job) == f"Job <{job}> is being terminated"
    assert "Exited with exit code 130." in end(lsf_bed, job)


def test_who_ignores_signals_is_killed(make_bed: MakeBed, tmp_path: Path) -> None:
    bed = make_bed(LsfBed, LsfOptions(seconds_to_die=0.5))
    script = "#!/bin/sh\ntrap '' INT TERM\ntouch {folder}/ran\nwhile :; do sleep 1; done"
    job = running(bed, tmp_path, script)
    bed.ask("bkill", job)
    assert "Exited by signal 9." in end(bed, job)


def test_another_signal_can_be_sent(lsf_bed: LsfBed, tmp_path: Path) -> None:
    job = running(lsf_bed, tmp_path, "touch {folder}/ran; sleep 600")
    lsf_bed.ask("bkill", "-s", "TERM", job)
    assert "Exited with exit code 143." in end(lsf_bed, job)


def test_a_command_in_place_of_the_shell_hides_that_it_was_killed(
    lsf_bed: LsfBed, tmp_path: Path
) -> None:
    script = f"import time; open('{tmp_path}/ran', 'w').close(); time.sleep(600)"
    told = lsf_bed.ask("bsub", "-o", "/dev/null", f'exec python3 -c "{script}"')
    job = told.partition("<")[2].partition(">")[0]
    until((tmp_path / "ran").exists)
    lsf_bed.ask("bkill", job)
    assert over(lsf_bed, job) == ["DONE"]


def test_what_bkill_says_of_others(lsf_bed: LsfBed) -> None:
    held = submit(lsf_bed, "true", "-H")
    done = submit(lsf_bed, "true")
    over(lsf_bed, done)
    answer = lsf_bed.run("bkill", done, held, "9999")
    assert answer.returncode == 255
    assert answer.stdout == f"Job <{held}> is being terminated\n"
    assert answer.stderr == (
        f"Job <{done}>: Job has already finished\nJob <9999>: No matching job found\n"
    )
    assert "Exited" in end(lsf_bed, held)


def test_one_element_can_be_killed_and_all_of_a_name(lsf_bed: LsfBed) -> None:
    job = submit(lsf_bed, "sleep 600", "-J", "named[1-3]", "-H")
    lsf_bed.ask("bkill", f"{job}[2]")
    assert states(lsf_bed, job) == ["PSUSP", "EXIT", "PSUSP"]
    lsf_bed.ask("bkill", "-J", "named")
    assert states(lsf_bed, job) == ["EXIT", "EXIT", "EXIT"]


def test_a_job_over_its_time_is_ended(make_bed: MakeBed) -> None:
    bed = make_bed(LsfBed, LsfOptions(seconds_minute=1, seconds_to_die=30))
    assert "Exited with exit code 140." in end(bed, submit(bed, "sleep 600", "-W", "1"))


def test_a_job_over_its_memory_is_ended(lsf_bed: LsfBed) -> None:
    script = "python3 -c 'import time; kept = bytearray(200 << 20); time.sleep(600)'"
    assert "Exited with exit code 130." in end(lsf_bed, submit(lsf_bed, script, "-M", "51200"))


def test_who_makes_a_session_escapes(lsf_bed: LsfBed, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    makes = f"setsid sh -c 'echo $$ > {pid}; exec sleep 600' &"
    job = submit(lsf_bed, f"{makes} until [ -s {pid} ]; do sleep 0.1; done")
    over(lsf_bed, job)
    assert keeper.started(int(pid.read_text()))


# ── Refusals ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-n", "99"], "Too many processors requested"),
        (["-q", "nowhere"], "nowhere: No such queue"),
        (["-q", "short", "-W", "99"], "RUNLIMIT: Cannot exceed queue's hard limit(s)"),
        (["-W", "1:00:00"], "1:00:00: Bad RUNLIMIT specification"),
        (["-M", "100MB"], "100MB: MEMLIMT value should be a positive integer"),
        (["-R", "span[hosts="], "Bad resource requirement syntax"),
        (["-R", "select[nosuch]"], "Bad resource requirement syntax"),
        (["-R", "rusage[nosuch=3]"], "Bad resource requirement syntax"),
        (["-R", "(mem>3"], "Bad resource requirement syntax"),
        (["-n", "x"], "The number of processors must be a positive integer"),
        (["-Z", "3"], "bsub: illegal option -- Z\n"),
        (["-J", "a[0-1]"], "Bad job name"),
        (["-J", "a[1-10%2]"], "Bad job name"),
        (["-J", "a" * 600], "Bad job name"),
        (["-J", "a[1-1001]"], "Job array index too large"),
        (["-cwd", "/tmp"], "wd: Bad CPULIMIT specification"),
    ],
)
def test_what_bsub_refuses(lsf_bed: LsfBed, options: list[str], words: str) -> None:
    answer = lsf_bed.run("bsub", *options, stdin="true\n")
    assert (answer.returncode, answer.stdout) == (255, "")
    assert answer.stderr == f"{words}. Job not submitted.\n"


def test_nothing_to_run_is_refused(lsf_bed: LsfBed) -> None:
    assert lsf_bed.run("bsub").returncode == 255


def test_refusals_use_up_numbers(lsf_bed: LsfBed) -> None:
    first = submit(lsf_bed, "true")
    lsf_bed.run("bsub", "-q", "nowhere", "true")
    assert int(submit(lsf_bed, "true")) == int(first) + 2


def test_all_can_be_refused(lsf_bed: LsfBed) -> None:
    lsf_bed.refuse()
    try:
        assert "closed. Job not submitted." in lsf_bed.run("bsub", "true").stderr
    finally:
        lsf_bed.accept()
    submit(lsf_bed, "true")


def test_memory_that_nobody_has_is_waited_for(lsf_bed: LsfBed) -> None:
    job = submit(lsf_bed, "true", "-R", "rusage[mem=9999999]")
    reason = "Job's resource requirements not satisfied: 1 host;"
    until(lambda: reason in lsf_bed.ask("bjobs", "-p", job))
    lsf_bed.ask("bkill", job)


# ── Asking ─────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_answer_is_an_error(make_bed: MakeBed) -> None:
    bed = make_bed(LsfBed, LsfOptions())
    answer = bed.run("bjobs")
    assert (answer.returncode, answer.stdout) == (255, "")
    assert answer.stderr == "No unfinished job found\n"
    assert bed.run("bjobs", "-a", "-o", "jobid").returncode == 255
    assert bed.run("bjobs", "foo").stderr == "foo: Illegal job ID.\n"


def test_what_is_not_there_has_no_table(lsf_bed: LsfBed) -> None:
    for words, told in (
        (["9999"], "Job <9999> is not found\n"),
        (["-J", "nosuch"], "Job <nosuch> is not found\n"),
        (["-q", "nosuch"], "nosuch: No such queue\n"),
    ):
        answer = lsf_bed.run("bjobs", *words)
        assert (answer.returncode, answer.stdout, answer.stderr) == (255, "", told)
    answer = lsf_bed.run("bhist", "-l", "9999")
    assert (answer.returncode, answer.stdout) == (255, "No matching job found\n")


def test_unknown_numbers_do_not_hide_the_others(lsf_bed: LsfBed) -> None:
    job = submit(lsf_bed, "true", "-H")
    answer = lsf_bed.run("bjobs", "-noheader", job, "9999")
    assert answer.returncode == 255
    assert answer.stdout.startswith(job)
    assert answer.stderr == "Job <9999> is not found\n"
    lsf_bed.ask("bkill", job)


def test_names_are_cut_unless_the_table_is_wide(lsf_bed: LsfBed) -> None:
    job = submit(lsf_bed, "true", "-H", "-J", "a-rather-long-name")
    assert "*long-name" in lsf_bed.ask("bjobs", job)
    assert "a-rather-long-name" in lsf_bed.ask("bjobs", "-w", job)
    lsf_bed.ask("bkill", job)


def test_the_finished_are_forgotten(make_bed: MakeBed) -> None:
    bed = make_bed(LsfBed, LsfOptions(seconds_remembered=1))
    job = submit(bed, "true")
    until(lambda: bed.run("bjobs", job).stderr == f"Job <{job}> is not found\n")


def test_modern_ones_have_columns_of_choice(make_bed: MakeBed) -> None:
    bed = make_bed(LsfBed, LsfOptions(modern=True, unit="MB"))
    job = submit(bed, "exit 7", "-M", "1GB", "-env", "none")
    over(bed, job)
    asked = ["bjobs", "-a", "-o", "jobid stat exit_code delimiter='|'", job]
    assert bed.ask(*asked) == f"JOBID|STAT|EXIT_CODE\n{job}|EXIT|7"
    told = json.loads(bed.ask("bjobs", "-a", "-o", "jobid stat exit_code", "-json", job))
    assert told["RECORDS"] == [{"JOBID": job, "STAT": "EXIT", "EXIT_CODE": "7"}]
    assert "LSF_UNIT_FOR_LIMITS = MB" in bed.ask("lsadmin", "showconf", "lim")


# ── What tests turn ────────────────────────────────────────────────────────────────────────────


def test_commands_wait_while_the_daemons_are_down(lsf_bed: LsfBed, tmp_path: Path) -> None:
    script = "touch {folder}/ran; until [ -e {folder}/go ]; do sleep 0.1; done; exit 4"
    job = running(lsf_bed, tmp_path, script)
    lsf_bed.stop_scheduler()
    try:
        environment = {**os.environ, **lsf_bed.environment()}
        asks = subprocess.Popen(
            ["bjobs", "-w", job],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asks.stderr is not None
        assert "not responding ... still trying" in asks.stderr.readline()
        assert asks.poll() is None
        (tmp_path / "go").touch()
    finally:
        lsf_bed.start_scheduler()
    assert job in asks.communicate()[0]
    assert "Exited with exit code 4." in end(lsf_bed, job)


def test_a_drained_host_starts_no_job(lsf_bed: LsfBed) -> None:
    host = lsf_bed.hosts()[0]
    lsf_bed.drain(host)
    try:
        assert "closed" in lsf_bed.ask("bhosts")
        job = submit(lsf_bed, "true")
        until(lambda: "Closed by LSF administrator" in lsf_bed.ask("bjobs", "-p", job))
    finally:
        lsf_bed.restore(host)
    assert over(lsf_bed, job) == ["DONE"]


def test_jobs_of_a_lost_host_are_unknown(lsf_bed: LsfBed, tmp_path: Path) -> None:
    job = running(lsf_bed, tmp_path, "touch {folder}/ran; sleep 600")
    lsf_bed.fail(lsf_bed.hosts()[0])
    try:
        until(lambda: states(lsf_bed, job) == ["UNKWN"])
    finally:
        lsf_bed.restore(lsf_bed.hosts()[0])
    until(lambda: states(lsf_bed, job) == ["RUN"])
    lsf_bed.ask("bkill", job)
    over(lsf_bed, job)
