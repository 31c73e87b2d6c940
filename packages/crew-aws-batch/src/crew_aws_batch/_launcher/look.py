"""Asks AWS Batch what has become of workers' jobs, with few questions.

Of a large array that waits as a whole one child is asked about instead of all: AWS says how many of
its children are in which state.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import describe
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._aws.states import WAITING, lost_host, report
from crew_aws_batch._launcher.handle import Handle
from crew_aws_batch._launcher.hosts import were_reclaimed
from crew_aws_batch._launcher.queues import Queues
from crew_core.plugins import JobReport

log = logging.getLogger("crew")

LARGE = 20
"""Arrays of which more workers are asked about are asked about as a whole first."""

_LONG_SECONDS = 60.0


def look(clients: Clients, handles: Sequence[Handle], queues: Queues) -> dict[str, JobReport]:
    """What is said of these workers, by AWS's names of their jobs; unknown ones are left out.

    Args:
        clients: how to ask.
        handles: the workers.
        queues: what is wrong with those where jobs wait for long.

    Raises:
        AwsError: AWS did not answer.
    """
    by_job: defaultdict[str, list[Handle]] = defaultdict(list)
    for handle in handles:
        by_job[handle.job].append(handle)
    arrays = [job for job, members in by_job.items() if len(members) > LARGE]
    parents = describe(clients, arrays) if arrays else {}
    waiting = [job for job in arrays if waits_whole(parents.get(job, {}))]
    asked = [
        member.element
        for job, members in by_job.items()
        for member in (members[:1] if job in waiting else members)
    ]
    details = describe(clients, asked)
    reports = {name: _with_queue(report(d), d, queues) for name, d in details.items()}
    reports.update(_reclaimed(clients, details, reports))
    for job in waiting:
        first, *others = by_job[job]
        if first.element in reports:
            reports.update((member.element, reports[first.element]) for member in others)
    return reports


def waits_whole(parent: Mapping[str, Any]) -> bool:
    """True for an array all of whose children wait in one state."""
    counts = (parent.get("arrayProperties") or {}).get("statusSummary") or {}
    present = [state for state, count in counts.items() if count]
    return len(present) == 1 and present[0] in WAITING


def _with_queue(told: JobReport, detail: Mapping[str, Any], queues: Queues) -> JobReport:
    """The report of a job that has waited for long, and of which AWS does not say why."""
    silent = detail.get("status") == "RUNNABLE" and not detail.get("statusReason")
    waits_since = detail.get("createdAt", float("inf")) / 1000
    if not silent or time.time() - waits_since < _LONG_SECONDS:
        return told
    trouble = queues.trouble(str(detail.get("jobQueue")))
    return dataclasses.replace(told, reason=trouble) if trouble else told


def _reclaimed(
    clients: Clients, details: Mapping[str, Mapping[str, Any]], reports: Mapping[str, JobReport]
) -> dict[str, JobReport]:
    """The reports of those whose machine was lost because AWS took a spot instance back."""
    hosts = {
        name: host
        for name, detail in details.items()
        if reports[name].cause == "node_lost" and (host := lost_host(detail))
    }
    if not hosts:
        return {}
    try:
        reclaimed = were_reclaimed(clients, hosts.values())
    except AwsError as error:  # whether it was the one or the other is of little account
        log.debug("cannot tell a reclaimed instance from a lost one: %s", error)
        return {}
    return {
        name: dataclasses.replace(reports[name], cause="preempted")
        for name, host in hosts.items()
        if host in reclaimed
    }
