"""What AWS Batch says of a job, in crew's words. Pure.

What is read here are items of DescribeJobs. How a job died is in three places, none of which is
always there: the exit code, the container's reason, and the status's reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crew_core.plugins import JobReport, JobState

ACTIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
INACTIVE = ("SUCCEEDED", "FAILED")
RAW = (*ACTIVE, *INACTIVE)
"""AWS's own words, in the order of a job's life."""

WAITING = ACTIVE[:-1]
"""Those in which nothing of the job runs."""

Detail = Mapping[str, Any]
"""An item of DescribeJobs."""

_STATES = {
    **dict.fromkeys(WAITING, JobState.PENDING),
    "RUNNING": JobState.RUNNING,
    "SUCCEEDED": JobState.FINISHED,
    "FAILED": JobState.FAILED,
}

_HOST_LOST = re.compile(r"Host EC2 \(instance (?P<instance>[\w-]+)\) terminated", re.IGNORECASE)

# In AWS's words, by what a job dies of that has nothing to do with its program.
_CAUSES = (
    (re.compile(r"spot.*interrupt|spotinterruption", re.IGNORECASE), "preempted"),
    (_HOST_LOST, "node_lost"),
    (re.compile(r"OutOfMemory|out of memory", re.IGNORECASE), "out_of_memory"),
    (re.compile(r"duration exceeded timeout", re.IGNORECASE), "wall_time"),
)

_NEVER = re.compile(
    # Where the queue's machines are too small, or no image, program or secret can be had.
    r"MISCONFIGURATION:(JOB_RESOURCE_REQUIREMENT|COMPUTE_ENVIRONMENT_MAX_RESOURCE)",
)
_CANNOT_START = re.compile(
    r"CannotPull\w*Error|CannotStartContainerError|CannotCreateContainerError"
    r"|ResourceInitializationError",
    re.IGNORECASE,
)
_MAY_PASS = re.compile(
    r"toomanyrequests|rate limit|rate exceeded|timeout|timed out|i/o|connection (reset|refused)"
    r"|no space left|5\d\d |temporar",
    re.IGNORECASE,
)

_KILLED = 137
_SIGNALS_FROM = 128


def state_of(raw: str) -> JobState:
    """What AWS's word for a state comes to."""
    return _STATES.get(raw, JobState.UNKNOWN)


def report(detail: Detail) -> JobReport:
    """State, cause and reason of a job."""
    raw = str(detail.get("status", ""))
    reason = reason_of(detail)
    if raw == "FAILED":
        return _failed(detail, reason)
    if raw in WAITING:
        hopeless = raw == "RUNNABLE" and _NEVER.search(reason) is not None
        cause = _cause_in(_latest_reasons(detail)) if detail.get("attempts") else None
        return JobReport(state_of(raw), cause=cause, reason=reason or raw, hopeless=hopeless)
    return JobReport(state_of(raw), reason=reason)


def reason_of(detail: Detail) -> str:
    """Why it waits or how it ended, in AWS's own words; the container's, if it has some."""
    told = [*_latest_reasons(detail), str(detail.get("statusReason") or "")]
    words: list[str] = []
    for text in told:
        if text and not any(text in other for other in words):
            words.append(text)
    code = exit_code(detail)
    if code:
        words.append(f"exit code {code}")
    return "; ".join(words)


def exit_code(detail: Detail) -> int | None:
    """Of the container, or its latest attempt; None while there is none."""
    for container in (_container(detail), _latest_attempt(detail)):
        if container.get("exitCode") is not None:
            return int(container["exitCode"])
    return None


def log_streams(detail: Detail) -> list[str]:
    """Where in CloudWatch the output of its attempts is, oldest first."""
    containers = [_attempt_container(attempt) for attempt in detail.get("attempts") or ()]
    names = [c.get("logStreamName") for c in [*containers, _container(detail)]]
    return list(dict.fromkeys(name for name in names if name))


def lost_host(detail: Detail) -> str | None:
    """The EC2 instance that the job was on, if it went away under it."""
    texts = [*_latest_reasons(detail), str(detail.get("statusReason") or "")]
    found = [match for text in texts if (match := _HOST_LOST.search(text))]
    return found[0]["instance"] if found else None


def host_of(detail: Detail) -> str:
    """Where it runs or ran: ECS's name of the machine, or of the task on Fargate; "" if nowhere."""
    for container in (_container(detail), _latest_attempt(detail)):
        name = container.get("containerInstanceArn") or container.get("taskArn")
        if name:
            return str(name).rpartition("/")[2]
    node = (detail.get("eksProperties") or {}).get("podProperties") or {}
    return str(node.get("nodeName") or "")


def ended_by_others(detail: Detail) -> bool:
    """True when somebody cancelled or terminated it."""
    return bool(detail.get("isCancelled") or detail.get("isTerminated"))


# ── How ────────────────────────────────────────────────────────────────────────────────────────


def _failed(detail: Detail, reason: str) -> JobReport:
    texts = [*_latest_reasons(detail), str(detail.get("statusReason") or "")]
    code = exit_code(detail)
    if ended_by_others(detail):
        return JobReport(JobState.CANCELLED, cause="job_ended", reason=reason)
    if _cannot_start(texts):
        # Whoever waits for it should know at once that more of the same is in vain.
        return JobReport(JobState.PENDING, reason=reason, hopeless=True)
    return JobReport(JobState.FAILED, cause=_cause_in(texts) or _cause_of(code), reason=reason)


def _cannot_start(texts: list[str]) -> bool:
    told = " ".join(texts)
    return bool(_CANNOT_START.search(told)) and not _MAY_PASS.search(told)


def _cause_in(texts: list[str]) -> str | None:
    return next(
        (cause for words, cause in _CAUSES for text in texts if words.search(text)),
        None,
    )


def _cause_of(code: int | None) -> str | None:
    """What an exit code tells. Nobody kills a container's first process but who ends the job.

    That is known by then, so the kernel was it, for want of memory.
    """
    if code is None:
        return None
    if code == _KILLED:
        return "out_of_memory"
    return f"signal {code - _SIGNALS_FROM}" if code > _SIGNALS_FROM else f"exit {code}"


def _latest_reasons(detail: Detail) -> list[str]:
    """What is said of the container and of its latest attempt."""
    attempts = detail.get("attempts") or ()
    told = [_container(detail).get("reason"), _latest_attempt(detail).get("reason")]
    if attempts:
        told.append(attempts[-1].get("statusReason"))
    for container in _pod_containers(detail):
        told.append(container.get("reason"))
    return [str(text) for text in told if text]


def _container(detail: Detail) -> Detail:
    """What is said of the job's container, wherever the kind of job has it."""
    found = detail.get("container")
    if found:
        return dict(found)
    tasks = (detail.get("ecsProperties") or {}).get("taskProperties") or ()
    containers = [c for task in tasks for c in task.get("containers") or ()]
    return dict(containers[0] if containers else next(iter(_pod_containers(detail)), {}))


def _pod_containers(detail: Detail) -> list[Detail]:
    pod = (detail.get("eksProperties") or {}).get("podProperties") or {}
    return list(pod.get("containers") or ())


def _latest_attempt(detail: Detail) -> Detail:
    attempts = detail.get("attempts") or ()
    return _attempt_container(attempts[-1]) if attempts else {}


def _attempt_container(attempt: Detail) -> Detail:
    found = attempt.get("container")
    if found:
        return dict(found)
    tasks = attempt.get("taskProperties") or ()
    containers = [c for task in tasks for c in task.get("containers") or ()]
    return dict(containers[0]) if containers else {}
