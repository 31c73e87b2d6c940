"""A virtual platform: takes launches, starts jobs some time, loses some, and answers for them."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from crew_core._controller.platform import Launched
from crew_core._controller.roster import Row
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import WorkerLaunch
from crew_core._model.errors import LaunchError
from crew_core._model.states import JobState
from simulator.scenario import Mishap, Scenario
from simulator.worker import VirtualWorker
from simulator.world import Event, World

_KILL_AFTER_SECONDS = 3.0
_NEVER_ASKED = 0
_CAUSES = ("out_of_memory", "wall_time", "preempted", "node_lost", "job_ended", "crash", "exit 3")

StartWorker = Callable[[WorkerLaunch, str], VirtualWorker]


class Job:
    """What was made of one launch.

    Attributes:
        state: the truth.
        cause: how its last worker died, if the platform tells.
        shown_at: when the platform tells of its end.
        starts: how often it was started.
        unwanted: somebody has asked for its end.
        told_to_end: it has heard of that.
        workers: that run now: one, or two of a job that was started twice.
    """

    def __init__(self, row: Row, launch: WorkerLaunch) -> None:
        self.row = row
        self.launch = launch
        self.state = JobState.PENDING
        self.cause: str | None = None
        self.shown_at = 0.0
        self.starts = 0
        self.unwanted = False
        self.told_to_end = False
        self.known = True
        self.workers: list[VirtualWorker] = []


class VirtualPlatform:
    """As ``Platform``: in the foreground, or in the background.

    Args:
        world: where it is.
        scenario: how quick it is, and what goes wrong.
        start_worker: starts a worker of that name.
        asked: the number of the last question whether workers are expected.
        may_launch: raises when nothing may be launched now.
    """

    def __init__(
        self,
        world: World,
        scenario: Scenario,
        start_worker: StartWorker,
        asked: Callable[[], int],
        may_launch: Callable[[], None],
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self.live: dict[str, Job] = {}
        self.mishaps = True
        self._world = world
        self._scenario = scenario
        self._start_worker = start_worker
        self._asked = asked
        self._may_launch = may_launch
        self._answered = _NEVER_ASKED
        self._waiting: dict[int, list[Event]] = defaultdict(list)
        self._random: Random = world.random("platform")
        self._withdrawn = False

    # ── What the fleet asks ────────────────────────────────────────────────────────────────────

    def launch(
        self, rows: Sequence[Row], workers: tuple[WorkerLaunch, ...], done: Launched
    ) -> None:
        self._may_launch()
        order = partial(self._take, rows, workers, done)
        if not self._scenario.in_background:
            if self._goes_wrong(Mishap.REJECTED):
                raise LaunchError("the platform refuses", transient=True)
            order()
            return
        self._when_expected(partial(self._later, order))

    def reports(self, rows: Sequence[Row]) -> Sequence[JobReport]:
        return [self._report(self.jobs[row.handle]) for row in rows]

    def terminate(self, rows: Sequence[Row]) -> None:
        for row in rows:
            job = self.jobs[row.handle]
            job.unwanted = True
            if self._scenario.in_background:
                self._later(partial(self._end, job))
            else:
                self._end(job)

    def logs(self, row: Row, done: Callable[[str], None]) -> None:
        self._later(partial(done, ""))

    def withdraw(self) -> None:
        self._withdrawn = True

    def settle(self, seconds: float) -> bool:
        return True

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass

    @property
    def now(self) -> float:
        """The time."""
        return self._world.now

    # ── What happens around it ─────────────────────────────────────────────────────────────────

    def release(self, request: int) -> None:
        """The dispatcher expects the workers of this question."""
        self._answered = max(self._answered, request)
        for event in self._waiting.pop(request, []):
            event()

    # ── Launching ──────────────────────────────────────────────────────────────────────────────

    def _take(self, rows: Sequence[Row], workers: tuple[WorkerLaunch, ...], done: Launched) -> None:
        if self._scenario.in_background and (self._withdrawn or self._goes_wrong(Mishap.REJECTED)):
            done(rows, LaunchError("the platform refuses", transient=True))
            return
        handles = []
        for row, launch in zip(rows, workers, strict=True):
            job = self.jobs[row.instance] = self.live[row.instance] = Job(row, launch)
            handles.append((row.instance, f"job {row.instance}"))
            self._when_expected(partial(self._plan, job))
        done(rows, handles)

    def _plan(self, job: Job) -> None:
        """Decide what becomes of a job."""
        if self._goes_wrong(Mishap.PENDING_FOR_EVER):
            self._note(job, "will never start")
            return
        if self._goes_wrong(Mishap.LOST_LAUNCH):
            self._note(job, "is lost")
            job.known = False
            self._finish(job, JobState.FAILED)
            return
        low, high = self._scenario.start_seconds
        seconds = low + (high - low) * self._random.random() ** 2
        if self._goes_wrong(Mishap.DIES_IN_QUEUE):
            self._world.after(seconds, partial(self._finish, job, JobState.FAILED))
            return
        if self._goes_wrong(Mishap.LATE_LAUNCH):
            seconds += self._scenario.seconds_launch * self._random.uniform(0.5, 1.5)
        self._world.after(seconds, partial(self._start, job))
        if self._goes_wrong(Mishap.DUPLICATE_LAUNCH):
            seconds += self._random.uniform(0.0, 2.0)
            self._world.after(seconds, partial(self._start, job))

    def _start(self, job: Job) -> None:
        if job.state.final:
            return
        job.starts += 1
        job.state, job.cause = JobState.RUNNING, None
        worker = self._start_worker(job.launch, f"{job.launch.instance}.{job.starts}")
        job.workers.append(worker)
        worker.on_over = partial(self._over, job, worker)

    def _over(self, job: Job, worker: VirtualWorker) -> None:
        job.workers.remove(worker)
        if job.workers or job.state.final:
            return
        if worker.killed and self.mishaps and self._random.random() < self._scenario.told:
            job.cause = self._random.choice(_CAUSES)
            job.shown_at = self._world.now + self._random.choice((0.0, 1.0, 12.0, 20.0))
        if not job.told_to_end and self._goes_wrong(Mishap.RUN_AGAIN):
            self._note(job, "is run again")
            job.state = JobState.PENDING
            self._world.after(self._random.uniform(0.1, 5.0), partial(self._start, job))
        else:
            self._finish(job, JobState.FINISHED)

    # ── Ending ─────────────────────────────────────────────────────────────────────────────────

    def _end(self, job: Job) -> None:
        job.row.job_over = True
        if job.told_to_end:
            return
        job.told_to_end = True
        if job.workers:
            self._note(job, "is told to end")
            for worker in job.workers:
                worker.touched = True
                worker.signal(int(signal.SIGTERM))
            self._world.after(_KILL_AFTER_SECONDS, partial(self._kill, job))
        elif not job.state.final:
            self._finish(job, JobState.CANCELLED)

    def _kill(self, job: Job) -> None:
        for worker in list(job.workers):
            worker.kill()
        if not job.state.final:
            self._finish(job, JobState.CANCELLED)

    def _finish(self, job: Job, state: JobState) -> None:
        if not job.state.final and not job.workers:
            job.state = state
            self._note(job, f"is over: {state.value}")
            self.live.pop(job.launch.instance, None)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _report(self, job: Job) -> JobReport:
        unsure = self.mishaps and self._random.random() < self._scenario.unsure
        if unsure or not job.known:
            return JobReport(JobState.UNKNOWN)
        if self._world.now < job.shown_at:
            return JobReport(JobState.RUNNING)
        return JobReport(job.state, cause=job.cause)

    def _goes_wrong(self, mishap: Mishap) -> bool:
        chance = self._scenario.mishaps.get(mishap, 0.0)
        return self.mishaps and chance > 0 and self._random.random() < chance

    def _when_expected(self, event: Event) -> None:
        """Whoever launches has waited until the dispatcher expects its workers."""
        request = self._asked()
        if request <= self._answered:
            event()
        else:
            self._waiting[request].append(event)

    def _later(self, event: Event) -> None:
        low, high = self._scenario.platform_seconds
        self._world.after(low + (high - low) * self._random.random(), event)

    def _note(self, job: Job, what: str) -> None:
        if self._world.traced:
            self._world.tell("platform", f"job {job.launch.instance} {what}")
