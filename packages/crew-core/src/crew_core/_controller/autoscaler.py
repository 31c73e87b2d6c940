"""The thread that launches workers, watches over launches, and gives up on futile ones.

::

    push, worker gone, platform's news ──► kick ──► step: look ─► plan (pure) ─► launch / cancel
                                                      ▲                               │
                                                      │ every seconds_interval while  ▼
                                                      └─ something is on its way   Platform

It sleeps while every worker that is wanted is there, and then wakes only when it is kicked. What
the platform answers comes at once, or from a launch daemon some time later.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from crew_core._client.client import Client
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.platform import Platform
from crew_core._controller.roster import Roster, Row
from crew_core._controller.scaling import Snapshot, plan
from crew_core._controller.throttle import Throttle
from crew_core._launcher.base import Launcher, WorkerLaunch
from crew_core._model.errors import CrewError, LaunchError
from crew_core._model.names import token
from crew_core._model.options import ScalingOptions
from crew_core._model.states import InstanceState
from crew_core._plugins.registry import notify
from crew_core._wire import capped_log, messages

log = logging.getLogger("crew")

_REAP_SECONDS = 10.0  # a worker that has left us should be over for its platform by then
_CLOSE_SECONDS = 30.0
_TAIL = 2000


class Autoscaler:
    """Owns the workers of one run of a controller.

    Args:
        controller: the controller's name.
        platform: starts workers and ends them.
        launcher: says how long a worker may take to connect.
        client: knows the dispatcher.
        roster: what was launched.
        options: limits and intervals.
        demand: tasks that have not ended.
        make_worker: turns a reserved row and its secret into what the launcher is given.
        failures: what is tried again, and what stops launching.
        throttle: how long launches wait for others.
    """

    def __init__(
        self,
        *,
        controller: str,
        platform: Platform,
        launcher: Launcher,
        client: Client,
        roster: Roster,
        options: ScalingOptions,
        demand: Callable[[], int],
        make_worker: Callable[[Row, str], WorkerLaunch],
        failures: LaunchFailures,
        throttle: Throttle,
    ) -> None:
        self._controller = controller
        self._platform = platform
        self._launcher = launcher
        self._client = client
        self._roster = roster
        self._options = options
        self._demand = demand
        self._make_worker = make_worker
        self._failures = failures
        self._throttle = throttle
        self._lock = threading.Lock()  # one launch or look at a time
        self._kicked = threading.Event()
        self._closing = threading.Event()
        self._superfluous_since: float | None = None
        self._explained: set[str] = set()  # futile launches whose logs are being fetched
        self.enabled = True
        self._thread = threading.Thread(target=self._run, name="crew-scale", daemon=True)
        self._thread.start()

    # ── From any thread ────────────────────────────────────────────────────────────────────────

    def kick(self) -> None:
        """Look soon. Cheap when there is nothing to be gained by it."""
        if not self._kicked.is_set():
            self._kicked.set()

    def wants_kick(self) -> bool:
        """True when one more task could mean one more worker."""
        return self._roster.supply() < self._options.workers

    def launch(self, count: int, *, manual: bool) -> None:
        """Launch workers now; where the platform blocks, wait until it has taken them.

        Raises:
            LaunchError: it has not.
        """
        with self._lock:
            if not self._closing.is_set():
                self._launch(count, manual=manual)

    def step(self, *, throttle: bool) -> bool:
        """One look and what follows from it. True when workers were launched.

        Args:
            throttle: launch nothing when it is not long since workers were launched.

        Raises:
            LaunchError: the platform refused, now or before, so that launching has stopped.
        """
        with self._lock:
            if self._closing.is_set():
                return False
            now = time.monotonic()
            self._look_at_launches(now)
            if self._failures.error is not None:
                raise self._failures.error
            return self._act(now, throttle=throttle)

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """A launch brought nothing."""
        text = capped_log.read_log(row.log) if row.log is not None else None
        if text or not row.has_handle:
            self._note_futile(row, why, permanent, text or "")
        else:
            self._explained.add(row.instance)
            self._platform.logs(row, partial(self._note_futile, row, why, permanent))

    def close(self) -> None:
        """Launch nothing any more, and wait for the thread to see that."""
        self._closing.set()
        self._kicked.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=_CLOSE_SECONDS)
        self._platform.withdraw()

    def end_jobs(self) -> None:
        """End every job that may still be there. Blocks as long as the launcher does."""
        self._settle()  # what is being launched is to be ended, too
        for row in self._roster.with_jobs():
            self._roster.end(row.instance, InstanceState.TERMINATED, "terminated")
        for _ in range(2):  # a launch daemon may die of the first
            self._platform.terminate(self._roster.with_jobs())
            self._settle()
        self._platform.close()

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self._platform.abandon()

    # ── The thread ─────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._closing.is_set():
            self._kicked.wait(self._patience())
            self._kicked.clear()
            self._gather()
            try:
                self._look_and_act()
            except CrewError:
                # Launch errors are in ``errors``; a dispatcher that died is told by its own thread.
                log.debug("scaling failed", exc_info=True)

    def _gather(self) -> None:
        """Let a burst of pushes become one launch."""
        began = pushed = now = time.monotonic()
        while not self._closing.is_set() and self._is_short():
            full = self._demand() >= self._options.workers
            left = self._throttle.seconds_left(now, began=began, pushed=pushed, full=full)
            if left == 0:
                return
            # A kick for each of many pushes would cost them time, and change nothing when full.
            heard = (self._closing if full else self._kicked).wait(left)
            now = time.monotonic()
            if heard:
                self._kicked.clear()
                pushed = now

    def _look_and_act(self) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            now = time.monotonic()
            self._look_at_launches(now)
            self._look_at_cut()
            if self.enabled and self._failures.error is None:
                self._act(now, throttle=True)
            self._reap(now)  # last: ending a worker may take seconds

    def _patience(self) -> float | None:
        roster = self._roster
        settled = not (roster.coming() or roster.cut() or roster.unreaped() or self._is_short())
        return None if settled else self._options.seconds_interval

    def _is_short(self) -> bool:
        """True when workers are missing and may be launched without being asked for."""
        if not self.enabled or self._failures.error is not None:
            return False
        return min(self._options.workers, self._demand()) > self._roster.supply()

    def _act(self, now: float, *, throttle: bool) -> bool:
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
        decision = plan(snapshot, self._options.workers, now)
        if decision.cancel:
            self._cancel(decision.cancel)
        held = self._explained or (throttle and self._throttle.closed_for(now))
        if decision.launch and not held:
            log.debug("launching %d: %s", decision.launch, decision.reason)
            self._throttle.note_launch(now)
            self._launch(decision.launch, manual=False)
            return True
        return False

    def _superfluous(self, coming: int, now: float) -> float | None:
        wanted = min(self._options.workers, self._demand())
        if coming == 0 or coming + self._roster.online() <= wanted:
            self._superfluous_since = None
        elif self._superfluous_since is None:
            self._superfluous_since = now
        return self._superfluous_since

    # ── Launching ──────────────────────────────────────────────────────────────────────────────

    def _launch(self, count: int, *, manual: bool) -> None:
        rows = self._roster.reserve(count, manual=manual)
        try:
            workers = self._announce(rows)
            self._platform.launch(rows, workers, partial(self._launched, rows))
        except BaseException as error:  # Ctrl-C too: nobody would ever give up on these rows
            self._launch_failed(rows, rows, error)
            raise

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
        if isinstance(error, LaunchError) and not self._closing.is_set():
            self._failures.note(error, launch)
        self._client.forget([row.instance for row in rows])

    def _announce(self, rows: Sequence[Row]) -> tuple[WorkerLaunch, ...]:
        workers, expected = [], []
        for row in rows:
            secret = token(32)
            workers.append(self._make_worker(row, secret))
            digest = hashlib.sha256(secret.encode()).digest()
            expected.append(messages.ExpectedWorker(row.instance, row.worker, digest))
        self._client.expect(expected)
        return tuple(workers)

    # ── Watching ───────────────────────────────────────────────────────────────────────────────

    def _look_at_launches(self, now: float) -> None:
        coming = self._roster.coming()
        submitted = [row for row in coming if row.has_handle]
        for row, state in zip(submitted, self._platform.states(submitted), strict=True):
            if state.final and row.state.coming:
                row.job_over = True
                self._give_up(row, f"ended before it connected ({state.value})")
        limit = self._options.seconds_launch or self._launcher.seconds_launch_default
        for row in coming:
            if now - row.launched_at > limit and row.state.coming:
                self._give_up(row, f"did not connect within seconds_launch={limit:g}")

    def _look_at_cut(self) -> None:
        """A broken connection may be the network's, or a death; the platform may know which."""
        cut = self._roster.cut()
        over = [row for row, s in zip(cut, self._platform.states(cut), strict=True) if s.final]
        for row in over:
            row.cut, row.job_over = False, True
        if over:
            self._client.tell_over([row.instance for row in over])

    def _give_up(self, row: Row, why: str) -> None:
        if self._roster.end(row.instance, InstanceState.LAUNCH_FAILED, why) is None:
            return
        self._client.forget([row.instance])
        if not row.job_over:
            self._terminate([row])
        self.note_futile(row, why)

    def _reap(self, now: float) -> None:
        over = self._roster.unreaped()
        for row, state in zip(over, self._platform.states(over), strict=True):
            if state.final:
                row.job_over = True
        # What has not ended by itself, or cannot be asked, is told to; the lost ones at once.
        late = [r for r in over if not r.job_over and now >= _reap_at(r, now)]
        self._terminate(late)

    def _cancel(self, instances: Sequence[str]) -> None:
        rows = [row for i in instances if (row := self._roster.get(i)) is not None]
        self._client.forget(instances)
        for row in rows:
            self._roster.end(row.instance, InstanceState.TERMINATED, "no longer needed")
        self._terminate(rows)

    def _terminate(self, rows: Sequence[Row]) -> None:
        # What is still being submitted has no handle yet, and is ended when it has.
        self._platform.terminate([row for row in rows if row.has_handle])

    def _settle(self) -> None:
        if not self._platform.settle(_CLOSE_SECONDS):
            log.warning("the platform did not answer within %g s of the end", _CLOSE_SECONDS)

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
