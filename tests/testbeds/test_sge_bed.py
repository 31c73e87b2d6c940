"""Grid Engine's testbed: jobs, arrays, cancelling, limits, and what tests turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbeds.errors import BedError
from testbeds.fixtures import MakeBed
from testbeds.sge import SgeBed, SgeOptions
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(900)


def submit(bed: SgeBed, script: str, *options: str) -> str:
    given = ["-terse", "-S", "/bin/sh", "-o", "/dev/null", "-e", "/dev/null", *options]
    return bed.ask("qsub", *given, stdin=script + "\n")


def state(bed: SgeBed, job: str) -> str:
    """The state in the queue; empty for a job that has left it."""
    lines = bed.ask("qstat", "-u", "*").splitlines()
    states = [fields[4] for line in lines if (fields := line.split())[:1] == [job]]
    return states[0] if states else ""


def ended(bed: SgeBed, job: str) -> dict[str, str]:
    """What accounting says, as soon as it does; after a stop, a host is back 30 s later."""
    until(lambda: bed.run("qacct", "-j", job).returncode == 0, 200)
    lines = bed.ask("qacct", "-j", job).splitlines()
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


def test_a_job_runs_and_its_exit_code_is_known(sge_bed: SgeBed, tmp_path: Path) -> None:
    job = submit(sge_bed, f"echo $JOB_ID > {tmp_path}/told; exit 7")
    assert ended(sge_bed, job)["exit_status"].strip() == "7"
    assert (tmp_path / "told").read_text().strip() == job


def test_an_array_runs_all_its_elements(sge_bed: SgeBed, tmp_path: Path) -> None:
    told = submit(sge_bed, f"touch {tmp_path}/$SGE_TASK_ID", "-t", "1-10")
    assert told.endswith(".1-10:1")
    until(lambda: len(list(tmp_path.iterdir())) == 10)


def test_a_cancelled_job_ends(sge_bed: SgeBed, tmp_path: Path) -> None:
    job = submit(sge_bed, f"touch {tmp_path}/ran; sleep 600")
    until((tmp_path / "ran").exists)
    sge_bed.ask("qdel", job)
    until(lambda: state(sge_bed, job) == "")
    assert ended(sge_bed, job)["exit_status"].split()[0] == "137"


def test_a_job_over_its_time_is_ended(sge_bed: SgeBed) -> None:
    job = submit(sge_bed, "sleep 600", "-l", "h_rt=2")
    assert ended(sge_bed, job)["failed"].split()[0] in ("37", "100")


def test_a_job_over_its_memory_fails(sge_bed: SgeBed) -> None:
    job = submit(sge_bed, "python3 -c 'bytearray(400 << 20)'", "-l", "h_vmem=100M")
    assert ended(sge_bed, job)["exit_status"].strip() != "0"


def test_jobs_outlive_a_stop_of_the_scheduler(sge_bed: SgeBed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = submit(sge_bed, f"touch {tmp_path}/ran; until [ -e {go} ]; do sleep 0.1; done; exit 4")
    until((tmp_path / "ran").exists)
    sge_bed.stop_scheduler()
    try:
        assert sge_bed.run("qstat").returncode != 0
        go.touch()
    finally:
        sge_bed.start_scheduler()
    assert ended(sge_bed, job)["exit_status"].strip() == "4"


def test_a_drained_host_starts_no_job(sge_bed: SgeBed) -> None:
    host = sge_bed.hosts()[0]
    sge_bed.drain(host)
    try:
        job = submit(sge_bed, "true")
        until(lambda: "is disabled" in sge_bed.ask("qstat", "-j", job))
        assert state(sge_bed, job) == "qw"
    finally:
        sge_bed.restore(host)
    ended(sge_bed, job)


def test_a_submission_can_be_refused(sge_bed: SgeBed) -> None:
    sge_bed.refuse()
    try:
        with pytest.raises(BedError, match="Unable to run job: this testbed refuses jobs"):
            submit(sge_bed, "true")
    finally:
        sge_bed.accept()
    ended(sge_bed, submit(sge_bed, "true"))


def test_a_job_whose_output_has_no_place_is_in_error(sge_bed: SgeBed) -> None:
    job = submit(sge_bed, "true", "-o", "/no/folder/file")
    until(lambda: state(sge_bed, job) == "Eqw")
    sge_bed.ask("qdel", job)


def test_arrays_have_a_limit(make_bed: MakeBed) -> None:
    bed = make_bed(SgeBed, SgeOptions(array_limit=4))
    with pytest.raises(BedError, match="tasks"):
        submit(bed, "true", "-t", "1-5")
    submit(bed, "true", "-t", "1-4")
