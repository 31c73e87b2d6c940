"""Submits workers: one job for each chunk of them, all or none, and none twice."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crew_cluster._cluster.commands import Answer, CommandError, Run
from crew_cluster._cluster.directives import arrange
from crew_cluster._cluster.job import Handle, Job, handles_of
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError, Verdict
from crew_cluster._cluster.script import Start, assemble
from crew_cluster._cluster.shelf import Shelf
from crew_cluster._cluster.start import start_lines
from crew_core.plugins import LaunchError, LaunchRequest, WorkerLaunch

log = logging.getLogger("crew")

_PAUSES = (0.0, 1.0, 2.0)
"""When a submission got no answer: how long to wait before each look for it."""


class Submitter:
    """Submits by one scheduler.

    Args:
        scheduler: the scheduler.
        run: runs its commands.
        shelf: where folders of submissions are made.
    """

    def __init__(self, scheduler: Scheduler, run: Run, shelf: Shelf) -> None:
        self._scheduler = scheduler
        self._run = run
        self._shelf = shelf
        self._limit: int | None = None

    @property
    def limit(self) -> int:
        """The most workers in one array, as far as it is known without asking."""
        return self._scheduler.array_most if self._limit is None else self._limit

    def script(self, options: Any, job: Job) -> str:
        """The text of a job script."""
        scheduler = self._scheduler
        lines = arrange(
            scheduler.directives(options, job),
            scheduler.dialect,
            drop=options.drop_directives,
            extra=options.extra_directives,
            lines=options.script_lines,
        )
        start = Start(
            scheduler.dialect,
            scheduler.place if job.is_array else "1",
            scheduler.before_start(options),
            scheduler.redirects,
            scheduler.after_end(options),
        )
        return assemble(options, job, lines, start)

    def submit(self, options: Any, request: LaunchRequest) -> list[Handle]:
        """Submit the workers, all or none; a handle for each, in order.

        Raises:
            LaunchError: the scheduler did not take them.
        """
        self._make_log_directories(options)
        handles: list[Handle] = []
        workers = request.workers
        try:
            size = self._chunk(options, len(workers))
            for first in range(0, len(workers), size):
                chunk = workers[first : first + size]
                handles += self._submit(options, request, chunk)
        except BaseException:  # Ctrl-C too: nobody would know of these jobs
            self.end(handles)
            raise
        return handles

    def end(self, handles: Sequence[Handle]) -> None:
        """End what was submitted in vain, as far as the scheduler lets us."""
        self._shelf.withdraw(handles)
        if handles:
            with contextlib.suppress(CommandError, UnreadableError):
                self._scheduler.cancel(self._run, handles)

    def _chunk(self, options: Any, count: int) -> int:
        if count > 1 and self._limit is None:
            with contextlib.suppress(CommandError, UnreadableError):
                self._limit = self._scheduler.array_limit(self._run)
        return self._scheduler.chunk(options, self.limit)

    def _submit(
        self, options: Any, request: LaunchRequest, workers: Sequence[WorkerLaunch]
    ) -> list[Handle]:
        """Submit one chunk."""
        name = self._scheduler.job_name(workers[0].name)
        job = Job(name, len(workers), self._shelf.directory / name)
        folder = self._shelf.folder(job.folder)
        folder.make(self._starts(options, workers))
        handles: list[Handle] = []
        try:
            text = self.script(options, job)
            folder.write_script(text)
            # Before, too: who cleans up behind a process that was killed must find it.
            folder.write_record(_record(request, workers, None))
            identity = self._identity(options, job, text)
            handles = handles_of(job, identity)
            folder.write_record(_record(request, workers, identity))
        except BaseException:
            folder.remove()  # should the job come up after all, it finds nothing to start
            self.end(handles)
            raise
        return handles

    def _starts(self, options: Any, workers: Sequence[WorkerLaunch]) -> list[str]:
        """What is in the workers' private files."""
        python = None if options.python is None else os.fspath(options.python)
        elsewhere = options.log_output is not None and not self._scheduler.writes_late
        return [start_lines(worker, python, prints_to_job=elsewhere) for worker in workers]

    def _identity(self, options: Any, job: Job, text: str) -> str:
        """Submit a script, which has been written down; the scheduler's id of the job."""
        argv = self._scheduler.submission(options, self._shelf.folder(job.folder).script)
        plain = text.encode(errors="surrogateescape")
        stdin = plain if self._scheduler.reads_stdin else None
        try:
            answer = self._run(argv, stdin=stdin)
        except CommandError as error:
            if not error.began:
                raise LaunchError(str(error), argv=argv, transient=error.transient) from error
            return self._look_for(job, str(error), argv)
        if options.verbose:
            log.info("%s: %s", job.name, answer.words)
        if answer.returncode != 0:
            return self._failed(job, answer)
        try:
            return self._scheduler.job_id(answer)
        except UnreadableError:
            told = f"`{argv[0]}` printed no job's id: {answer.words}"
            return self._look_for(job, told, argv, transient=False)

    def _failed(self, job: Job, answer: Answer) -> str:
        verdict = self._scheduler.verdict(answer)
        if verdict is Verdict.UNSURE:
            return self._look_for(job, answer.words, answer.argv)
        raise LaunchError(
            f"{self._scheduler.title} did not take job {job.name} of {_workers(job.count)}: "
            f"{answer.words}. The command was `{shlex.join(answer.argv)}`, its exit code "
            f"{answer.returncode}",
            transient=verdict is not Verdict.REFUSED,
            too_many=verdict is Verdict.FULL,
            argv=answer.argv,
            returncode=answer.returncode,
            stderr=answer.stderr.strip() or answer.stdout.strip(),
        )

    def _look_for(self, job: Job, told: str, argv: Sequence[str], *, transient: bool = True) -> str:
        """The id of a job that may have been taken, by its name."""
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                found = self._scheduler.find(self._run, [job.name])
            except CommandError:
                break  # each question to a scheduler that is away takes long
            except UnreadableError:
                continue
            if job.name in found:
                return found[job.name]
        raise LaunchError(
            f"{self._scheduler.title} did not say whether it took job {job.name} of "
            f"{_workers(job.count)}, and none of this name was found: {told}",
            transient=transient,
            argv=argv,
            stderr=told,
        )

    def _make_log_directories(self, options: Any) -> None:
        """Schedulers write no output where the directory is missing, and say so nowhere."""
        for given in (options.log_output, options.log_error):
            if given is None:
                continue
            directory = Path(given).parent
            if not set(str(directory)) & set(self._scheduler.patterns):
                try:
                    self._shelf.make_directory(directory)
                except OSError as error:
                    raise LaunchError(
                        f"cannot make {directory} for the output of jobs: {error.strerror}. "
                        "Choose another place with log_output= and log_error="
                    ) from error


def _record(
    request: LaunchRequest, workers: Sequence[WorkerLaunch], identity: str | None
) -> dict[str, Any]:
    return {
        "launcher": request.launcher,
        "controller": request.controller,
        "job": identity,
        "names": [worker.name for worker in workers],
        "instances": [worker.instance for worker in workers],
    }


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
