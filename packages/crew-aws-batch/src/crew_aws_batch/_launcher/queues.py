"""Says why a queue starts nothing, where AWS says nothing of the jobs themselves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError

log = logging.getLogger("crew")

_KEPT_SECONDS = 60.0


class Queues:
    """What is wrong with queues, asked for once a minute at most.

    Args:
        clients: how to ask.
        clock: tells the seconds that have passed.
    """

    def __init__(self, clients: Clients, clock: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._clock = clock
        self._told: dict[str, tuple[float, str]] = {}

    def trouble(self, queue: str) -> str:
        """What keeps a queue from starting jobs; "" where nothing does, or nobody may ask.

        Args:
            queue: its name or ARN.
        """
        at, told = self._told.get(queue, (float("-inf"), ""))
        if self._clock() - at > _KEPT_SECONDS:
            try:
                told = "; ".join(self._troubles(queue))
            except AwsError as error:
                log.debug("cannot ask why jobs wait: %s", error)
            self._told[queue] = (self._clock(), told)
        return told

    def _troubles(self, queue: str) -> Iterator[str]:
        answer = self._clients.call("batch", "describe_job_queues", jobQueues=[queue])
        for found in answer.get("jobQueues", ()):
            yield from _wrong(f"job queue {found.get('jobQueueName')}", found)
            names = [e["computeEnvironment"] for e in found.get("computeEnvironmentOrder", ())]
            if not names:
                continue
            environments = self._clients.call(
                "batch", "describe_compute_environments", computeEnvironments=names
            )
            for environment in environments.get("computeEnvironments", ()):
                title = f"compute environment {environment.get('computeEnvironmentName')}"
                yield from _wrong(title, environment)
                if (environment.get("computeResources") or {}).get("maxvCpus") == 0:
                    yield f"{title} has a maximum of 0 vCPUs"


def _wrong(title: str, found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("state") == "DISABLED":
        yield f"{title} is disabled"
    if found.get("status") == "INVALID":
        yield f"{title} is invalid: {found.get('statusReason') or 'AWS gives no reason'}"
