"""The launcher of AWS Batch does what every launcher must, with jobs that really run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._launcher.launcher import AwsBatchLauncher
from crew_aws_batch._launcher.options import AwsBatchOptions
from crew_aws_batch._launcher.sending import Sender
from crew_aws_batch._launcher.submission import Submitter
from crew_core.plugins import Pace
from crew_core.testing import PlatformConformance
from on_aws.requests_between import RequestsBetween
from testbeds.aws_batch import AwsBatchBed

pytestmark = pytest.mark.timeout(300)  # the first one waits for the bed


class Watched(Clients):
    """Clients whose requests somebody sees."""

    between: RequestsBetween | None = None

    def __init__(self, access: Access) -> None:
        super().__init__(access)

    def _make(self, service: str, *, once: bool) -> Any:
        client = super()._make(service, once=once)
        if service == "batch" and Watched.between is not None:
            Watched.between.stand_before(client)
        return client


class Eager(AwsBatchLauncher):
    """Asks AWS whenever it is asked itself, and does not pause."""

    pace: ClassVar[Pace] = Pace(first=0.0, growth=1.0)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._clients = Watched(self.options)
        self._sender = Sender(self._clients, sleep=lambda seconds: None)
        self._submitter = Submitter(self._clients, self._sender, self._sweeper)


class TestOnAwsBatch(PlatformConformance):
    limit = 3
    bad_options: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"job_queue": None},
        {"cpus": 0},
        {"memory": -1},
        {"secrets": "on a slip of paper"},
    )

    @pytest.fixture(autouse=True)
    def between(
        self, aws_batch_processes: AwsBatchBed, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        for name, value in aws_batch_processes.environment().items():
            monkeypatch.setenv(name, value)
        self._bed = aws_batch_processes
        self._between = RequestsBetween(aws_batch_processes)
        monkeypatch.setattr(Watched, "between", self._between)
        yield
        self._between.release()
        self._between.cancel_all()

    def launcher(self, folder: Path) -> AwsBatchLauncher:
        return Eager(
            AwsBatchOptions(
                job_queue=self._bed.queue,
                job_definition=self._bed.definition,
                python=sys.executable if self._bed.jobs == "processes" else "python",
                array_size=self.limit,
                seconds_poll=0.001,
            )
        )

    def platform(self, folder: Path) -> RequestsBetween:
        return self._between
