"""Reads what jobs print from CloudWatch, while they print it if that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import children, describe
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._aws.states import INACTIVE, RAW, reason_of
from crew_aws_batch._aws.streams import Place, kept_elsewhere, places_of
from crew_aws_batch._monitor.listing import is_array
from crew_aws_batch._monitor.rows import moment
from crew_core.plugins import ConfigError, CrewError

COLUMNS = ("message", "timestamp", "ingestion_time", "job", "attempt")

_LOOK_SECONDS = 1.0
"""Between two looks: CloudWatch answers an account some ten times a second."""

_LATE_SECONDS = 6.0
"""What a job printed last comes to CloudWatch some seconds after its end."""

_PATIENCE_SECONDS = 60.0
"""So long a log is followed while AWS does not answer."""

_NO_STREAM = "ResourceNotFoundException"


class Reader:
    """Reads one stream, from where it stopped last time.

    Args:
        clients: how to ask.
        place: the stream.
    """

    def __init__(self, clients: Clients, place: Place) -> None:
        self._clients = clients
        self._token: str | None = None
        self.place = place

    def events(self) -> Iterator[dict[str, Any]]:
        """What has come since; nothing while there is no such stream.

        Raises:
            AwsError: CloudWatch did not answer.
        """
        while True:
            try:
                answer = self._clients.call(
                    "logs",
                    "get_log_events",
                    logGroupName=self.place.group,
                    logStreamName=self.place.stream,
                    startFromHead=True,
                    nextToken=self._token,
                )
            except AwsError as error:
                if error.code == _NO_STREAM:
                    return
                raise
            yield from answer.get("events", ())
            # At the end the same token comes back.
            before, self._token = self._token, answer.get("nextForwardToken")
            if self._token in (None, before):
                return


class Logs:
    """What jobs print.

    Args:
        clients: how to ask.
        log_group: the log group of jobs that do not say another.
    """

    def __init__(self, clients: Clients, log_group: str) -> None:
        self._clients = clients
        self._log_group = log_group

    def rows(self, job: str) -> list[dict[str, Any]]:
        """What a job has printed so far, over its attempts; of an array, what all its jobs have.

        Raises:
            AwsError: AWS did not answer.
            ConfigError: there is no such job, or its output is not in CloudWatch.
            CrewError: it has not begun.
        """
        details = self._details(job)
        found: list[dict[str, Any]] = []
        begun = False
        for detail in details:
            for place in self._places(detail):
                begun = True
                found += [_row(event, place) for event in Reader(self._clients, place).events()]
        if not begun:
            raise CrewError(_nothing_yet(details[0]))
        return found

    def follow(self, job: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
        """The lines of a job as they come, until it is over; of an array, with each one's index.

        Raises:
            AwsError: AWS did not answer for a minute, or refused.
            ConfigError: there is no such job, or its output is not in CloudWatch.
        """
        readers: dict[Place, Reader] = {}
        over_for, patience = 0.0, _PATIENCE_SECONDS
        while True:
            silent, is_over = True, False
            try:
                details = self._details(job)
                for line in self._news(job, details, readers):
                    silent = False
                    yield line
                is_over = all(detail["status"] in INACTIVE for detail in details)
                patience = _PATIENCE_SECONDS
            except AwsError as error:
                patience -= _LOOK_SECONDS
                if not error.transient or patience < 0:
                    raise
            over_for = over_for + _LOOK_SECONDS if is_over and silent else 0.0
            if is_over and (not readers or over_for > _LATE_SECONDS):
                return
            sleep(_LOOK_SECONDS)

    def _news(
        self, job: str, details: Sequence[dict[str, Any]], readers: dict[Place, Reader]
    ) -> Iterator[str]:
        """What has come since the last look; attempts that have begun since get their readers."""
        for place in (place for detail in details for place in self._places(detail)):
            readers.setdefault(place, Reader(self._clients, place))
        for reader in readers.values():
            for event in reader.events():
                yield _label(job, reader.place) + str(event.get("message", ""))

    def _details(self, job: str) -> Sequence[dict[str, Any]]:
        """The job, or the jobs of an array."""
        found = describe(self._clients, [job]).get(job)
        if found is None:
            raise ConfigError(
                f"AWS Batch knows no job {job!r} in this region: it forgets jobs a week or so "
                "after their end"
            )
        if not is_array(found):
            return [found]
        names = [str(child["jobId"]) for child in children(self._clients, job, RAW)]
        names.sort(key=lambda name: int(name.rpartition(":")[2]))
        return list(describe(self._clients, names).values()) or [found]

    def _places(self, detail: dict[str, Any]) -> list[Place]:
        if (driver := kept_elsewhere(detail)) is not None:
            raise ConfigError(
                f"job {detail['jobId']} writes its output by the log driver {driver!r}, not to "
                "CloudWatch: look where that keeps it"
            )
        return places_of(detail, self._log_group)


def _row(event: dict[str, Any], place: Place) -> dict[str, Any]:
    return {
        "message": event.get("message"),
        "timestamp": moment(event.get("timestamp")),
        "ingestion_time": moment(event.get("ingestionTime")),
        "job": place.job,
        "attempt": place.attempt,
    }


def _label(asked: str, place: Place) -> str:
    """Whose line it is, where several jobs were asked for."""
    return "" if place.job == asked else f"[{place.job.rpartition(':')[2]}] "


def _nothing_yet(detail: dict[str, Any]) -> str:
    job, state = detail["jobId"], str(detail["status"])
    reason = reason_of(detail)
    why = f": {reason}" if reason else ""
    if state in INACTIVE:
        return f"job {job} ended without having begun{why}"
    how = f"Wait, or follow it: log({job!r}, follow=True)"
    return f"job {job} has not begun, it is {state}{why}. {how}"
