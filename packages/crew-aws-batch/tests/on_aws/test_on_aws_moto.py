"""Controllers work on moto alone, too: nothing depends on what our own front answers."""

from __future__ import annotations

import pytest

import crew_core as crew
from testbeds.aws_batch import AwsBatchBed, AwsBatchOptions
from testbeds.fixtures import MakeBed


@pytest.mark.timeout(300)
def test_tasks_run_where_moto_itself_runs_the_containers(
    make_bed: MakeBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each container has an address of its own; on the machine's are those of all other tests.
    bed = make_bed(AwsBatchBed, AwsBatchOptions(jobs="moto", network="bridge"))
    for name, value in bed.environment().items():
        monkeypatch.setenv(name, value)
    controller = crew.controller(
        "aws_batch",
        job_queue=bed.queue,
        job_definition=bed.definition,
        workers=2,
        python="python",
        host="0.0.0.0",
        host_advertised=bed.address,
        seconds_poll=1.0,
    )
    with controller:
        table = controller.map("x * x", iterate={"x": list(range(10))})
        assert list(table["result"]) == [x * x for x in range(10)]
