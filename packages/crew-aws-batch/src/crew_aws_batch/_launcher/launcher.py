"""The launcher of AWS Batch: joins options, submission, looks at jobs, and their ends."""

from __future__ import annotations

import json
import logging
import math
import shlex
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import listed
from crew_aws_batch._aws.ending import end
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._aws.logs import latest
from crew_aws_batch._aws.names import PREFIX, common_prefixes, job_name
from crew_aws_batch._aws.states import ACTIVE
from crew_aws_batch._launcher.handle import Handle, handles_of
from crew_aws_batch._launcher.look import look
from crew_aws_batch._launcher.options import LADDERS, AwsBatchOptions
from crew_aws_batch._launcher.payload import Submission, request
from crew_aws_batch._launcher.queues import Queues
from crew_aws_batch._launcher.sending import Sender
from crew_aws_batch._launcher.submission import Submitter, command_line
from crew_aws_batch._launcher.sweeping import Sweeper
from crew_aws_batch._launcher.vault import Vault, open_vault
from crew_aws_batch._launcher.watch import Watch
from crew_core.plugins import (
    ConfigError,
    Finding,
    JobReport,
    JobState,
    Launcher,
    LaunchError,
    LaunchRequest,
    Pace,
)

log = logging.getLogger("crew")

_PLACE = "cloudwatch:"

REASON = "terminated by crew controller"
"""What AWS shows to those who look at jobs that crew has ended."""


class AwsBatchLauncher(Launcher):
    """Asks AWS Batch for workers: one job for one worker, an array for several.

    Attributes:
        pace: how often to look at jobs.
    """

    seconds_launch_default: ClassVar[float] = 1800.0
    gathers: ClassVar[bool] = True
    ladders: ClassVar[tuple[str, ...]] = LADDERS
    pace: ClassVar[Pace] = Pace()
    Options = AwsBatchOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        own = self.options
        self._clients = Clients(own)
        self._sender = Sender(self._clients)
        self._sweeper = Sweeper(self._clients)
        self._queues = Queues(self._clients)
        self._submitter = Submitter(self._clients, self._sender, self._sweeper)
        self._handles: dict[str, Handle] = {}
        self._ended: defaultdict[str, set[str]] = defaultdict(set)  # elements, by job
        self._watch = Watch(self.pace.up_to(own.seconds_poll))

    def examine(self, hosts: Sequence[str], ports: tuple[int, int]) -> Iterable[Finding]:
        """What is missing in the account, as ``crew_aws_batch.doctor`` finds it."""
        from crew_aws_batch._doctor.doctor import examine
        from crew_aws_batch._doctor.network import ANY_PORT

        address = hosts[0] if hosts else None
        return examine(self.options, address=address, ports=ports if any(ports) else ANY_PORT)

    # ── What crew calls ────────────────────────────────────────────────────────────────────────

    def launch(self, request: LaunchRequest) -> list[Handle]:
        """Submit the workers, all or none, in as few jobs as AWS allows."""
        self._sender.settle_doubts()
        handles = self._submitter.submit(self.options_at(request.step), request)
        self._know(handles)
        self._watch.launched([handle.element for handle in handles], time.monotonic())
        return handles

    def poll(self, handles: Sequence[Handle]) -> list[JobReport]:
        """What AWS says: as it said when last asked, until it is time to ask again."""
        self._know(handles)
        self._adopt(handles)
        jobs = [handle.element for handle in handles]
        self._watch.want(jobs, time.monotonic())
        if due := self._watch.due(time.monotonic()):
            self._look(due)
            self._sender.settle_doubts()
        return [self._watch.report(job) for job in jobs]

    def terminate(self, handles: Sequence[Handle]) -> None:
        """End these jobs, arrays as a whole where nobody of them is to stay.

        Raises:
            LaunchError: AWS did not do it.
        """
        self._adopt(handles)
        jobs = self._to_end(handles)
        failed = end(self._clients, jobs, REASON) if jobs else {}
        self._sender.settle_doubts(at_once=True)
        if failed:
            job, error = next(iter(failed.items()))
            raise LaunchError(
                f"cannot end {job} and {len(failed) - 1} more: {error}", transient=error.transient
            ) from error

    def find(self, names: Sequence[str]) -> list[Handle]:
        """Handles of workers with these names, waiting or running; what they wait for is deleted.

        An array is called as its first worker is; the others' names follow, as they were launched.

        Raises:
            LaunchError: AWS could not be asked.
        """
        wanted = {job_name(name): place for place, name in enumerate(names)}
        try:
            self._forget_secrets(set(wanted))
            return [
                handle
                for queue in self._all_queues()
                for prefix in sorted(common_prefixes(names))
                for job in listed(self._clients, queue, prefix)
                if job["jobName"] in wanted and job.get("status") in ACTIVE
                for handle in _all_of(job)[: len(names) - wanted[job["jobName"]]]
            ]
        except AwsError as error:
            raise LaunchError(
                f"cannot look for jobs: {error}", transient=error.transient
            ) from error

    def logs(self, handle: Handle) -> str | None:
        """The end of what the job's latest attempt printed; None when it has printed nothing."""
        try:
            return latest(self._clients, handle.element, self.options.log_group)
        except AwsError as error:
            log.debug("no log of %s: %s", handle.element, error)
            return None

    def log_place(self, handle: Handle) -> str:
        """CloudWatch's group, and the job: its stream has no name before it runs."""
        return f"{_PLACE}{self.options.log_group}/{handle.element}"

    def read_log(self, place: str) -> str | None:
        """The end of what a job's latest attempt printed; None when nothing is kept of it.

        Raises:
            LaunchError: AWS did not answer.
        """
        group, _, job = place.removeprefix(_PLACE).rpartition("/")
        try:
            return latest(self._clients, job, group)
        except AwsError as error:
            raise LaunchError(f"cannot read {place}: {error}", transient=error.transient) from error

    def job(self, handle: Handle) -> str:
        """AWS's own name of this worker's job, such as "id" or "id:4"."""
        return handle.element

    def seconds_life(self, step: int) -> float:
        """How long a job may run, as far as the options say."""
        seconds = self.options_at(step).seconds_job
        return math.inf if seconds is None else seconds

    # ── What people call ───────────────────────────────────────────────────────────────────────

    def script(self, n: int = 1) -> str:
        """The request that would be made for so many workers, as JSON. Nothing is submitted.

        Words in capitals stand for what is not known before. More workers than an array may have
        become several requests.

        Args:
            n: how many workers.

        Raises:
            ConfigError: when ``n`` is not a whole number above zero.

        Example::

            >>> options = {"job_queue": "q", "job_definition": "d", "region": "eu-west-1"}
            >>> launcher = crew.controller("aws_batch", memory=2, **options).launcher
            >>> '"size": 3' in launcher.script(3)
            True
        """
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise ConfigError(f"script(n={n!r}): must be a whole number of at least 1")
        options = self.options_at(0)
        name = job_name(f"{PREFIX}{self._controller()}-INSTANCE")
        command = command_line(options, options.region or "REGION", name, 1)
        counts = [min(options.array_size, n - at) for at in range(0, n, options.array_size)]
        tags = dict(options.tags or {})
        requests = [
            request(options, Submission(name, count, command, {}, tags)) for count in counts
        ]
        return "\n".join(json.dumps(parameters, indent=2) for parameters in requests)

    # ── How ────────────────────────────────────────────────────────────────────────────────────

    def _know(self, handles: Sequence[Handle]) -> None:
        self._handles |= {handle.element: handle for handle in handles}

    def _adopt(self, handles: Sequence[Handle]) -> None:
        """See to what workers share that a copy of this launcher has launched which died since."""
        for handle in {handle.name: handle for handle in handles if handle.share > 1}.values():
            self._sweeper.adopt(self._vault(), handle)

    def _controller(self) -> str:
        """The controller's name, as far as it is known."""
        words = shlex.split(self.call())
        return words[words.index("--controller") + 1]

    def _all_queues(self) -> Sequence[str]:
        queues = self.options.job_queue
        return queues if isinstance(queues, tuple) else (queues,)

    def _look(self, jobs: Sequence[str]) -> None:
        try:
            reports = look(self._clients, [self._handles[job] for job in jobs], self._queues)
        except AwsError as error:
            log.debug("AWS did not say what becomes of jobs: %s", error)
            self._watch.note_silence(time.monotonic())
            return
        self._watch.note(reports, time.monotonic())
        for job, report in reports.items():
            if report.state.final:
                self._over(self._handles[job], report.state)
        self._sweeper.over(job for job, report in reports.items() if report.state.final)
        self._handles = {j: handle for j, handle in self._handles.items() if self._watch.knows(j)}

    def _over(self, handle: Handle, state: JobState) -> None:
        """A job has ended by itself, or somebody ended it."""
        self._ended[handle.job].add(handle.element)
        if state is not JobState.FINISHED and handle.share == 1:
            # Perhaps before it fetched what is its alone; shared bundles are the sweeper's.
            self._vault().remove(handle.name, [handle.index or 0])

    def _to_end(self, handles: Sequence[Handle]) -> list[str]:
        """The names to end: of arrays, where all that have not ended are to."""
        by_job: defaultdict[str, list[Handle]] = defaultdict(list)
        for handle in handles:
            by_job[handle.job].append(handle)
        names: list[str] = []
        for job, members in by_job.items():
            live = [m.element for m in members if not self._watch.report(m.element).state.final]
            over = self._ended[job]
            over.update(member.element for member in members)
            whole = len(over) == members[0].count
            names += [job] if whole and live else live
            if whole:
                self._remove_secrets(members[0])
                del self._ended[job]
        self._sweeper.over(handle.element for handle in handles)
        return names

    def _remove_secrets(self, handle: Handle) -> None:
        """Let those of a submission that have not started find nothing to start.

        A job that runs may not have fetched it yet: AWS says "running" when the container starts.
        """
        if handle.share == 1:
            self._vault().remove(handle.name, range(handle.count))

    def _forget_secrets(self, names: set[str]) -> None:
        """Delete what workers with these names would be started with. Never raises."""
        vault = self._vault()
        try:
            for prefix in sorted(common_prefixes(names)):
                for name, numbers in vault.names(prefix).items():
                    if name in names:
                        vault.remove(name, numbers)
        except AwsError as error:
            log.warning("cannot look for what killed sessions have left: %s", error)

    def _vault(self) -> Vault:
        return open_vault(self.options.secrets, self._clients, self.options.kms_key)


def _all_of(job: dict[str, Any]) -> list[Handle]:
    """Handles of all workers of a job, as ListJobs shows it."""
    count = int((job.get("arrayProperties") or {}).get("size") or 1)
    return handles_of(str(job["jobId"]), str(job["jobName"]), count)
