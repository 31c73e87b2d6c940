"""Stands between a launcher's requests and the bed: refuses, loses answers and hides when told."""

from __future__ import annotations

import json
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.ending import end
from crew_aws_batch._aws.states import ACTIVE, WAITING
from loopback.aws import Raw
from testbeds.aws_batch import AwsBatchBed

_ASKED = ("DescribeJobs", "ListJobs")


class RequestsBetween:
    """A scripted platform (see ``crew_core.testing``) that is the bed but for what it is told.

    Args:
        bed: AWS Batch.
    """

    def __init__(self, bed: AwsBatchBed) -> None:
        self.submissions: list[int] = []
        self.queries = 0
        self._bed = bed
        self._clients = Clients(Access())
        self._refusal: dict[str, Any] | None = None
        self._accepted = 0
        self._loses = False
        self._hides = False
        self._forgets = False
        self._is_down = False

    def stand_before(self, client: Any) -> None:
        """See all that a client of AWS's library sends and gets."""
        events = client.meta.events
        events.register("before-send.batch.SubmitJob", self._submitting)
        events.register("after-call.batch.SubmitJob", self._submitted)
        for operation in _ASKED:
            events.register(f"before-send.batch.{operation}", self._asking)
            events.register(f"after-call.batch.{operation}", self._answered)

    # ── What a test says ───────────────────────────────────────────────────────────────────────

    @property
    def unfinished(self) -> int:
        """How many jobs wait or run."""
        return len(self._jobs(ACTIVE))

    def hold(self) -> None:
        """Let new jobs wait in the queue."""
        self._bed.turn(max_running=0)

    def release(self) -> None:
        """Start what waits, and hold no more."""
        self._bed.turn(max_running=None)

    def refuse(self, message: str, *, transient: bool, after: int = 0) -> None:
        """Refuse submissions in these words, after so many that succeed.

        What is refused for the moment is asked for again at once, so all are refused.
        """
        code = "TooManyRequestsException" if transient else "ClientException"
        status = 429 if transient else 400
        self._refusal = {"status": status, "code": code, "message": message, "after": after}

    def lose_answer(self) -> None:
        """Take the next submission, and do not answer it."""
        self._loses = True

    def hide(self) -> None:
        """Do not show the jobs that are there."""
        self._hides = True

    def show(self) -> None:
        """Show jobs again."""
        self._hides = False

    def forget(self) -> None:
        """Show ended jobs no more."""
        self._forgets = True

    def fail_queued(self) -> None:
        """Let jobs that wait end before they start."""
        end(self._clients, self._jobs(WAITING), "an operator's whim")

    def cancel_all(self) -> None:
        """End all jobs, as an operator does."""
        end(self._clients, self._jobs(ACTIVE), "an operator's whim")

    def go_down(self) -> None:
        """Do not answer questions."""
        self._is_down = True

    def come_up(self) -> None:
        """Answer questions again."""
        self._is_down = False

    # ── What AWS's library does ────────────────────────────────────────────────────────────────

    def _submitting(self, request: Any, **_: Any) -> AWSResponse | None:
        refusal = self._refusal
        if refusal is not None and self._accepted >= refusal["after"]:
            body = json.dumps({"message": refusal["message"]}).encode()
            headers = {"x-amzn-ErrorType": refusal["code"]}
            return AWSResponse(request.url, refusal["status"], headers, Raw(body))
        self._accepted += 1
        asked = json.loads(request.body)
        self.submissions.append(asked.get("arrayProperties", {}).get("size", 1))
        return None

    def _submitted(self, **_: Any) -> None:
        if self._loses:
            self._loses = False
            raise ConnectionClosedError(endpoint_url="AWS Batch")

    def _asking(self, **_: Any) -> None:
        self.queries += 1
        if self._is_down:
            raise EndpointConnectionError(endpoint_url="AWS Batch")

    def _answered(self, parsed: dict[str, Any], **_: Any) -> None:
        for key in ("jobs", "jobSummaryList"):
            if key in parsed:
                parsed[key] = [job for job in parsed[key] if self._shows(job)]

    def _shows(self, job: dict[str, Any]) -> bool:
        ended = job.get("status") not in ACTIVE
        return not self._hides and not (self._forgets and ended)

    def _jobs(self, states: tuple[str, ...]) -> list[str]:
        return [
            str(job["jobId"])
            for state in states
            for job in self._clients.pages(
                "batch", "list_jobs", "jobSummaryList", jobQueue=self._bed.queue, jobStatus=state
            )
        ]
