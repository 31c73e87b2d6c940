"""Large arrays are listed in pages, state by state."""

from __future__ import annotations

from crew_aws_batch._aws.states import ACTIVE, RAW
from crew_aws_batch._monitor.listing import Listing
from crew_aws_batch._monitor.options import MonitorOptions
from loopback.aws import LoopbackAws


def test_an_array_of_ten_thousand_is_some_dozens_of_requests(aws: LoopbackAws) -> None:
    aws.clients().call(
        "batch",
        "submit_job",
        jobName="crew-c-i1",
        jobQueue="q",
        jobDefinition="d",
        arrayProperties={"size": 10_000},
    )
    for index in range(2500):
        aws.jobs[f"job-1:{index}"]["status"] = "SUCCEEDED" if index % 2 else "RUNNING"
    listing = Listing(aws.clients(), MonitorOptions(job_queue="q", job_definition="d"))
    found = [job for _, job in listing.jobs(RAW)]
    assert len({job["jobId"] for job in found}) == 10_000
    assert len(aws.asked("ListJobs")) < 40
    assert sum(1 for _ in listing.jobs(ACTIVE)) == 8750
