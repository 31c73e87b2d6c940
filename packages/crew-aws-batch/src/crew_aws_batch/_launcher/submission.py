"""Submits workers: one job for each chunk of them, all or none, and none twice."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence

from crew_aws_batch._aws.access import endpoint_of
from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.ending import end
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._aws.names import job_name
from crew_aws_batch._aws.tags import job_tags
from crew_aws_batch._aws.user import user
from crew_aws_batch._bootstrap import ENVIRONMENT, SECRETS_MANAGER
from crew_aws_batch._bundle import Start
from crew_aws_batch._launcher.handle import Handle, handles_of
from crew_aws_batch._launcher.options import AwsBatchOptions
from crew_aws_batch._launcher.payload import Submission, request
from crew_aws_batch._launcher.sending import DoubtError, Sender
from crew_aws_batch._launcher.sweeping import Sweeper
from crew_aws_batch._launcher.vault import open_vault, place, shared_by
from crew_core.plugins import LaunchError, LaunchRequest, WorkerLaunch

log = logging.getLogger("crew")

NO_USE_THERE = ("CREW_SYS_PATH",)
"""Variables of a worker that mean something on this computer's disk only."""

_IN_VAIN = "crew could not submit all that belongs to it"


class Submitter:
    """Submits the workers of one launcher.

    Args:
        clients: how AWS is asked.
        sender: submits single jobs.
        sweeper: looks after what workers share.
    """

    def __init__(self, clients: Clients, sender: Sender, sweeper: Sweeper) -> None:
        self._clients = clients
        self._sender = sender
        self._sweeper = sweeper

    def submit(self, options: AwsBatchOptions, asked: LaunchRequest) -> list[Handle]:
        """Submit the workers, all or none; a handle for each, in order.

        Args:
            options: of one step of their ladders.
            asked: the workers.

        Raises:
            LaunchError: AWS did not take them.
        """
        handles: list[Handle] = []
        workers = asked.workers
        starts = [start_of(worker) for worker in workers]
        size = chunk_size(options, starts)
        try:
            for first in range(0, len(workers), size):
                last = first + size
                handles += self._submit(options, asked, workers[first:last], starts[first:last])
        except BaseException:  # Ctrl-C too: nobody would know of these jobs
            self._take_back(handles)
            raise
        return handles

    def _submit(
        self,
        options: AwsBatchOptions,
        asked: LaunchRequest,
        workers: Sequence[WorkerLaunch],
        starts: Sequence[Start],
    ) -> list[Handle]:
        """Submit one chunk."""
        name = job_name(workers[0].name)
        tags = job_tags(asked.controller, asked.launcher, user(), socket.gethostname())
        vault = open_vault(options.secrets, self._clients, options.kms_key)
        try:
            placed = place(vault, name, starts, tags)
        except AwsError as error:
            raise _launch_error(error, name, len(workers)) from error
        try:
            command = command_line(options, self._clients.region, name, placed.share)
            all_tags = {**(options.tags or {}), **tags}
            submission = Submission(name, len(workers), command, placed.variables, all_tags)
            job = self._sender.send(request(options, submission))
        except BaseException as error:
            # Should the job come up after all, it finds nothing to start.
            vault.remove(name, range(placed.bundles))
            if isinstance(error, AwsError):
                raise _launch_error(error, name, len(workers)) from error
            if isinstance(error, DoubtError):
                raise LaunchError(
                    f"AWS Batch did not say whether it took job {name} of "
                    f"{_workers(len(workers))}, and none of this name was found: {error}",
                    transient=True,
                    stderr=str(error),
                ) from error
            raise
        if options.verbose:
            log.info("submitted job %s (%s) of %s", job, name, _workers(len(workers)))
        share = 0 if vault.kind == ENVIRONMENT else placed.share
        handles = handles_of(job, name, len(workers), share)
        if share > 1:
            self._sweeper.note(vault, handles, share)
        return handles

    def _take_back(self, handles: Sequence[Handle]) -> None:
        """End what was submitted in vain, as far as AWS lets us."""
        failed = end(self._clients, list({handle.job: None for handle in handles}), _IN_VAIN)
        for name, error in failed.items():
            log.warning("cannot end %s, which nobody waits for: %s", name, error)
        self._sweeper.over(handle.element for handle in handles)


def start_of(worker: WorkerLaunch) -> Start:
    """What a worker is started with in a container: it has no disk in common with this computer."""
    words = list(worker.argv[1:])
    if worker.log is not None and "--log" in words:
        at = words.index("--log")
        del words[at : at + 2]  # what it prints is the job's output, and goes to CloudWatch
    variables = {key: text for key, text in worker.env.items() if key not in NO_USE_THERE}
    return Start(words, variables)


def chunk_size(options: AwsBatchOptions, starts: Sequence[Start]) -> int:
    """How many workers one submission may have."""
    if options.node_overrides is not None:
        return 1  # AWS has no arrays of such jobs
    if options.secrets == ENVIRONMENT:
        # All go with the one request, which AWS limits.
        room = open_vault(options.secrets, Clients(options), None).room
        return min(options.array_size, shared_by(starts, room))
    return options.array_size


def command_line(options: AwsBatchOptions, region: str, name: str, share: int) -> list[str]:
    """What each job of a submission runs. Everybody may see it."""
    service = "secretsmanager" if options.secrets == SECRETS_MANAGER else "ssm"
    endpoint = endpoint_of(options, service)
    words = [options.python, "-m", "crew_aws_batch._bootstrap"]
    words += [options.secrets, region, name, str(share)]
    return words if endpoint is None else [*words, endpoint]


def _launch_error(error: AwsError, name: str, count: int) -> LaunchError:
    return LaunchError(
        f"cannot launch {_workers(count)} as job {name}: {error}",
        transient=error.transient,
        stderr=error.words,
    )


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
