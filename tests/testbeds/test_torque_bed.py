"""The testbed for TORQUE: its commands on SLURM, with what they cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbeds.torque import TorqueBed
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(900)


def submit(bed: TorqueBed, folder: Path, script: str, *options: str) -> str:
    file = folder / "job.sh"
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    return bed.ask("qsub", "-o", "/dev/null", "-e", "/dev/null", *options, str(file))


def state(bed: TorqueBed, job: str) -> str:
    told = bed.run("qstat", "-f", job).stdout
    lines = [line.strip() for line in told.splitlines()]
    states = [line.split()[-1] for line in lines if line.startswith("job_state = ")]
    return states[0] if states else ""


def test_a_job_runs_with_the_variables_of_pbs(torque_bed: TorqueBed, tmp_path: Path) -> None:
    job = submit(torque_bed, tmp_path, f"#PBS -N one\nenv > {tmp_path}/told")
    assert job.isdigit()
    until(lambda: state(torque_bed, job) == "C")
    lines = (tmp_path / "told").read_text().splitlines()
    assert f"PBS_JOBID={job}" in lines
    assert "PBS_JOBNAME=one" in lines


def test_an_array_runs_all_its_elements(torque_bed: TorqueBed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    submit(torque_bed, tmp_path, f"touch {out}/$PBS_ARRAY_INDEX", "-t", "1-4")
    until(lambda: len(list(out.iterdir())) == 4)


def test_a_cancelled_job_ends(torque_bed: TorqueBed, tmp_path: Path) -> None:
    job = submit(torque_bed, tmp_path, f"touch {tmp_path}/ran; sleep 600")
    until((tmp_path / "ran").exists)
    torque_bed.ask("qdel", job)
    until(lambda: state(torque_bed, job) == "C")


def test_unknown_jobs_are_told_by_exit_codes_alone(torque_bed: TorqueBed) -> None:
    answer = torque_bed.run("qstat", "99999")
    assert answer.returncode == 153
    assert torque_bed.run("qdel", "99999").returncode == 1


def test_a_refusal_is_told_on_standard_output(torque_bed: TorqueBed, tmp_path: Path) -> None:
    file = tmp_path / "job.sh"
    file.write_text("#!/bin/sh\ntrue\n", encoding="utf-8")
    answer = torque_bed.run("qsub", "-q", "nowhere", str(file))
    assert answer.returncode == 1
    assert "invalid partition" in (answer.stdout + answer.stderr).lower()


def test_jobs_outlive_a_stop_of_the_scheduler(torque_bed: TorqueBed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"touch {tmp_path}/ran; until [ -e {go} ]; do sleep 0.1; done"
    job = submit(torque_bed, tmp_path, script)
    until((tmp_path / "ran").exists)
    torque_bed.stop_scheduler()
    torque_bed.start_scheduler()
    assert state(torque_bed, job) == "R"
    go.touch()
    until(lambda: state(torque_bed, job) == "C")
