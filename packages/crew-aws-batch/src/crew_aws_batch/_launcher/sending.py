"""Submits one job, once: SubmitJob knows no token by which AWS could tell a repetition.

::

    refused for now (429, never sent) ──► the same again, later
    no answer, or half an answer      ──► looked for by its name ──► found: taken
                                                               └──► doubtful: nobody waits for it,
                                                                    and it is ended if it appears
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import listed
from crew_aws_batch._aws.ending import end
from crew_aws_batch._aws.errors import AwsError, Trouble
from crew_aws_batch._aws.states import ACTIVE, RAW
from crew_aws_batch._launcher.backoff import pauses

log = logging.getLogger("crew")

_PATIENCE_SECONDS = 20.0
_FIRST_SECONDS = 1.0
_MOST_SECONDS = 8.0
_LOOKS = (0.0, 1.0, 3.0)
"""How long to wait before each look for a job whose submission got no answer."""
_DOUBT_SECONDS = 900.0
_DOUBT_PAUSE = 10.0

GIVEN_UP = "crew gave up waiting for the answer to this submission"


class DoubtError(Exception):
    """Nobody knows whether a job was submitted, and none of its name was found."""


class Sender:
    """Submits jobs one by one.

    Args:
        clients: how to ask.
        sleep: waits so many seconds.
        clock: tells the seconds that have passed.
    """

    def __init__(
        self,
        clients: Clients,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = clients
        self._sleep = sleep
        self._clock = clock
        self._doubts: dict[tuple[str, str], float] = {}  # queue and name: since when
        self._look_at = 0.0

    def send(self, parameters: Mapping[str, Any]) -> str:
        """Submit a job; AWS's id of it.

        Raises:
            AwsError: it was not submitted.
            DoubtError: nobody knows.
        """
        waits = pauses(_FIRST_SECONDS, _MOST_SECONDS, _PATIENCE_SECONDS)
        renewed = False
        while True:
            try:
                answer = self._clients.call("batch", "submit_job", once=True, **parameters)
                return str(answer["jobId"])
            except AwsError as error:
                if error.unsure:
                    return self._look_for(parameters, error)
                if error.trouble is Trouble.EXPIRED and not renewed:
                    # Others may have been found meanwhile: by a login, by a role's renewal.
                    renewed = True
                    self._clients.forget()
                    continue
                if error.trouble is not Trouble.THROTTLED or (pause := next(waits, None)) is None:
                    raise
                self._sleep(pause)

    def settle_doubts(self, *, at_once: bool = False) -> None:
        """End jobs that came up after their submission was given up. Never raises.

        Args:
            at_once: also when it is not long since they were looked for.
        """
        now = self._clock()
        if not self._doubts or (now < self._look_at and not at_once):
            return
        self._look_at = now + _DOUBT_PAUSE
        for (queue, name), since in list(self._doubts.items()):
            try:
                if found := self._find(queue, name, ACTIVE):
                    end(self._clients, [found], GIVEN_UP)
                    log.warning("ended job %s (%s), which came up late", found, name)
            except AwsError as error:
                log.debug("cannot look for %s: %s", name, error)
                continue
            if found or now - since > _DOUBT_SECONDS:
                del self._doubts[queue, name]

    def _look_for(self, parameters: Mapping[str, Any], error: AwsError) -> str:
        """The id of a job that may have been submitted."""
        queue, name = str(parameters["jobQueue"]), str(parameters["jobName"])
        for pause in _LOOKS:
            self._sleep(pause)
            try:
                if found := self._find(queue, name, RAW):
                    log.info("job %s (%s) was submitted, though AWS's answer was lost", found, name)
                    return found
            except AwsError as another:
                log.debug("cannot look for %s: %s", name, another)
        self._doubts[queue, name] = self._clock()
        raise DoubtError(str(error)) from error

    def _find(self, queue: str, name: str, states: Sequence[str]) -> str | None:
        for job in listed(self._clients, queue, name):
            if job.get("jobName") == name and job.get("status") in states:
                return str(job["jobId"])
        return None
