"""Answers the requests of AWS's library in this process, in the shapes that AWS documents.

The library itself is the real one, with its checks of parameters, its retries and its errors: only
what it would send is taken from it.
"""

from __future__ import annotations

import fnmatch
import functools
import io
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.clients import Clients, _session
from loopback.model import refuse_what_aws_would

WAITING = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")
ACCESS = Access(
    region="eu-west-1", credentials={"access_key_id": "AKIATEST", "secret_access_key": "not-one"}
)


@dataclass
class Fault:
    """What goes wrong with a request.

    Attributes:
        operation: which, such as "SubmitJob".
        status: the HTTP status AWS answers with.
        code: AWS's name of the error.
        words: what AWS says.
        lost: "before": it never arrives, "after": it is done, and the answer is lost, "late": it
            is done when nobody waits any more: at ``LoopbackAws.catch_up``; "never": no connection.
        times: how often; -1: always.
    """

    operation: str
    status: int = 429
    code: str = "TooManyRequestsException"
    words: str = "Too Many Requests"
    lost: str = ""
    times: int = 1


@dataclass
class LoopbackAws:
    """One account in one region.

    Attributes:
        jobs: what DescribeJobs says, by id; children of arrays too.
        secrets: what Secrets Manager keeps, by name.
        parameters: what Parameter Store keeps, by name.
        streams: what CloudWatch has, by stream.
        instances: what EC2 says: id, and the code of the reason why it is gone.
        queues: what is said of queues, by name.
        environments: what is said of the compute environments, which all queues share.
        requests: all that was asked: operation and parameters.
        faults: what goes wrong.
        lacks: operations that this region does not have.
    """

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    streams: dict[str, list[str]] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lacks: set[str] = field(default_factory=set)
    late: list[dict[str, Any]] = field(default_factory=list)
    _clients: Clients | None = None

    def clients(self, access: Access = ACCESS) -> Clients:
        """Clients that ask this. Making them takes its time, so they are made once."""
        if access is not ACCESS:
            return _Clients(access, self)
        if self._clients is None:
            self._clients = _Clients(ACCESS, self)
        return self._clients

    @property
    def calls(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(operation for operation, _ in self.requests)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each request for an operation."""
        return [parameters for name, parameters in self.requests if name == operation]

    def names(self) -> list[str]:
        """The names of all jobs; an array is one."""
        return [job["jobName"] for name, job in self.jobs.items() if ":" not in name]

    def turn(self, name: str, status: str, **more: Any) -> None:
        """Let a job be in another state; an array with all its children."""
        for key, job in self.jobs.items():
            if key == name or key.startswith(f"{name}:"):
                job.update(status=status, **more)

    def catch_up(self) -> None:
        """Do now what was to be done late."""
        late, self.late = self.late, []
        for parameters in late:
            self._submit_job(parameters)

    # ── What the library asks ──────────────────────────────────────────────────────────────────

    def answer(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        """What would come back from AWS."""
        operation = event_name.rpartition(".")[2]
        parameters = _body(request)
        self.requests.append((operation, parameters))
        if (fault := self._fault(operation)) is not None:
            return self._go_wrong(fault, request, parameters)
        if operation in self.lacks:
            return _respond(request, 404, {"message": "Not Found"}, "UnknownOperationException")
        return self._do(operation, request, parameters)

    def _do(self, operation: str, request: Any, parameters: dict[str, Any]) -> AWSResponse:
        if operation == "DescribeInstances":
            return AWSResponse(request.url, 200, {}, Raw(self._instances().encode()))
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in operation)
        try:
            return _respond(request, 200, getattr(self, snake)(parameters))
        except KeyError as error:
            code, words = error.args
            return _respond(request, 400, {"message": words}, code)

    def _fault(self, operation: str) -> Fault | None:
        for fault in self.faults:
            if fault.operation == operation and fault.times != 0:
                fault.times -= 1
                return fault
        return None

    def _go_wrong(self, fault: Fault, request: Any, parameters: dict[str, Any]) -> AWSResponse:
        if fault.lost == "never":
            raise EndpointConnectionError(endpoint_url=request.url)
        if fault.lost:
            if fault.lost == "after":
                self._do(fault.operation, request, parameters)
            if fault.lost == "late":
                self.late.append(parameters)
            raise ConnectionClosedError(endpoint_url=request.url)
        return _respond(request, fault.status, {"message": fault.words}, fault.code)

    # ── Batch ──────────────────────────────────────────────────────────────────────────────────

    def _submit_job(self, parameters: dict[str, Any]) -> dict[str, Any]:
        refuse_what_aws_would(parameters)
        name = f"job-{len(self.names()) + 1}"
        self.jobs[name] = {
            "jobId": name,
            "jobArn": f"arn:aws:batch:eu-west-1:123456789012:job/{name}",
            "jobName": parameters["jobName"],
            "jobQueue": parameters["jobQueue"],
            "jobDefinition": parameters["jobDefinition"],
            "status": "SUBMITTED",
            "createdAt": int(time.time() * 1000),
            "tags": parameters.get("tags", {}),
            "container": dict(parameters.get("containerOverrides", {})),
        }
        size = parameters.get("arrayProperties", {}).get("size", 0)
        for index in range(size):
            child = {**self.jobs[name], "jobId": f"{name}:{index}"}
            self.jobs[f"{name}:{index}"] = {**child, "arrayProperties": {"index": index}}
        if size:
            self.jobs[name]["arrayProperties"] = {"size": size}
        return {"jobName": parameters["jobName"], "jobId": name}

    def _describe_jobs(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if len(parameters["jobs"]) > 100:
            raise KeyError("ClientException", "at most 100 jobs")
        return {"jobs": [self._described(name) for name in parameters["jobs"] if name in self.jobs]}

    def _described(self, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        size = job.get("arrayProperties", {}).get("size")
        if not size:
            return job
        children = [self.jobs[f"{name}:{index}"]["status"] for index in range(size)]
        return {**job, "arrayProperties": {"size": size, "statusSummary": Counter(children)}}

    def _describe_job_queues(self, parameters: dict[str, Any]) -> dict[str, Any]:
        order = [{"order": 1, "computeEnvironment": name} for name in self.environments]
        found = [
            {"jobQueueName": name, "computeEnvironmentOrder": order, **self.queues[name]}
            for name in parameters["jobQueues"]
            if name in self.queues
        ]
        return {"jobQueues": found}

    def _describe_compute_environments(self, parameters: dict[str, Any]) -> dict[str, Any]:
        found = [
            {"computeEnvironmentName": name, **self.environments[name]}
            for name in parameters["computeEnvironments"]
        ]
        return {"computeEnvironments": found}

    def _list_jobs(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if "arrayJobId" in parameters:
            return self._list_children(parameters)
        [wanted] = parameters["filters"]
        [pattern] = wanted["values"]
        found = [
            job
            for name, job in reversed(self.jobs.items())
            if ":" not in name
            and job["jobQueue"] == parameters["jobQueue"]
            and fnmatch.fnmatchcase(job[_FILTERED[wanted["name"]]].lower(), pattern.lower())
        ]
        return _page(found, parameters, 100)

    def _list_children(self, parameters: dict[str, Any]) -> dict[str, Any]:
        ours = f"{parameters['arrayJobId']}:"
        status = parameters.get("jobStatus", "RUNNING")
        jobs = self.jobs.items()
        found = [job for name, job in jobs if name.startswith(ours) and job["status"] == status]
        return _page(found, parameters, 1000)

    def _terminate_job(self, parameters: dict[str, Any]) -> dict[str, Any]:
        name = parameters["jobId"]
        for key, job in self.jobs.items():
            ours = key == name or key.startswith(f"{name}:")
            if ours and job["status"] not in ("SUCCEEDED", "FAILED"):
                job.update(status="FAILED", isTerminated=True, statusReason=parameters["reason"])
        return {}

    def _terminate_jobs(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if len(parameters["jobs"]) > 50:
            raise KeyError("ClientException", "at most 50 jobs")
        for name in parameters["jobs"]:
            self._terminate_job({"jobId": name, "reason": parameters["reason"]})
        return {"successful": parameters["jobs"], "errors": []}

    # ── Where secrets are, and logs ────────────────────────────────────────────────────────────

    def _create_secret(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if len(parameters["SecretString"]) > 65_536:
            raise KeyError("ValidationException", "too long")
        self.secrets[parameters["Name"]] = parameters["SecretString"]
        return {"Name": parameters["Name"]}

    def _get_secret_value(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"SecretString": _present(self.secrets, parameters["SecretId"])}

    def _delete_secret(self, parameters: dict[str, Any]) -> dict[str, Any]:
        _present(self.secrets, parameters["SecretId"])
        del self.secrets[parameters["SecretId"]]
        return {}

    def _list_secrets(self, parameters: dict[str, Any]) -> dict[str, Any]:
        [prefix] = parameters["Filters"][0]["Values"]
        return {"SecretList": [{"Name": name} for name in self.secrets if name.startswith(prefix)]}

    def _put_parameter(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if len(parameters["Value"]) > 8192:
            raise KeyError("ValidationException", "too long")
        self.parameters[parameters["Name"]] = parameters["Value"]
        return {"Version": 1}

    def _get_parameter(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["Name"] not in self.parameters:
            raise KeyError("ParameterNotFound", parameters["Name"])
        return {"Parameter": {"Value": self.parameters[parameters["Name"]]}}

    def _delete_parameter(self, parameters: dict[str, Any]) -> dict[str, Any]:
        del self.parameters[parameters["Name"]]
        return {}

    def _delete_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        for name in parameters["Names"]:
            self.parameters.pop(name, None)
        return {"DeletedParameters": parameters["Names"]}

    def _describe_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        [prefix] = parameters["ParameterFilters"][0]["Values"]
        return {
            "Parameters": [{"Name": name} for name in self.parameters if name.startswith(prefix)]
        }

    def _get_log_events(self, parameters: dict[str, Any]) -> dict[str, Any]:
        lines = self.streams.get(parameters["logStreamName"])
        if lines is None:
            raise KeyError("ResourceNotFoundException", "The specified log stream does not exist.")
        return {"events": [{"message": line} for line in lines[-parameters["limit"] :]]}

    def _instances(self) -> str:
        items = "".join(
            f"<item><instancesSet><item><instanceId>{name}</instanceId>"
            f"<instanceLifecycle>spot</instanceLifecycle>"
            f"<stateReason><code>{code}</code></stateReason></item></instancesSet></item>"
            for name, code in self.instances.items()
        )
        return (
            '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<reservationSet>{items}</reservationSet></DescribeInstancesResponse>"
        )


_FILTERED = {"JOB_NAME": "jobName", "JOB_DEFINITION": "jobDefinition"}


def _page(found: list[dict[str, Any]], parameters: dict[str, Any], most: int) -> dict[str, Any]:
    first = int(parameters.get("nextToken", "0"))
    last = first + parameters.get("maxResults", most)
    more = {"nextToken": str(last)} if last < len(found) else {}
    return {"jobSummaryList": found[first:last], **more}


class _Clients(Clients):
    """The real ones, but for what leaves the process."""

    def __init__(self, access: Access, aws: LoopbackAws) -> None:
        super().__init__(access)
        self._aws = aws

    def _boto(self) -> Any:
        """One for all tests: a session reads long descriptions of services."""
        if self._access is not ACCESS:
            return super()._boto()
        return _shared_session()

    def _make(self, service: str, *, once: bool) -> Any:
        client = super()._make(service, once=once)
        client.meta.events.register("before-send", self._aws.answer)
        return client


@functools.cache
def _shared_session() -> Any:
    return _session(ACCESS)


class Raw(io.BytesIO):
    """A body as the library reads it."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def _respond(
    request: Any, status: int, answer: dict[str, Any], code: str | None = None
) -> AWSResponse:
    headers = {"Content-Type": "application/json"}
    if code is not None:
        headers["x-amzn-ErrorType"] = code
        answer = {**answer, "__type": code}
    return AWSResponse(request.url, status, headers, Raw(json.dumps(answer).encode()))


def _body(request: Any) -> dict[str, Any]:
    body = request.body or b"{}"
    text = body if isinstance(body, bytes) else body.encode()
    return dict(json.loads(text)) if text.startswith(b"{") else {}


def _present(table: dict[str, str], name: str) -> str:
    if name not in table:
        raise KeyError("ResourceNotFoundException", f"{name} does not exist")
    return table[name]
