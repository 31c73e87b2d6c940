"""The thread that launches workers, watches over launches, and gives up on futile ones.

::

    push, worker gone, platform's news ──► kick ──► step: look ─► plan (pure) ─► launch / cancel
                                                      ▲              every seconds_interval while
                                                      └────────────  something is on its way

It sleeps while every worker that is wanted is there, and then wakes only when it is kicked.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence

from crew_core._client.client import Client
from crew_core._controller.platform import Platform
from crew_core._controller.roster import Roster, Row
from crew_core._controller.scaling import Snapshot, plan
from crew_core._launcher.base import Launcher, WorkerLaunch
from crew_core._model.errors import CrewError, LaunchError
from crew_core._model.options import ScalingOptions
from crew_core._model.states import InstanceState
from crew_core._plugins.registry import notify
from crew_core._wire import capped_log, messages

log = logging.getLogger("crew")

_REAP_SECONDS = 10.0  # a worker that has left us should be over for its platform by then
_TAIL = 2000


class Autoscaler:
    """Owns the workers of one run of a controller.

    Args:
        controller: the controller's name.
        launcher: the plugin that starts workers.
        client: knows the dispatcher.
        roster: what was launched.
        options: limits and intervals.
        demand: tasks that have not ended.
        make_worker: turns a reserved row and its secret into what the launcher is given.
        on_trouble: called when ``error`` appears, so that those who wait look again.
    """

    def __init__(
        self,
        *,
        controller: str,
        launcher: Launcher,
        client: Client,
        roster: Roster,
        options: ScalingOptions,
        demand: Callable[[], int],
        make_worker: Callable[[Row, str], WorkerLaunch],
        on_trouble: Callable[[], None],
    ) -> None:
        self._controller = controller
        self._platform = Platform(launcher, controller)
        self._client = client
        self._roster = roster
        self._options = options
        self._demand = demand
        self._make_worker = make_worker
        self._on_trouble = on_trouble
        self._lock = threading.Lock()  # one launch or look at a time
        self._kicked = threading.Event()
        self._closing = False
        self._superfluous_since: float | None = None
        self._failures = 0
        self._failed_at = 0.0
        self.enabled = True
        self.error: LaunchError | None = None
        self.errors: list[LaunchError] = []
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
        """Launch workers now and wait until the platform has taken them.

        Raises:
            LaunchError: it has not.
        """
        with self._lock:
            if not self._closing:
                self._launch(count, manual=manual)

    def step(self) -> bool:
        """One look and what follows from it. True when workers were launched.

        Raises:
            LaunchError: the platform refused.
        """
        with self._lock:
            if self._closing:
                return False
            now = time.monotonic()
            self._look_at_launches(now)
            return self._act(now)

    def reset(self) -> None:
        """Forget failures."""
        self.error = None
        self._failures = 0
        self.kick()

    def note_success(self) -> None:
        """A worker has done something: launching works."""
        if self._failures:
            self._failures = 0
            self.error = None

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """A launch brought nothing."""
        tail = self._log_tail(row)
        message = (
            f"worker {row.worker} of controller {self._controller!r} (job {row.job}) {why}. "
            + (f"Its log {row.log} ends:\n{tail}" if tail else "It left no log.")
        )
        self._note_failure(LaunchError(message, transient=not permanent, log_tail=tail))
        self.kick()

    def close(self) -> None:
        """Launch nothing any more, and wait for the thread to see that."""
        self._closing = True
        self._kicked.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=30.0)

    def end_jobs(self) -> None:
        """End every job that may still be there. Blocks as long as the launcher does."""
        rows = self._roster.with_jobs()
        for row in rows:
            self._roster.end(row.instance, InstanceState.TERMINATED, "terminated")
        self._terminate(rows)

    # ── The thread ─────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._closing:
            self._kicked.wait(self._patience())
            self._kicked.clear()
            try:
                self._look_and_act()
            except CrewError:
                # Launch errors are in ``errors``; a dispatcher that died is told by its own thread.
                log.debug("scaling failed", exc_info=True)

    def _look_and_act(self) -> None:
        with self._lock:
            if self._closing:
                return
            now = time.monotonic()
            self._look_at_launches(now)
            if self.enabled and self.error is None:
                self._act(now)
            self._reap(now)  # last: ending a worker may take seconds

    def _patience(self) -> float | None:
        wanted = min(self._options.workers, self._demand())
        settled = (
            not self._roster.coming()
            and not self._roster.unreaped()
            and (wanted <= self._roster.supply() or not self.enabled or self.error is not None)
        )
        return None if settled else self._options.seconds_interval

    def _act(self, now: float) -> bool:
        coming = self._roster.coming()
        snapshot = Snapshot(
            demand=self._demand(),
            online=self._roster.online(),
            coming=[row.instance for row in coming],
            cancellable=[row.instance for row in coming if not row.manual],
            superfluous_since=self._superfluous(len(coming), now),
            failures=self._failures,
            failed_at=self._failed_at,
        )
        decision = plan(snapshot, self._options.workers, now)
        if decision.cancel:
            self._cancel(decision.cancel)
        if decision.launch:
            log.debug("launching %d: %s", decision.launch, decision.reason)
            self._launch(decision.launch, manual=False)
        return decision.launch > 0

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
            handles = self._platform.launch(workers)
        except BaseException as error:  # Ctrl-C too: nobody would ever give up on these rows
            for row in rows:
                self._roster.end(row.instance, InstanceState.LAUNCH_FAILED, str(error))
            self._client.forget([row.instance for row in rows])
            if isinstance(error, LaunchError):
                self._note_failure(error)
            raise
        for row, handle in zip(rows, handles, strict=True):
            self._roster.launched(row, handle, self._platform.job(handle))
            notify(
                "crew_worker_launched",
                controller=self._controller,
                worker=row.worker,
                instance=row.instance,
                handle=handle,
            )

    def _announce(self, rows: Sequence[Row]) -> tuple[WorkerLaunch, ...]:
        workers, expected = [], []
        for row in rows:
            secret = secrets.token_urlsafe(32)
            workers.append(self._make_worker(row, secret))
            digest = hashlib.sha256(secret.encode()).digest()
            expected.append(messages.ExpectedWorker(row.instance, row.worker, digest))
        self._client.expect(expected)
        return tuple(workers)

    # ── Watching ───────────────────────────────────────────────────────────────────────────────

    def _look_at_launches(self, now: float) -> None:
        coming = [row for row in self._roster.coming() if row.has_handle]
        limit = self._options.seconds_launch or self._platform.seconds_launch
        for row, state in zip(coming, self._platform.states(coming), strict=True):
            if state.final and row.state.coming:
                row.job_over = True
                self._give_up(row, f"ended before it connected ({state.value})")
            elif now - row.launched_at > limit and row.state.coming:
                self._give_up(row, f"did not connect within seconds_launch={limit:g}")

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
        if not rows:
            return
        self._platform.terminate([row.handle for row in rows])
        for row in rows:  # not before: Ctrl-C may have struck, and the next call is to end them
            row.job_over = True

    # ── Failing ────────────────────────────────────────────────────────────────────────────────

    def _note_failure(self, error: LaunchError) -> None:
        self._failures += 1
        self._failed_at = time.monotonic()
        self.errors.append(error)
        del self.errors[:-100]
        log.warning("%s", error)
        if not error.transient or self._failures >= self._options.launch_max:
            self.error = self._final_error(error)
            self._on_trouble()

    def _final_error(self, error: LaunchError) -> LaunchError:
        if not error.transient:
            return error
        return LaunchError(
            f"{self._failures} launches in a row were futile (launch_max="
            f"{self._options.launch_max}), so launching has stopped. The last one: {error}\n"
            "Mend the cause, then call controller.launcher.reset(). Tasks stay queued.",
            argv=error.argv,
            returncode=error.returncode,
            stderr=error.stderr,
            log_tail=error.log_tail,
        )

    def _log_tail(self, row: Row) -> str:
        text = None
        if row.log is not None:
            text = capped_log.read_log(row.log)
        if not text and row.has_handle:
            text = self._platform.logs(row.handle)
        return (text or "")[-_TAIL:].strip()


def _reap_at(row: Row, now: float) -> float:
    if row.left_at is None:
        row.left_at = now
    return row.left_at + (0.0 if row.state is InstanceState.LOST else _REAP_SECONDS)
