"""The workers of one run: looked at, launched, given up and ended, as planned. No thread, no clock.

Whoever drives it says what time it is: the autoscaler's thread does, and so does a simulator. What
the platform answers comes at once, or from a launch daemon some time later, on any thread.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from crew_core._controller.brakes import Brakes
from crew_core._controller.platform import Platform
from crew_core._controller.roster import Roster, Row
from crew_core._controller.scaling import Snapshot, plan
from crew_core._launcher.base import Launcher, WorkerLaunch
from crew_core._launcher.guarded import forget_variables
from crew_core._launcher.shortage import is_shortage
from crew_core._model.errors import LaunchError
from crew_core._model.names import token
from crew_core._model.options import ScalingOptions
from crew_core._model.states import InstanceState, JobState
from crew_core._plugins.registry import notify
from crew_core._wire import capped_log, messages

log = logging.getLogger("crew")

_REAP_SECONDS = 10.0  # a worker that has left us should be over for its platform by then
_TAIL = 2000


class Herald(Protocol):
    """Tells the dispatcher whom to let in: the client, as far as it concerns launches."""

    def expect(self, workers: list[messages.ExpectedWorker]) -> None:
        """Announce workers: they are not launched before the dispatcher would let them in."""

    def forget(self, instances: Sequence[str]) -> None:
        """Refuse these workers, should they come after all."""

    def tell_over(self, instances: Sequence[str]) -> None:
        """The platform says that these workers have ended."""


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
    ) -> None:
        self.kick: Callable[[], None] = _do_nothing
        self.closing = False
        self._controller = controller
        self._platform = platform
        self._launcher = launcher
        self._herald = herald
        self._roster = roster
        self._options = options
        self._demand = demand
        self._make_worker = make_worker
        self._brakes = brakes
        self._failures, self._budget, self._throttle = brakes
        self._superfluous_since: float | None = None
        self._explained: set[str] = set()  # futile launches whose logs are being fetched

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
        return min(self._options.workers, self._demand()) > self._roster.supply()

    @property
    def is_settled(self) -> bool:
        """True when nothing changes unless somebody says so."""
        roster = self._roster
        return not (roster.coming() or roster.cut() or roster.unreaped())

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
        self.look_at_cut()
        self.look_at_budget()
        if launch and self._brakes.error is None:
            self.act(now, throttle=True)
        self.reap(now)  # last: ending a worker may take seconds

    def look(self, now: float) -> None:
        """Ask the platform about launches, and give up those that ended or take too long."""
        coming = self._roster.coming()
        submitted = [row for row in coming if row.has_handle]
        for row, state in zip(submitted, self._platform.states(submitted), strict=True):
            if state is JobState.RUNNING:
                self._roster.note_running(row)
            if state.final and row.state.coming:
                row.job_over = True
                self._give_up(row, f"ended before it connected ({state.value})")
        limit = self._options.seconds_launch or self._launcher.seconds_launch_default
        for row in coming:
            if now - row.launched_at > limit and row.state.coming:
                self._give_up(row, f"did not connect within seconds_launch={limit:g}")

    def look_at_budget(self) -> None:
        """Once it is used up nobody comes any more."""
        if self._budget.look():
            self._cancel([row.instance for row in self._roster.coming()], "budget")

    def look_at_cut(self) -> None:
        """A broken connection may be the network's, or a death; the platform may know which."""
        cut = self._roster.cut()
        over = [row for row, s in zip(cut, self._platform.states(cut), strict=True) if s.final]
        for row in over:
            row.cut, row.job_over = False, True
        if over:
            self._herald.tell_over([row.instance for row in over])

    def reap(self, now: float) -> None:
        """End the jobs of those who are over for us and do not end by themselves."""
        over = self._roster.unreaped()
        for row, state in zip(over, self._platform.states(over), strict=True):
            if state.final:
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
        coming = self._roster.coming()
        snapshot = Snapshot(
            demand=self._demand(),
            online=self._roster.online(),
            coming=[row.instance for row in coming],
            cancellable=[row.instance for row in coming if not row.manual],
            superfluous_since=self._superfluous(len(coming), now),
            failures=self._failures.in_a_row,
            failed_at=self._failures.failed_at,
            jitter=self._failures.jitter,
        )
        decision = plan(snapshot, self._options.workers, now, self._options.pending_max)
        if decision.cancel:
            self._cancel(decision.cancel)
        held = self._explained or (throttle and self._throttle.closed_for(now))
        if decision.launch and not held:
            log.debug("launching %d: %s", decision.launch, decision.reason)
            self._throttle.note_launch(now)
            self.launch(decision.launch, manual=False)
            return True
        return False

    def launch(self, count: int, *, manual: bool) -> None:
        """Launch workers now; where the platform blocks, wait until it has taken them.

        Raises:
            LaunchError: it has not.
        """
        rows = self._roster.reserve(count, manual=manual)
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
            self._launch_failed(rows, rows, error)
            raise

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """A launch brought nothing."""
        text = _read_log(row)
        if text or not row.has_handle:
            self._note_futile(row, why, permanent, text)
        else:
            self._explained.add(row.instance)
            self._platform.logs(row, partial(self._note_futile, row, why, permanent))

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
        unwanted = []
        for row, (handle, job) in zip(rows, outcome, strict=True):
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

    def _launch_failed(self, launch: object, rows: Sequence[Row], error: BaseException) -> None:
        for row in rows:
            self._roster.end(row.instance, InstanceState.LAUNCH_FAILED, str(error))
        if isinstance(error, LaunchError) and not self.closing:
            self._failures.note(error, launch)
        self._herald.forget([row.instance for row in rows])

    def _announce(self, rows: Sequence[Row]) -> tuple[WorkerLaunch, ...]:
        made = [self._make(row) for row in rows]
        self._herald.expect([expected for _, expected in made])
        return tuple(worker for worker, _ in made)

    def _make(self, row: Row) -> tuple[WorkerLaunch, messages.ExpectedWorker]:
        # Not where something may go wrong: tools that report errors show the variables there.
        secret = token(32)
        digest = hashlib.sha256(secret.encode()).digest()
        expected = messages.ExpectedWorker(row.instance, row.worker, digest)
        return self._make_worker(row, secret), expected

    # ── Giving up ──────────────────────────────────────────────────────────────────────────────

    def _give_up(self, row: Row, why: str) -> None:
        if self._roster.end(row.instance, InstanceState.LAUNCH_FAILED, why) is None:
            return
        self._herald.forget([row.instance])
        if not row.job_over:
            self._terminate([row])
        self.note_futile(row, why)

    def _superfluous(self, coming: int, now: float) -> float | None:
        wanted = min(self._options.workers, self._demand())
        if coming == 0 or coming + self._roster.online() <= wanted:
            self._superfluous_since = None
        elif self._superfluous_since is None:
            self._superfluous_since = now
        return self._superfluous_since

    def _cancel(self, instances: Sequence[str], why: str = "no longer needed") -> None:
        rows = [row for i in instances if (row := self._roster.get(i)) is not None]
        self._herald.forget(instances)
        for row in rows:
            self._roster.end(row.instance, InstanceState.TERMINATED, why)
        self._terminate(rows)

    def _terminate(self, rows: Sequence[Row]) -> None:
        # What is still being submitted has no handle yet, and is ended when it has.
        self._platform.terminate([row for row in rows if row.has_handle])

    def _note_futile(self, row: Row, why: str, permanent: bool, text: str) -> None:
        tail = text[-_TAIL:].strip()
        message = (
            f"worker {row.worker} of controller {self._controller!r} (job {row.job}) {why}. "
            + (f"Its log {row.log} ends:\n{tail}" if tail else "It left no log.")
        )
        self._failures.note(LaunchError(message, transient=not permanent, log_tail=tail))
        self._explained.discard(row.instance)
        self.kick()


def _reap_at(row: Row, now: float) -> float:
    if row.left_at is None:
        row.left_at = now
    return row.left_at + (0.0 if row.state is InstanceState.LOST else _REAP_SECONDS)


def _read_log(row: Row) -> str:
    """What the worker wrote; nothing when it left no log, or it cannot be read just now."""
    if row.log is None:
        return ""
    try:
        return capped_log.read_log(row.log)
    except OSError:  # what there is to tell about the launch matters more
        return ""


def _do_nothing() -> None:
    pass
