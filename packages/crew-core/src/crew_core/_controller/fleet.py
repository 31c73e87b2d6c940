"""The workers of one run: looked at, launched, given up and ended, as planned. No thread, no clock.

Whoever drives it says what time it is: the autoscaler's thread does, and so does a simulator. What
the platform answers comes at once, or from a launch daemon some time later, on any thread.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from crew_core._controller.brakes import Brakes
from crew_core._controller.escalation import Escalation, Match
from crew_core._controller.futile import FutileLaunches
from crew_core._controller.herald import Herald
from crew_core._controller.platform import Platform
from crew_core._controller.reasons import tell_why_jobs_wait, tell_why_not
from crew_core._controller.room import Room
from crew_core._controller.roster import Roster, Row
from crew_core._controller.scaling import Snapshot, plan
from crew_core._controller.verdicts import Verdicts
from crew_core._launcher.base import Launcher
from crew_core._launcher.guarded import GuardedLauncher, forget_variables
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import WorkerLaunch
from crew_core._launcher.shortage import is_shortage
from crew_core._model.errors import LaunchError
from crew_core._model.names import token
from crew_core._model.options import ScalingOptions
from crew_core._model.states import InstanceState, JobState
from crew_core._plugins.registry import notify
from crew_core._wire import messages

log = logging.getLogger("crew")

_REAP_SECONDS = 10.0  # a worker that has left us should be over for its platform by then


class Fleet:
    """Owns the workers of one run of a controller.

    Args:
        controller: the controller's name.
        platform: starts workers and ends them.
        launcher: says how long a worker may take to connect.
        herald: tells the dispatcher.
        roster: what was launched.
        options: limits and intervals.
        demand: tasks that have not ended.
        make_worker: turns a reserved row and its secret into what the launcher is given.
        brakes: how long launches wait for others, what is tried again, and what stops them.
        escalation: which step of the launcher's ladder is launched.

    Attributes:
        kick: called, on any thread, when there is reason to look again. Set by whoever drives it.
        closing: nothing is launched any more, and launches that fail are no news.
    """

    def __init__(
        self,
        *,
        controller: str,
        platform: Platform,
        launcher: Launcher,
        herald: Herald,
        roster: Roster,
        options: ScalingOptions,
        demand: Callable[[], int],
        make_worker: Callable[[Row, str], WorkerLaunch],
        brakes: Brakes,
        escalation: Escalation,
    ) -> None:
        self.kick: Callable[[], None] = _do_nothing
        self.closing = False
        self._controller = controller
        self._platform = platform
        self._launcher = launcher
        self._guarded = GuardedLauncher(launcher, controller)
        self._herald = herald
        self._roster = roster
        self._options = options
        self._demand = demand
        self._make_worker = make_worker
        self._brakes = brakes
        self._failures, self._budget, self._throttle = brakes
        self._escalation = escalation
        self._superfluous_since: float | None = None
        self._room = Room()
        self._verdicts = Verdicts(platform, roster, escalation, herald)
        self._futile = FutileLaunches(controller, platform, brakes.failures, self._kick)

    # ── Questions ──────────────────────────────────────────────────────────────────────────────

    @property
    def is_full(self) -> bool:
        """True when more tasks would not mean more workers."""
        return self._demand() >= self._options.workers

    @property
    def is_short(self) -> bool:
        """True when workers are missing and may be launched."""
        if self._brakes.error is not None:
            return False
        if min(self._options.workers, self._to_launch_for()) > self._roster.supply():
            return True
        return self._escalation.any_needs and bool(self._match().unfit)

    @property
    def is_settled(self) -> bool:
        """True when nothing changes unless somebody says so."""
        roster = self._roster
        unsure = roster.coming() or roster.cut() or roster.lost() or roster.unreaped()
        return not (unsure or self._lacks_large())

    # ── Looking ────────────────────────────────────────────────────────────────────────────────

    def round(self, now: float, *, launch: bool) -> None:
        """All that is to be done now and then.

        Args:
            now: the time.
            launch: whether workers may be launched and cancelled.

        Raises:
            LaunchError: the platform refused.
        """
        self.look(now)
        self._verdicts.look(now)
        self.look_at_budget()
        if launch and self._brakes.error is None:
            self.act(now, throttle=True)
        self.reap(now)  # last: ending a worker may take seconds

    def look(self, now: float) -> None:
        """Ask the platform about launches, and give up those that ended or take too long."""
        coming = self._roster.coming()
        submitted = [row for row in coming if row.has_handle]
        for row, report in zip(submitted, self._platform.reports(submitted), strict=True):
            row.report = report
            if report.state is JobState.RUNNING:
                self._roster.note_running(row)
            if report.state.final and row.state.coming:
                row.job_over = True
                self._give_up(row, f"ended before it connected ({_in_words(report)})")
            elif report.hopeless and row.state.coming:
                self._give_up(row, f"will never start ({_in_words(report)})", permanent=True)
        tell_why_jobs_wait(submitted, self._controller, self._roster.note)
        limit = self._options.seconds_launch or self._launcher.seconds_launch_default
        for row in coming:
            if now - row.launched_at > limit and row.state.coming:
                why = f"did not connect within seconds_launch={limit:g}"
                self._give_up(row, f"{why} ({_in_words(row.report)})" if row.report.reason else why)

    def look_at_budget(self) -> None:
        """Once it is used up nobody comes any more."""
        if self._budget.look():
            self._roster.note("stopped", str(self._budget.error))
            self._cancel([row.instance for row in self._roster.coming()], "budget")

    def reap(self, now: float) -> None:
        """End the jobs of those who are over for us and do not end by themselves."""
        over = self._roster.unreaped()
        for row, report in zip(over, self._platform.reports(over), strict=True):
            if report.state.final:
                row.job_over = True
        # What has not ended by itself, or cannot be asked, is told to; the lost ones at once.
        late = [r for r in over if not r.job_over and now >= _reap_at(r, now)]
        self._terminate(late)

    # ── Acting ─────────────────────────────────────────────────────────────────────────────────

    def act(self, now: float, *, throttle: bool) -> bool:
        """Launch or cancel what the plan says. True when workers were launched.

        Args:
            now: the time.
            throttle: launch nothing when it is not long since workers were launched.

        Raises:
            LaunchError: the platform refused.
        """
        match = self._match() if self._escalation.any else None
        snapshot = self._snapshot(match, now)
        decision = plan(snapshot, self._options.workers, now, self._options.pending_max)
        if decision.cancel:
            self._cancel(decision.cancel)
        if decision.make_room and match is not None:
            self._make_room(decision.make_room, match)
        held = self._futile.being_explained or (throttle and self._throttle.closed_for(now))
        count = 0 if held else int(min(decision.launch, self._room.most(now)))
        if not count and not held:
            tell_why_not(decision, self._roster.note)
        if count:
            log.debug("launching %d of %d: %s", count, decision.launch, decision.reason)
            self._throttle.note_launch(now)
            wanting = () if match is None else match.wanting
            return self.launch(count, manual=False, wanting=wanting, why=decision.reason)
        return False

    def _snapshot(self, match: Match | None, now: float) -> Snapshot:
        """How things stand, as far as the plan needs to know.

        Args:
            match: of tasks and workers; None where all workers are alike.
            now: the time.
        """
        coming, staying = self._roster.coming(), self._roster.staying()
        spare = coming if match is None else [r for r in coming if r.instance in match.spare]
        return Snapshot(
            demand=self._to_launch_for(),
            online=len(staying),
            coming=[row.instance for row in coming],
            cancellable=[row.instance for row in spare if not row.manual],
            superfluous_since=self._superfluous(len(spare), len(coming) + len(staying), now),
            unfit=0 if match is None else match.unfit,
            failures=self._failures.in_a_row,
            failed_at=self._failures.failed_at,
            jitter=self._failures.jitter,
        )

    def launch(
        self,
        count: int,
        *,
        manual: bool,
        wanting: Sequence[int] = (),
        why: str = "they were asked for by hand",
    ) -> bool:
        """Launch workers now; where the platform blocks, wait until it has taken them.

        False when it has room for fewer only; of those asked for by hand that is an error.

        Args:
            count: how many.
            manual: somebody asked for them by hand.
            wanting: the steps of the ladder that tasks wait for, the highest first.
            why: in words.

        Raises:
            LaunchError: it has not.
        """
        self._roster.note("asked", why, count)
        steps = self._escalation.steps(count, wanting)
        launched = [self._launch(workers, step, manual=manual) for step, workers in steps]
        return any(launched)

    def _launch(self, count: int, step: int, *, manual: bool) -> bool:
        rows = self._roster.reserve(count, manual=manual, step=step)
        try:
            workers = self._announce(rows)
            self._platform.launch(rows, workers, partial(self._launched, rows))
        except OSError as error:  # no working directory any more, no descriptors
            forget_variables(error)
            refusal = LaunchError(
                f"cannot prepare workers of controller {self._controller!r}: {error}",
                transient=is_shortage(error),
            )
            self._launch_failed(rows, rows, refusal)
            raise refusal from error
        except BaseException as error:  # Ctrl-C too: nobody would ever give up on these rows
            if self._launch_failed(rows, rows, error) or manual:
                raise
            return False
        return True

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """A launch brought nothing."""
        self._futile.note(row, why, permanent=permanent)

    # ── Launching ──────────────────────────────────────────────────────────────────────────────

    def _launched(
        self,
        launch: object,
        rows: Sequence[Row],
        outcome: list[tuple[Any, str]] | LaunchError,
    ) -> None:
        if isinstance(outcome, LaunchError):
            self._launch_failed(launch, rows, outcome)
            self.kick()
            return
        self._room.note_taken(len(rows))
        unwanted = []
        for row, (handle, job) in zip(rows, outcome, strict=True):
            row.log = self._guarded.log_place(handle) or row.log
            if not self._roster.launched(row, handle, job):
                unwanted.append(row)
            notify(
                "crew_worker_launched",
                controller=self._controller,
                worker=row.worker,
                instance=row.instance,
                handle=handle,
            )
        self._platform.terminate(unwanted)

    def _launch_failed(self, launch: object, rows: Sequence[Row], error: BaseException) -> bool:
        """Give up these rows. False when that is no failure, as the platform takes some of them."""
        for row in rows:
            self._roster.end(row.instance, InstanceState.LAUNCH_FAILED, str(error))
        self._herald.forget([row.instance for row in rows])
        if not isinstance(error, LaunchError) or self.closing:
            return True
        if error.too_many:
            is_news = self._room.note_refused(len(rows))
            if len(rows) > 1 or self._roster.supply():
                if is_news:
                    self._failures.mention(error)
                return False
        self._failures.note(error, launch)
        return True

    def _announce(self, rows: Sequence[Row]) -> tuple[WorkerLaunch, ...]:
        made = [self._make(row) for row in rows]
        self._herald.expect([expected for _, expected in made])
        return tuple(worker for worker, _ in made)

    def _make(self, row: Row) -> tuple[WorkerLaunch, messages.ExpectedWorker]:
        # Not where something may go wrong: tools that report errors show the variables there.
        secret = token(32)
        digest = hashlib.sha256(secret.encode()).digest()
        expected = messages.ExpectedWorker(row.instance, row.worker, digest, row.step)
        return self._make_worker(row, secret), expected

    # ── Giving up ──────────────────────────────────────────────────────────────────────────────

    def _give_up(self, row: Row, why: str, *, permanent: bool = False) -> None:
        if self._roster.end(row.instance, InstanceState.LAUNCH_FAILED, why) is None:
            return
        self._herald.forget([row.instance])
        if not row.job_over:
            self._terminate([row])
        self.note_futile(row, why, permanent=permanent)

    def _to_launch_for(self) -> int:
        """Tasks that have not ended, but those whose worker's death may call for a larger one."""
        return self._demand() - (len(self._roster.lost()) if self._escalation.any else 0)

    def _lacks_large(self) -> bool:
        """True when small workers are to make room once they have nothing left to do."""
        needed = self._escalation.any_needs and self._brakes.error is None
        return needed and bool(self._match().wanting)

    def _match(self) -> Match:
        """What tasks there are, and the workers for them, by their steps."""
        return self._escalation.match(
            self._demand(),
            [row.step for row in self._roster.staying()],
            [(row.instance, row.step) for row in self._roster.coming()],
        )

    def _make_room(self, workers: int, match: Match) -> None:
        """Give up launches that are too small, or else let workers go that are."""
        step = min(match.wanting)
        small = [r for r in self._roster.coming() if r.step < step and not r.manual][-workers:]
        self._cancel([row.instance for row in small], "too small for what waits")
        if len(small) < workers:
            self._herald.make_room(step, workers - len(small))

    def _superfluous(self, spare: int, supply: int, now: float) -> float | None:
        wanted = min(self._options.workers, self._demand())
        if spare == 0 or supply <= wanted:
            self._superfluous_since = None
        elif self._superfluous_since is None:
            self._superfluous_since = now
        return self._superfluous_since

    def _cancel(self, instances: Sequence[str], why: str = "no longer needed") -> None:
        if not instances:
            return
        rows = [row for i in instances if (row := self._roster.get(i)) is not None]
        self._herald.forget(instances)
        for row in rows:
            self._roster.end(row.instance, InstanceState.TERMINATED, why)
        self._terminate(rows)

    def _terminate(self, rows: Sequence[Row]) -> None:
        # What is still being submitted has no handle yet, and is ended when it has.
        self._platform.terminate([row for row in rows if row.has_handle])

    def _kick(self) -> None:
        self.kick()


def _reap_at(row: Row, now: float) -> float:
    if row.left_at is None:
        row.left_at = now
    return row.left_at + (0.0 if row.state is InstanceState.LOST else _REAP_SECONDS)


def _in_words(report: JobReport) -> str:
    return f"{report.state.value}: {report.reason}" if report.reason else report.state.value


def _do_nothing() -> None:
    pass
