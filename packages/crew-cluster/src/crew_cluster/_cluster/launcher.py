"""The launcher of any scheduler: joins options, submission, looks at the queue and cancellation."""

from __future__ import annotations

import logging
import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from crew_cluster._cluster.checks import ladder_names
from crew_cluster._cluster.commands import CommandError
from crew_cluster._cluster.directives import refuse_own
from crew_cluster._cluster.job import Handle, Job, handles_of
from crew_cluster._cluster.names import PREFIX
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError
from crew_cluster._cluster.script import UNSEEN
from crew_cluster._cluster.seat import seat_of
from crew_cluster._cluster.submission import Submitter
from crew_cluster._cluster.watch import Watch
from crew_core.plugins import (
    ConfigError,
    JobReport,
    JobState,
    Launcher,
    LaunchError,
    LaunchRequest,
    Pace,
)

log = logging.getLogger("crew")

_LOOK_SECONDS = 20.0
_CAUSES_THAT_SAY_ENOUGH = ("out_of_memory", "wall_time", "preempted", "node_lost", "job_ended")


class ClusterLauncher(Launcher):
    """Asks a scheduler for workers: each request is one job, an array where it is for several.

    Attributes:
        scheduler: what the scheduler does its own way.
        pace: how often to look at the queue.
    """

    seconds_launch_default: ClassVar[float] = 86400.0
    gathers: ClassVar[bool] = True
    scheduler: ClassVar[type[Scheduler]]
    pace: ClassVar[Pace] = Pace()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """The options say themselves which of them may be lists."""
        super().__init_subclass__(**kwargs)
        cls.ladders = ladder_names(cls.Options)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        own = self.options
        self._scheduler = self.scheduler()
        dialect = self._scheduler.dialect
        refuse_own(
            dialect,
            [self._scheduler.array_key],
            [*own.extra_directives, *dialect.among(own.script_lines)],
            "crew makes arrays itself: array_size= and array_max= say how",
        )
        self._seat = seat_of(self._scheduler, own)
        self._shelf = self._seat.shelf
        self._run = self._seat.run(own.seconds_command)
        # While a look takes its time nothing is launched.
        self._run_look = self._seat.run(min(own.seconds_command, _LOOK_SECONDS))
        self._submitter = Submitter(self._scheduler, self._run, self._shelf)
        self._handles: dict[str, Handle] = {}
        self._terminated: set[str] = set()
        self._pruned = False
        self._watch = Watch(self.pace.up_to(own.seconds_poll))

    @property
    def host_default(self) -> str | None:
        """Where the dispatcher listens, for workers that come back through a login node."""
        return self._seat.host_default

    # ── What crew calls ────────────────────────────────────────────────────────────────────────

    def launch(self, request: LaunchRequest) -> list[Handle]:
        """Submit the workers, all or none, in as few submissions as the site allows."""
        if not self._pruned:
            self._pruned = True
            self._shelf.prune()
        request = self._seat.beyond(request)
        handles = self._submitter.submit(self.options_at(request.step), request)
        self._know(handles)
        self._watch.launched([self.job(handle) for handle in handles], time.monotonic())
        return handles

    def poll(self, handles: Sequence[Handle]) -> list[JobReport]:
        """What the scheduler says: as it said when last asked, until it is time to ask again."""
        self._know(handles)
        jobs = [self.job(handle) for handle in handles]
        self._watch.want(jobs, time.monotonic())
        if due := self._watch.due(time.monotonic()):
            self._look(due)
        return [told(self._watch.report(job)) for job in jobs]

    def terminate(self, handles: Sequence[Handle]) -> None:
        """Cancel these jobs in one command, wherever they are; at once those that wait.

        Raises:
            LaunchError: the scheduler did not do it. Those that wait end at their start all the
                same.
        """
        self._shelf.withdraw(handles)
        live = [h for h in handles if not self._watch.report(self.job(h)).state.final]
        if live:
            self._cancel(live)
            self._shelf.tidy(live)
        self._leave(handles)

    def logs(self, handle: Handle) -> str | None:
        """What the job printed, where ``log_output`` was left to crew."""
        return self._shelf.folder(Path(handle.folder)).output(handle.place)

    def job(self, handle: Handle) -> str:
        """The scheduler's own name of this worker's job, such as "123_4"."""
        return self._scheduler.element(handle)

    def find(self, names: Sequence[str]) -> list[Handle]:
        """Handles of workers with these names, whose jobs this user may have."""
        found: list[Handle] = []
        for folder, record in self._shelf.records():
            places = [i for i, name in enumerate(record["names"], start=1) if name in names]
            if places and (job := self._job_of(folder, record)):
                handles = handles_of(Job(folder.name, len(record["names"]), folder), job)
                found += [handles[place - 1] for place in places]
        return found

    def seconds_life(self, step: int) -> float:
        """How long a job may run, as far as the options say."""
        seconds = self._scheduler.seconds_life(self.options_at(step))
        return math.inf if seconds is None else seconds

    # ── What people call ───────────────────────────────────────────────────────────────────────

    def script(self, n: int = 1) -> str:
        """The job script that would be submitted for so many workers. Nothing is submitted.

        Words in capitals stand for what is not known before. Where the site takes fewer in one
        submission than ``n``, the scripts of all submissions follow one another.

        Args:
            n: how many workers.

        Raises:
            ConfigError: when ``n`` is not a whole number above zero.

        Example::

            >>> script = crew.controller("slurm", partition="short").launcher.script(3)
            >>> "#SBATCH --array=1-3" in script.splitlines()
            True
        """
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise ConfigError(f"script(n={n!r}): must be a whole number of at least 1")
        options = self.options_at(0)
        size = self._scheduler.chunk(options, self._submitter.limit)
        counts = [min(size, n - first) for first in range(0, n, size)]
        name = self._scheduler.job_name(f"{PREFIX}{self._controller()}-INSTANCE")
        folder = self._shelf.directory / name
        return "\n".join(
            self._submitter.script(options, Job(name, count, folder)) for count in counts
        )

    # ── How ────────────────────────────────────────────────────────────────────────────────────

    def _know(self, handles: Sequence[Handle]) -> None:
        self._handles |= {self.job(handle): handle for handle in handles}

    def _controller(self) -> str:
        """The controller's name, as far as it is known."""
        words = shlex.split(self.call())
        return words[words.index("--controller") + 1]

    def _cancel(self, handles: Sequence[Handle]) -> None:
        try:
            self._scheduler.cancel(self._run, handles)
        except (CommandError, UnreadableError) as error:
            raise LaunchError(
                f"{self._scheduler.title} did not cancel {self.job(handles[0])} and "
                f"{len(handles) - 1} more: {error}",
                transient=True,
            ) from error

    def _leave(self, ended: Sequence[Handle]) -> None:
        """Let go of a login node where no job is left that may need it."""
        self._terminated |= {self.job(handle) for handle in ended}
        left = [job for job in self._handles if job not in self._terminated]
        if all(self._watch.report(job).state.final for job in left):
            self._seat.close()

    def _job_of(self, folder: Path, record: dict[str, Any]) -> str | None:
        """The id of a submission; who submitted it may have died before it was told."""
        if record["job"]:
            return str(record["job"])
        try:
            return self._scheduler.find(self._run, [folder.name]).get(folder.name)
        except (CommandError, UnreadableError) as error:
            raise LaunchError(f"cannot look for job {folder.name}: {error}") from error

    def _look(self, jobs: Sequence[str]) -> None:
        try:
            reports = self._scheduler.look(self._run_look, [self._handles[job] for job in jobs])
        except (CommandError, UnreadableError) as error:
            log.debug("%s did not answer: %s", self._scheduler.title, error)
            self._watch.note_silence(time.monotonic())
            return
        reports = {job: self._explained(job, report) for job, report in reports.items()}
        ended = self._watch.note(reports, time.monotonic())
        self._shelf.tidy([self._handles[job] for job in ended])
        self._handles = {j: handle for j, handle in self._handles.items() if self._watch.knows(j)}
        self._terminated &= self._handles.keys()

    def _explained(self, job: str, report: Report) -> Report:
        """With a cause, where the scheduler has only written it into the job's output."""
        if report.state is not JobState.FAILED or report.cause in _CAUSES_THAT_SAY_ENOUGH:
            return report
        if report.cause == f"exit {UNSEEN}":
            why = f"its node does not see {self._shelf.directory}: choose another script_directory="
            return replace(report, reason=why)
        handle = self._handles.get(job)
        output = None if handle is None else self.logs(handle)
        cause = self._scheduler.cause_in(output) if output else None
        return report if cause is None else replace(report, cause=cause)


def told(report: Report) -> JobReport:
    """A report as crew takes it."""
    return JobReport(
        report.state, cause=report.cause, reason=report.reason, hopeless=report.hopeless
    )
