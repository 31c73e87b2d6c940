"""Workers of crew-rush as jobs of AWS Batch: they fetch what they start with as others do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import crew_core as crew
from on_aws.sight import all_jobs, jobs_left, secrets_left, until
from testbeds.aws_batch import AwsBatchBed

if TYPE_CHECKING:
    import crew_rush
else:
    reason = "NOT TESTED with crew-rush: it is not installed"
    crew_rush = pytest.importorskip("crew_rush", reason=reason)

pytestmark = pytest.mark.timeout(300)  # the first one waits for the bed


@pytest.fixture
def rush(bed: AwsBatchBed) -> Iterator[crew_rush.Rush]:
    """A network whose store jobs may dial."""
    network = crew.NetworkOptions(host="0.0.0.0", host_advertised=bed.address)
    with (
        crew_rush.EmbeddedStore(network=network) as store,
        crew_rush.Rush(store=store) as manager,
    ):
        yield manager
        manager.reset()


def test_loops_run_as_jobs_and_are_killed_and_restarted(
    bed: AwsBatchBed, own_options: dict[str, Any], rush: crew_rush.Rush
) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        import os
        import time

        while not worker.terminated:
            keys = worker.push_running_tasks([{"job": os.environ["AWS_BATCH_JOB_ID"]}])
            time.sleep(0.05)
            worker.finish_tasks(keys, [{"y": 1}])

    ids = rush.start_remote_workers(
        loop, launcher="aws_batch", launcher_options=own_options, n_workers=2
    )
    assert rush.wait_for_workers(timeout=120)
    until(lambda: rush.n_finished_tasks >= 10, "tasks are finished")
    (array,) = all_jobs(bed, rush.network_id)
    assert set(rush.fetch_finished_tasks()["job"]) <= {f"{array['jobId']}:{i}" for i in range(2)}
    assert rush.stop_workers("kill", ids[:1]) == ids[:1]
    assert rush.restart_workers() == ids[:1]
    assert rush.wait_for_workers(worker_ids=ids[:1], timeout=120)
    rush.stop_workers()
    until(lambda: rush.n_running_workers == 0, "all have left")
    assert set(rush.worker_info["state"]) == {"terminated"}
    rush.reset()
    assert jobs_left(bed, rush.network_id) == []
    assert secrets_left(rush.network_id) == []


def test_a_job_that_somebody_ends_is_a_lost_worker(
    bed: AwsBatchBed, own_options: dict[str, Any], rush: crew_rush.Rush
) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        import time

        worker.push_running_tasks([{"x": 1}])
        time.sleep(600)

    ids = rush.start_remote_workers(
        loop, launcher="aws_batch", launcher_options=own_options, n_workers=1
    )
    until(lambda: rush.n_running_tasks == 1, "it runs")
    (job,) = all_jobs(bed, rush.network_id)
    bed.ask_batch("TerminateJob", {"jobId": job["jobId"], "reason": "an operator's whim"})
    until(lambda: rush.n_failed_tasks == 1, "its task has failed")
    assert rush.detect_lost_workers() == ids
