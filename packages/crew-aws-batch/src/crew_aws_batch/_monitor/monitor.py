"""The monitor of AWS Batch: shows, follows, accounts for and ends jobs for a person."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from crew_aws_batch._aws.aloud import aloud
from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import describe
from crew_aws_batch._aws.ending import AT_ONCE, end
from crew_aws_batch._aws.names import is_ours
from crew_aws_batch._aws.states import ACTIVE, INACTIVE, RAW
from crew_aws_batch._aws.tags import is_of, owner
from crew_aws_batch._aws.user import user
from crew_aws_batch._definition.trial import Trial, random_job_name, submit, trial_request
from crew_aws_batch._monitor import cost, logs
from crew_aws_batch._monitor.listing import Listing
from crew_aws_batch._monitor.logs import Logs
from crew_aws_batch._monitor.options import MonitorOptions
from crew_aws_batch._monitor.rows import COLUMNS, frame, queue_name, row
from crew_core.plugins import ConfigError, CrewError, Monitor

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Unpack

_REASON = "terminated by crew monitor"


class AwsBatchMonitor(Monitor):
    """Shows jobs of AWS Batch, what they print and what they use, and ends them.

    Tables of jobs have the columns name, id, arn, queue, status, reason, created, started and
    stopped; status is one of submitted, pending, runnable, starting, running, succeeded and failed.
    The jobs of an array are shown one by one. AWS forgets jobs a week or so after their end.

    Example::

        >>> monitor = crew.monitor("aws_batch", job_queue=["short", "long"], region="us-east-1")
        >>> monitor.options.queues
        ('short', 'long')
    """

    Options = MonitorOptions
    options: Any
    tables: ClassVar[tuple[str, ...]] = (
        *("jobs", "active", "inactive"),
        *("submitted", "pending", "runnable", "starting", "running", "succeeded", "failed"),
        "cost",
    )

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._own_options: MonitorOptions = self.options
        self._clients = Clients(self._own_options)
        self._listing = Listing(self._clients, self._own_options)
        self._logs = Logs(self._clients, self._own_options.log_group)

    # ── Tables ─────────────────────────────────────────────────────────────────────────────────

    def jobs(self) -> pd.DataFrame:
        """The jobs in these queues, in any state; of this definition if one was named. Blocks.

        Raises:
            ConfigError: AWS knows no such queue.
            CrewError: AWS could not be asked.

        Example::

            >>> callable(crew.monitor("aws_batch", region="us-east-1").jobs)
            True
        """
        return self._table(RAW)

    def active(self) -> pd.DataFrame:
        """Those that are not over. As ``jobs``."""
        return self._table(ACTIVE)

    def inactive(self) -> pd.DataFrame:
        """Those that are over. As ``jobs``."""
        return self._table(INACTIVE)

    def submitted(self) -> pd.DataFrame:
        """Those that AWS has just taken. As ``jobs``."""
        return self._table(("SUBMITTED",))

    def pending(self) -> pd.DataFrame:
        """Those that wait for other jobs. As ``jobs``."""
        return self._table(("PENDING",))

    def runnable(self) -> pd.DataFrame:
        """Those that wait for a machine. As ``jobs``."""
        return self._table(("RUNNABLE",))

    def starting(self) -> pd.DataFrame:
        """Those whose machine fetches their image. As ``jobs``."""
        return self._table(("STARTING",))

    def running(self) -> pd.DataFrame:
        """Those that run. As ``jobs``."""
        return self._table(("RUNNING",))

    def succeeded(self) -> pd.DataFrame:
        """Those that ended with exit code 0. As ``jobs``."""
        return self._table(("SUCCEEDED",))

    def failed(self) -> pd.DataFrame:
        """Those that ended otherwise, those that were terminated too. As ``jobs``."""
        return self._table(("FAILED",))

    def status(self, id: str) -> pd.DataFrame:  # noqa: A002 - as the columns are called
        """One job, wherever it is; no row when AWS knows none. Blocks.

        Args:
            id: the job's, or "ID:INDEX" for one in an array.

        Returns:
            A row with the columns of ``jobs``, and ``details``: all that AWS says of it, a dict.

        Raises:
            CrewError: AWS could not be asked.

        Example::

            >>> callable(crew.monitor("aws_batch", region="us-east-1").status)
            True
        """
        with aloud():
            found = describe(self._clients, [_job_id(id)])
        rows = [
            {**row(detail, queue_name(str(detail["jobQueue"]))), "details": detail}
            for detail in found.values()
        ]
        return frame(rows, (*COLUMNS, "details"))

    def cost(self) -> pd.DataFrame:
        """How long each job ran, and how much of processors and memory it had. Blocks.

        ``monitor.cost()[["vcpu_hours", "gb_hours"]].sum()`` is what AWS bills on Fargate; on EC2
        machines are billed, for as long as they are up. Jobs that run count up to now.

        Returns:
            A row for each job: name, id, queue, status, attempts, hours (of all attempts
            together), vcpus, memory_gb (of 1024 MiB), gpus, vcpu_hours, gb_hours, gpu_hours.

        Raises:
            CrewError: AWS could not be asked.

        Example::

            >>> callable(crew.monitor("aws_batch", region="us-east-1").cost)
            True
        """
        with aloud():
            queues = {str(job["jobId"]): queue for queue, job in self._listing.jobs(RAW)}
            details = describe(self._clients, queues)
        now = int(time.time() * 1000)
        rows = [cost.row(detail, queues[name], now) for name, detail in details.items()]
        return frame(rows, cost.COLUMNS, times=())

    # ── Output ─────────────────────────────────────────────────────────────────────────────────

    @overload
    def log(self, id: str) -> pd.DataFrame: ...
    @overload
    def log(self, id: str, *, follow: Literal[True]) -> Iterator[str]: ...
    @overload
    def log(self, id: str, *, follow: bool) -> pd.DataFrame | Iterator[str]: ...
    def log(self, id: str, *, follow: bool = False) -> pd.DataFrame | Iterator[str]:  # noqa: A002
        """What a job has printed, from CloudWatch. Blocks.

        Args:
            id: the job's; "ID:INDEX" for one in an array, "ID" for all of it.
            follow: give the lines as they come, from the first one, until the job is over. Waits
                for a job that has not begun.

        Returns:
            A row for each line, over all attempts: message, timestamp, ingestion_time (UTC), job,
            attempt. With ``follow`` an iterator of lines, which begin with "[INDEX] " when a
            whole array was asked for.

        Raises:
            ConfigError: there is no such job, or its output is not in CloudWatch.
            CrewError: the job has not begun (without ``follow``), or AWS could not be asked.

        Example::

            >>> callable(crew.monitor("aws_batch", region="us-east-1").log)
            True
        """
        job = _job_id(id)
        if follow:
            return self._follow(job)
        with aloud():
            rows = self._logs.rows(job)
        return frame(rows, logs.COLUMNS, times=("timestamp", "ingestion_time"))

    def _follow(self, job: str) -> Iterator[str]:
        with aloud():
            yield from self._logs.follow(job)

    # ── Jobs ───────────────────────────────────────────────────────────────────────────────────

    def submit(
        self,
        name: str | None = None,
        command: Sequence[str] = ("sleep", "300"),
        **options: Unpack[Trial],
    ) -> pd.DataFrame:
        """Submit a job to the first queue, to try it out. Blocks until it is queued.

        Args:
            name: of the job; None: a random one.
            command: the words of the command that it runs.
            **options: those of ``JobDefinition.submit``: ``cpus``, ``memory``, ``environment``, ...

        Returns:
            A row: name, id, arn.

        Raises:
            ConfigError: no queue or no job definition was named, or AWS refused.
            CrewError: AWS could not be asked, or did not answer; then it may be queued all the
                same.

        Example::

            >>> callable(crew.monitor("aws_batch", region="us-east-1").submit)
            True
        """
        queues, definition = self._own_options.queues, self._own_options.job_definition
        if queues is None or definition is None:
            option = "job_queue" if queues is None else "job_definition"
            raise ConfigError(f'{option}= is missing: crew.monitor("aws_batch", {option}=...)')
        chosen = random_job_name() if name is None else name
        asked = trial_request(chosen, queues[0], definition, command, options)
        with aloud():
            return frame([submit(self._clients, asked)], ("name", "id", "arn"), times=())

    def terminate(
        self,
        ids: str | Sequence[str] = (),
        *,
        all: bool = False,
        reason: str = _REASON,
        progress: bool | None = None,
    ) -> None:
        """End jobs that wait or run. They end as failed, with the reason. Blocks.

        Args:
            ids: ids of jobs; "ID:INDEX" for one in an array. Those that are over are no error.
            all: every job in these queues that you started by crew, on whichever computer.
            reason: what AWS shows to those who look at the jobs.
            progress: show a bar; None: where a person looks on, and there are many.

        Raises:
            ConfigError: for a job that AWS does not know, or that crew did not submit; then none
                is ended.
            CrewError: AWS did not end them all; the message says which, and why.

        Example::

            >>> crew.monitor("aws_batch", region="us-east-1").terminate([])
        """
        wanted = [ids] if isinstance(ids, str) else list(ids)
        with aloud():
            chosen = self._own() if all else self._checked([_job_id(name) for name in wanted])
            failed = self._end(chosen, reason, progress)
        if failed:
            name, error = next(iter(failed.items()))
            raise CrewError(
                f"{len(failed)} of {len(chosen)} jobs were not ended, as {name}: {error}"
            )

    def _end(
        self, names: Sequence[str], reason: str, progress: bool | None
    ) -> dict[str, Exception]:
        failed: dict[str, Exception] = {}
        with _bar(len(names), progress) as bar:
            for first in range(0, len(names), AT_ONCE):
                part = names[first : first + AT_ONCE]
                failed.update(end(self._clients, part, reason))
                bar.update(len(part))
        return failed

    def _own(self) -> list[str]:
        """What this user has submitted and is not over; arrays as a whole."""
        found = [str(job["jobId"]) for _, job in self._listing.submissions(ACTIVE)]
        details = describe(self._clients, found)
        return [name for name, detail in details.items() if is_of(detail.get("tags"), user())]

    def _checked(self, names: Sequence[str]) -> list[str]:
        """Those of them that are not over.

        Raises:
            ConfigError: one of them is unknown, or not crew's.
        """
        if not names:
            return []
        details = describe(self._clients, names)
        for name in names:
            if name not in details:
                raise ConfigError(
                    f"AWS Batch knows no job {name!r} in region {self._clients.region}"
                )
            told = details[name]
            if not is_ours(str(told["jobName"])) and owner(told.get("tags")).user is None:
                raise ConfigError(
                    f"crew did not submit {name!r} ({told['jobName']}): end it by AWS's own tools"
                )
        return [name for name, detail in details.items() if detail["status"] in ACTIVE]

    def _table(self, states: Collection[str]) -> pd.DataFrame:
        with aloud():
            return frame([row(job, queue) for queue, job in self._listing.jobs(states)], COLUMNS)


def _job_id(word: object) -> str:
    if not isinstance(word, str):
        raise TypeError(f"{word!r}: must be a job's id, text, not {type(word).__name__}")
    return word.rpartition("job/")[2] if word.startswith("arn:") else word


def _bar(total: int, progress: bool | None) -> Any:
    from tqdm.auto import tqdm

    looked_at = sys.stderr is not None and sys.stderr.isatty() and total > AT_ONCE
    shown = looked_at if progress is None else progress
    return tqdm(total=total, disable=not shown, desc="terminated", unit="job")
