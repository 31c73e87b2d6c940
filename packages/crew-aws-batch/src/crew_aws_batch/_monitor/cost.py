"""How much of processors and memory jobs have used. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    *("name", "id", "queue", "status", "attempts", "hours", "vcpus", "memory_gb", "gpus"),
    *("vcpu_hours", "gb_hours", "gpu_hours"),
)
"""Hours are of all attempts together; a GB is 1024 MiB, as AWS bills it."""

_MILLISECONDS = 3_600_000
"""In an hour."""


def row(detail: Mapping[str, Any], queue: str, now: int) -> dict[str, Any]:
    """What a job has used.

    Args:
        detail: an item of DescribeJobs.
        queue: the name of its queue.
        now: the time, in AWS's milliseconds, for those that run.
    """
    spans = spans_of(detail, now)
    hours = sum(stop - start for start, stop in spans) / _MILLISECONDS
    needs = needs_of(detail)
    cpus, gpus = needs.get("VCPU", 0.0), needs.get("GPU", 0.0)
    memory = needs.get("MEMORY", 0.0) / 1024
    return {
        "name": detail.get("jobName"),
        "id": detail.get("jobId"),
        "queue": queue,
        "status": str(detail.get("status", "")).lower(),
        "attempts": len(spans),
        "hours": hours,
        "vcpus": cpus,
        "memory_gb": memory,
        "gpus": gpus,
        "vcpu_hours": cpus * hours,
        "gb_hours": memory * hours,
        "gpu_hours": gpus * hours,
    }


def spans_of(detail: Mapping[str, Any], now: int) -> Sequence[tuple[int, int]]:
    """When its attempts ran, from and to."""
    spans = [
        (int(attempt["startedAt"]), int(attempt["stoppedAt"]))
        for attempt in detail.get("attempts") or ()
        if attempt.get("startedAt") and attempt.get("stoppedAt")
    ]
    started = int(detail.get("startedAt") or 0)
    if detail.get("status") == "RUNNING" and started:
        # AWS may tell of the first attempt's start; the latest one came after all that are over.
        since = max([started, *(stop for _, stop in spans)])
        return [*spans, (since, max(now, since))]
    if not spans and started and detail.get("stoppedAt"):
        return [(started, int(detail["stoppedAt"]))]
    return spans


def needs_of(detail: Mapping[str, Any]) -> Mapping[str, float]:
    """What it has while it runs: "VCPU", "MEMORY" in MiB, "GPU"."""
    container = detail.get("container") or {}
    # Older definitions say it in this way.
    found = {"VCPU": container.get("vcpus"), "MEMORY": container.get("memory")}
    for one in container.get("resourceRequirements") or ():
        found[one["type"]] = one["value"]
    return {kind: float(value) for kind, value in found.items() if value}
