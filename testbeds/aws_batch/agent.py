"""Stands in for the part of AWS Batch that runs jobs: what is submitted to it runs for real.

Job definitions and queues are moto's.
"""

from __future__ import annotations

import base64
import fnmatch
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from testbeds.aws_batch.job import WAITING, Job, Machine
from testbeds.aws_batch.moto import Moto
from testbeds.aws_batch.refusals import RefusedError, check_submission
from testbeds.aws_batch.shapes import STATES, AnyJob, Array, arn, detail, summary

_MOST_DESCRIBED = 100
_MOST_ENDED = 50

Request = Mapping[str, Any]
Answer = dict[str, Any]


class Agent:
    """All jobs.

    Args:
        machine: where they run.
        moto: knows definitions and queues.
    """

    def __init__(self, machine: Machine, moto: Moto) -> None:
        self.machine = machine
        self._moto = moto
        self._lock = threading.Lock()
        self._jobs: dict[str, AnyJob] = {}
        self.spot_instances: set[str] = set()  # that were taken back
        self.operations: dict[str, Callable[[Request], Answer]] = {
            "submitjob": self._submit,
            "describejobs": self._describe,
            "listjobs": self._list,
            "terminatejob": lambda request: self._end_one(request, "terminated"),
            "canceljob": lambda request: self._end_one(request, "cancelled"),
            "terminatejobs": lambda request: self._end_several(request, "terminated"),
            "canceljobs": lambda request: self._end_several(request, "cancelled"),
            "describejobdefinitions": self._describe_definitions,
        }

    def reclaim(self, job_id: str, *, spot: bool) -> None:
        """Let the instance under a job vanish; with ``spot``, because a market took it back."""
        job = self._find(job_id)
        if isinstance(job, Job):
            instance = str(job.container.get("containerInstanceArn", "i-0")).rpartition("/")[2]
            name = f"i-{instance[:17]}"
            if spot:
                self.spot_instances.add(name)
            job.halt("reclaimed", f"Host EC2 (instance {name}) terminated.")

    def close(self) -> None:
        """Leave no process of any job."""
        for job in self._all():
            for one in job.children if isinstance(job, Array) else [job]:
                one.close()

    # ── Operations ─────────────────────────────────────────────────────────────────────────────

    def _submit(self, request: Request) -> Answer:
        check_submission(request)
        definition = self._definition(str(request.get("jobDefinition")))
        queue = self._queue(str(request.get("jobQueue")))
        if queue["state"] != "ENABLED":
            raise RefusedError(f"Job Queue {queue['jobQueueArn']} is DISABLED")
        job_id = str(uuid.uuid4())
        size = (request.get("arrayProperties") or {}).get("size")
        common = (self.machine, request, definition, queue)
        others = self._prerequisites(request)
        made: AnyJob
        if size is None:
            made = Job(*common, job_id, None, others)
        else:
            children = [Job(*common, f"{job_id}:{i}", i, others) for i in range(size)]
            made = Array(children, job_id)
        with self._lock:
            self._jobs[job_id] = made
        for one in made.children if isinstance(made, Array) else [made]:
            one.begin()
        return {"jobArn": arn(job_id), "jobId": job_id, "jobName": request["jobName"]}

    def _describe(self, request: Request) -> Answer:
        ids = list(request.get("jobs") or [])
        if len(ids) > _MOST_DESCRIBED:
            raise RefusedError(f"Jobs list can not be larger than {_MOST_DESCRIBED}")
        found = (self._find(job_id) for job_id in dict.fromkeys(ids))
        return {"jobs": [detail(job) for job in found if job is not None]}

    def _list(self, request: Request) -> Answer:
        where = [request.get(name) for name in ("jobQueue", "arrayJobId", "multiNodeJobId")]
        if sum(one is not None for one in where) != 1:
            raise RefusedError(
                "Exactly one of jobQueue, arrayJobId or multiNodeJobId must be specified"
            )
        status = request.get("jobStatus")
        if status is not None and status not in STATES:
            raise RefusedError(f"jobStatus must be one of {', '.join(STATES)}")
        filters = request.get("filters") or []
        if filters and where[0] is not None:
            jobs = _filtered(self._listed(*where[:2]), filters)
        else:
            wanted = status or "RUNNING"
            jobs = [job for job in self._listed(*where[:2]) if job.state == wanted]
        most = 100 if filters else 1000
        page, token = _page(jobs, request, most)
        return {"jobSummaryList": [summary(job) for job in page], **token}

    def _listed(self, queue: object, array: object) -> list[AnyJob]:
        if queue is not None:
            arn_of_queue = self._queue(str(queue))["jobQueueArn"]
            return [job for job in self._all() if _one(job).queue["jobQueueArn"] == arn_of_queue]
        parent = self._find(str(array))
        return list(parent.children) if isinstance(parent, Array) else []

    def _end_one(self, request: Request, kind: str) -> Answer:
        if not request.get("jobId") or not request.get("reason"):
            raise RefusedError("jobId and reason are required")
        self._end(str(request["jobId"]), kind, str(request["reason"]))
        return {}

    def _end_several(self, request: Request, kind: str) -> Answer:
        ids = list(request.get("jobs") or [])
        if not 1 <= len(ids) <= _MOST_ENDED or not request.get("reason"):
            raise RefusedError(f"Between 1 and {_MOST_ENDED} jobs, and a reason, are required")
        for job_id in ids:
            self._end(job_id, kind, str(request["reason"]))
        return {"successful": ids, "errors": []}

    def _end(self, job_id: str, kind: str, reason: str) -> None:
        job = self._find(job_id)
        if job is None:
            return
        if kind == "terminated":
            job.halt(kind, reason)
            return
        for one in job.children if isinstance(job, Array) else [job]:
            if one.state in WAITING:
                one.halt(kind, reason)

    def _describe_definitions(self, request: Request) -> Answer:
        """As moto knows them, newest first and in pages, as AWS gives them."""
        asked = {name: value for name, value in request.items() if name not in _PAGING}
        known = self._moto.batch("DescribeJobDefinitions", asked)["jobDefinitions"]
        known.sort(key=lambda one: (one["jobDefinitionName"], -one["revision"]))
        page, token = _page(known, request, 100)
        return {"jobDefinitions": page, **token}

    # ── What there is ──────────────────────────────────────────────────────────────────────────

    def _all(self) -> list[AnyJob]:
        with self._lock:
            return list(self._jobs.values())

    def _find(self, job_id: str) -> AnyJob | None:
        parent, _, index = job_id.rpartition("job/")[2].partition(":")
        with self._lock:
            job = self._jobs.get(parent)
        if not index or not isinstance(job, Array):
            return job
        return job.children[int(index)] if int(index) < len(job.children) else None

    def _definition(self, name: str) -> dict[str, Any]:
        bare, _, revision = name.rpartition("job-definition/")[2].partition(":")
        asked = {"jobDefinitionName": bare}
        known = self._moto.batch("DescribeJobDefinitions", asked)["jobDefinitions"]
        found = [one for one in known if not revision or str(one["revision"]) == revision]
        active = [one for one in found if one["status"] == "ACTIVE"]
        if not active:
            problem = "is not ACTIVE" if found else "does not exist"
            raise RefusedError(f"Job definition {name} {problem}")
        return dict(max(active, key=lambda one: int(one["revision"])))

    def _queue(self, name: str) -> dict[str, Any]:
        known = self._moto.batch("DescribeJobQueues", {})["jobQueues"]
        for one in known:
            if name in (one["jobQueueName"], one["jobQueueArn"]):
                return dict(one)
        raise RefusedError(f"Job Queue {name} does not exist")

    def _prerequisites(self, request: Request) -> Callable[[], list[str]]:
        ids = [one["jobId"] for one in request.get("dependsOn") or [] if "jobId" in one]

        def states() -> list[str]:
            found = [self._find(job_id) for job_id in ids]
            return [job.state for job in found if job is not None]

        return states


_PAGING = ("maxResults", "nextToken")


def _one(job: AnyJob) -> Job:
    return job.first if isinstance(job, Array) else job


def _filtered(jobs: Sequence[AnyJob], filters: Sequence[Mapping[str, Any]]) -> list[AnyJob]:
    if len(filters) > 1:
        raise RefusedError("Only one filter can be used at a time")
    name, values = filters[0]["name"], list(filters[0]["values"])
    if name not in ("JOB_NAME", "JOB_DEFINITION", "BEFORE_CREATED_AT", "AFTER_CREATED_AT"):
        raise RefusedError(f"Unsupported filter {name}")
    kept = [job for job in jobs if any(_passes(_one(job), name, value) for value in values)]
    return sorted(kept, key=lambda job: _one(job).created, reverse=True)


def _passes(job: Job, name: str, value: str) -> bool:
    match name:
        case "JOB_NAME":
            return _is_like(str(job.request["jobName"]), value)
        case "JOB_DEFINITION":
            known = job.definition
            whole = str(known["jobDefinitionArn"])
            return value == whole or _is_like(str(known["jobDefinitionName"]), value)
        case "BEFORE_CREATED_AT":
            return job.created < int(value)
        case _:
            return job.created > int(value)


def _is_like(text: str, pattern: str) -> bool:
    """As documented: an asterisk at the end stands for anything; case does not matter."""
    return fnmatch.fnmatchcase(text.lower(), pattern.lower())


def _page(items: Sequence[Any], request: Request, most: int) -> tuple[list[Any], dict[str, str]]:
    """A page of them, and what leads to the next one."""
    given = request.get("nextToken")
    first = int(base64.b64decode(given)) if given else 0
    end = first + min(int(request.get("maxResults") or most), most)
    more = {"nextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return list(items[first:end]), more
