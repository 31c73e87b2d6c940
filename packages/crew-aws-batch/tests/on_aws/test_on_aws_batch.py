"""Controllers work on AWS Batch as it is: moto's, with jobs that really run."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

import crew_core as crew
from crew_aws_batch import JobDefinition
from on_aws.hold import Hold
from on_aws.sight import all_jobs, jobs_left, runs, secrets_left, until
from testbeds.aws_batch import AwsBatchBed
from testbeds.aws_batch.faults import Fault

Make = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)  # the first one waits for the bed


def test_two_hundred_tasks_on_eight_workers(bed: AwsBatchBed, make: Make) -> None:
    before = bed.calls().get("submitjob", 0)
    controller = make(workers=8)
    table = controller.map(lambda x: x * x, iterate={"x": list(range(200))})
    assert list(table["result"]) == [x * x for x in range(200)]
    assert set(table["launcher"]) == {"aws_batch"}
    assert bed.calls()["submitjob"] - before <= 4
    controller.terminate()
    assert jobs_left(bed, controller.name) == []
    assert secrets_left(controller.name) == []


@pytest.mark.parametrize("processes", [None, 1])
def test_what_workers_print_is_in_their_logs(
    bed: AwsBatchBed, make: Make, processes: int | None
) -> None:
    controller = make(workers=2, processes=processes)
    tasks = [
        controller.push(f"print('hello {i}'); __import__('time').sleep(1)", name=f"greeting-{i}")
        for i in range(2)
    ]
    for i, task in enumerate(tasks):
        task.result(120)
        assert task.record is not None
        assert task.record.log == f"cloudwatch:/aws/batch/job/{task.record.job}"
        until(partial(printed, controller, task, f"hello {i}"), "it is in CloudWatch")
    record = tasks[0].record
    assert record is not None
    controller.terminate()
    assert "hello 0" in controller.logs(record)


@pytest.mark.parametrize("secrets", ["parameter_store", "environment"])
def test_each_way_to_bring_secrets_works(make: Make, secrets: str) -> None:
    controller = make(workers=2, secrets=secrets)
    assert controller.push("6 * 7").result() == 42


def test_nothing_that_others_see_holds_a_secret(bed: AwsBatchBed, make: Make) -> None:
    controller = make(workers=2, propagate_tags=True)
    controller.launch(2)
    task = controller.push("import os; (open(f'/proc/{os.getppid()}/environ').read(), os.environ)")
    supervisor, own = task.result(120)
    variables = dict(pair.partition("=")[::2] for pair in supervisor.split("\0") if pair)
    assert task.record is not None
    job = str(task.record.job)
    told = [bed.describe(job), bed.describe(job.partition(":")[0]), all_jobs(bed, controller.name)]
    shown = json.dumps(told) + repr(dict(own)) + controller.logs(task)
    assert variables["CREW_SECRET"] not in shown
    assert variables["CREW_TLS"][-100:] not in shown


def test_a_definition_is_taken_in_the_revision_that_was_asked_for(
    bed: AwsBatchBed, make: Make, definition: JobDefinition
) -> None:
    for revision in ("1", "2"):
        definition.register(bed.image, cpus=1, memory=1, environment={"REVISION": revision})
    for name, revision in ((f"{definition.name}:1", "1"), (definition.name, "2")):
        controller = make(job_definition=name)
        assert controller.push("import os; os.environ['REVISION']").result(120) == revision


def test_pushing_never_waits_for_aws(bed: AwsBatchBed, make: Make) -> None:
    controller = make(workers=2, processes=1)
    controller.start()
    before = bed.calls().get("submitjob", 0)
    bed.fault(Fault(operation="SubmitJob", times=1, seconds_before=12.0))
    tasks = [controller.push("1") for _ in range(100)]
    until(lambda: bed.calls().get("submitjob", 0) > before, "a job is submitted")
    assert all_jobs(bed, controller.name) == [], "all were pushed before AWS had done anything"
    assert all(task.result() == 1 for task in tasks)


def test_workers_at_work_are_not_asked_about(bed: AwsBatchBed, make: Make) -> None:
    controller = make()
    some = {"x": list(range(20))}
    controller.map("__import__('time').sleep(0.1)", iterate=some)
    controller.scale()  # no look is under way any more that began while the worker was coming
    bed.forget_calls()
    controller.map("__import__('time').sleep(0.1)", iterate=some)
    assert "describejobs" not in bed.calls()


def test_a_worker_that_somebody_ended_is_replaced(bed: AwsBatchBed, make: Make, hold: Hold) -> None:
    controller = make()
    task = controller.push(hold.task)
    job = runs(bed, controller)
    bed.ask_batch("TerminateJob", {"jobId": job, "reason": "an operator's whim"})
    until(lambda: len(all_jobs(bed, controller.name)) > 1, "another is launched")
    hold.release()
    assert task.result(120) == 7
    assert task.record is not None
    assert task.record.job != job


def printed(controller: crew.Controller, task: crew.Task[object], words: str) -> bool:
    return words in controller.logs(task) and words in controller.logs(task.name)
