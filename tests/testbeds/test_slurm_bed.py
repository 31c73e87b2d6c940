"""SLURM's testbed: jobs, arrays, cancelling, limits, and what tests turn."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from testbeds.errors import BedError
from testbeds.fixtures import MakeBed
from testbeds.slurm import SlurmBed, SlurmOptions
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(900)


def submit(bed: SlurmBed, script: str, *options: str) -> str:
    return bed.ask(
        "sbatch", "--parsable", "--output=/dev/null", *options, stdin=f"#!/bin/sh\n{script}\n"
    )


def state(bed: SlurmBed, job: str) -> str:
    return bed.ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")


def reason(bed: SlurmBed, job: str) -> str:
    return bed.ask("squeue", "-h", "-j", job, "-o", "%r")


def test_a_job_runs_and_its_exit_code_is_known(slurm_bed: SlurmBed, tmp_path: Path) -> None:
    job = submit(slurm_bed, f"echo $SLURM_JOB_ID > {tmp_path}/told; exit 7")
    until(lambda: state(slurm_bed, job) == "FAILED")
    assert (tmp_path / "told").read_text().strip() == job
    assert "ExitCode=7:0" in slurm_bed.ask("scontrol", "show", "job", job)
    until(lambda: "FAILED" in slurm_bed.run("sacct", "--completion", "-n", "-j", job).stdout)


def test_an_array_runs_all_its_elements(slurm_bed: SlurmBed, tmp_path: Path) -> None:
    submit(slurm_bed, f"touch {tmp_path}/$SLURM_ARRAY_TASK_ID", "--array=0-9")
    until(lambda: len(list(tmp_path.iterdir())) == 10)


def test_a_cancelled_job_ends(slurm_bed: SlurmBed, tmp_path: Path) -> None:
    job = submit(slurm_bed, f"touch {tmp_path}/ran; sleep 600")
    until((tmp_path / "ran").exists)
    slurm_bed.ask("scancel", job)
    until(lambda: state(slurm_bed, job) == "CANCELLED")


def test_a_job_over_its_memory_is_ended(slurm_bed: SlurmBed) -> None:
    script = "exec python3 -c 'import time; kept = bytearray(400 << 20); time.sleep(600)'"
    job = submit(slurm_bed, script, "--mem=100M")
    until(lambda: state(slurm_bed, job) in ("FAILED", "OUT_OF_MEMORY"))


def test_a_job_over_its_time_is_ended(slurm_bed: SlurmBed, tmp_path: Path) -> None:
    job = submit(slurm_bed, f"touch {tmp_path}/ran; sleep 600")
    until((tmp_path / "ran").exists)
    slurm_bed.expire(job)
    until(lambda: state(slurm_bed, job) == "TIMEOUT", 200)  # SLURM looks each half minute


def test_jobs_outlive_a_stop_of_the_scheduler(slurm_bed: SlurmBed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(slurm_bed, f"touch {tmp_path}/ran; until [ -e {go} ]; do sleep 0.1; done")
    until((tmp_path / "ran").exists)
    slurm_bed.stop_scheduler()
    try:
        assert "slurmctld" not in slurm_bed.status()
    finally:
        slurm_bed.start_scheduler()
    assert state(slurm_bed, job) == "RUNNING"
    go.touch()
    until(lambda: state(slurm_bed, job) == "COMPLETED")


def test_a_drained_node_starts_no_job(slurm_bed: SlurmBed) -> None:
    first = slurm_bed.hosts()[0]
    slurm_bed.drain(first)
    try:
        job = submit(slurm_bed, "true", f"--nodelist={first}")
        until(lambda: "ReqNodeNotAvail" in reason(slurm_bed, job))
    finally:
        slurm_bed.restore(first)
    until(lambda: state(slurm_bed, job) == "COMPLETED")


def test_a_failed_node_ends_its_jobs(slurm_bed: SlurmBed, tmp_path: Path) -> None:
    first = slurm_bed.hosts()[0]
    options = (f"--nodelist={first}", "--no-requeue")
    job = submit(slurm_bed, f"touch {tmp_path}/ran; sleep 600", *options)
    until((tmp_path / "ran").exists)
    slurm_bed.fail(first)
    try:
        until(lambda: state(slurm_bed, job) == "NODE_FAIL")
    finally:
        slurm_bed.restore(first)


def test_a_submission_can_be_refused(slurm_bed: SlurmBed) -> None:
    slurm_bed.refuse()
    try:
        answer = slurm_bed.run("sbatch", "--wrap=true")
        assert answer.returncode == 1
        assert "Batch job submission failed" in answer.stderr
    finally:
        slurm_bed.accept()
    submit(slurm_bed, "true")


def test_arrays_have_a_limit(make_bed: MakeBed) -> None:
    bed = make_bed(SlurmBed, SlurmOptions(array_limit=5))
    with pytest.raises(BedError, match="Invalid job array specification"):
        submit(bed, "true", "--array=0-5")
    submit(bed, "true", "--array=0-4")


def test_the_kernel_can_hold_memory(make_bed: MakeBed) -> None:
    bed = make_bed(SlurmBed, SlurmOptions(enforce="cgroup"))
    script = "exec python3 -c 'import time; kept = bytearray(400 << 20); time.sleep(600)'"
    job = submit(bed, script, "--mem=100M")
    until(lambda: state(bed, job) == "OUT_OF_MEMORY")


@pytest.mark.slow
def test_accounting_can_have_a_database(make_bed: MakeBed) -> None:
    bed = make_bed(SlurmBed, SlurmOptions(accounting="database"))
    job = submit(bed, "exit 3")
    asks = ["sacct", "-n", "-X", "-P", "-o", "state,exitcode", "-j", job]
    until(lambda: bed.ask(*asks) == "FAILED|3:0")


def test_nodes_apart_have_their_own_names_and_addresses(slurm_apart: SlurmBed) -> None:
    command = ["srun", "-Q", "-w", "n2", "sh", "-c", "hostname; hostname -i"]
    assert slurm_apart.ask(*command).split() == ["n2", slurm_apart.address("n2")]
    inside = [*slurm_apart.enter("n3"), *command]
    assert slurm_apart.ask(*inside).split() == ["n2", slurm_apart.address("n2")]


def test_a_node_apart_can_lose_its_power(slurm_apart: SlurmBed, tmp_path: Path) -> None:
    job = submit(slurm_apart, f"touch {tmp_path}/ran; sleep 600", "-w", "n1", "--no-requeue")
    until((tmp_path / "ran").exists)
    slurm_apart.switch_off("n1")
    try:
        slurm_apart.fail("n1")
        until(lambda: state(slurm_apart, job) == "NODE_FAIL")
    finally:
        slurm_apart.switch_on("n1")
    until(lambda: bool(slurm_apart.ask("sinfo", "-h", "-n", "n1", "-t", "idle", "-o", "%T")))


def test_a_node_apart_can_lose_its_network(slurm_apart: SlurmBed) -> None:
    shown = slurm_apart.ask("scontrol", "show", "node", "n2", "--oneliner")
    port = int(shown.partition("Port=")[2].split()[0])

    def is_reached() -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex((slurm_apart.address("n2"), port)) == 0

    until(is_reached)
    slurm_apart.cut("n2")
    try:
        assert not is_reached()
    finally:
        slurm_apart.mend("n2")
    until(is_reached)
