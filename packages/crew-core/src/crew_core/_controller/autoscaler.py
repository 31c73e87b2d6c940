"""The thread that has the fleet looked at, and gathers a burst of pushes into one launch.

::

    push, worker gone, platform's news ──► kick ──► Fleet: look ─► plan (pure) ─► launch / cancel
                                                      ▲                               │
                                                      │ every seconds_interval while  ▼
                                                      └─ something is on its way   Platform

It sleeps while every worker that is wanted is there, and then wakes only when it is kicked.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from crew_core._client.client import Client
from crew_core._controller.brakes import Brakes
from crew_core._controller.escalation import Escalation
from crew_core._controller.fleet import Fleet
from crew_core._controller.platform import Platform
from crew_core._controller.roster import Roster, Row
from crew_core._controller.throttle import Burst
from crew_core._launcher.base import Launcher
from crew_core._launcher.request import WorkerLaunch
from crew_core._model.errors import CrewError
from crew_core._model.options import ScalingOptions
from crew_core._model.states import InstanceState

log = logging.getLogger("crew")

_CLOSE_SECONDS = 30.0
_HEED_SECONDS = 1.0  # whoever gathers heeds a budget that has changed
_WAIT_SECONDS_MAX = 86_400.0


class Autoscaler:
    """Drives the fleet of one run of a controller.

    Args:
        controller: the controller's name.
        platform: starts workers and ends them.
        launcher: says how long a worker may take to connect.
        client: knows the dispatcher.
        roster: what was launched.
        options: limits and intervals.
        demand: tasks that have not ended.
        make_worker: turns a reserved row and its secret into what the launcher is given.
        brakes: how long launches wait for others, what is tried again, and what stops them.
        escalation: which step of the launcher's ladder is launched.
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
        brakes: Brakes,
        escalation: Escalation,
    ) -> None:
        self._controller = controller
        self._platform = platform
        self._escalation = escalation
        self._roster = roster
        self._options = options
        self._brakes = brakes
        self._fleet = Fleet(
            controller=controller,
            platform=platform,
            launcher=launcher,
            herald=client,
            roster=roster,
            options=options,
            demand=demand,
            make_worker=make_worker,
            brakes=brakes,
            escalation=escalation,
        )
        self._fleet.kick = self.kick
        self._lock = threading.Lock()  # one launch or look at a time
        self._kicked = threading.Event()
        self._closing = threading.Event()
        self.enabled = True
        # Before there is a task: one that is pushed without scaling must not be found by chance.
        first = self._patience()
        self._thread = threading.Thread(
            target=self._run, args=(first,), name="crew-scale", daemon=True
        )
        self._thread.start()

    # ── From any thread ────────────────────────────────────────────────────────────────────────

    def kick(self) -> None:
        """Look soon. Cheap when there is nothing to be gained by it."""
        if not self._kicked.is_set():
            self._kicked.set()

    def wants_kick(self) -> bool:
        """True when one more task could mean one more worker."""
        return self._roster.supply() < self._options.workers or self._escalation.any_needs

    def launch(self, count: int, *, manual: bool) -> None:
        """Launch workers now; where the platform blocks, wait until it has taken them.

        Raises:
            LaunchError: it has not; or the budget is used up.
        """
        with self._lock:
            if (error := self._brakes.budget.error) is not None:
                raise error
            if not self._closing.is_set():
                self._fleet.launch(count, manual=manual)
                self.kick()  # somebody is to see whether they come

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
            self._fleet.look(now)
            self._fleet.look_at_budget()
            if (error := self._brakes.error) is not None:
                raise error
            return self._fleet.act(now, throttle=throttle)

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """A launch brought nothing."""
        self._fleet.note_futile(row, why, permanent=permanent)

    def close(self) -> None:
        """Launch nothing any more, and wait for the thread to see that."""
        self._fleet.closing = True
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

    def _run(self, patience: float | None) -> None:
        while not self._closing.is_set():
            self._kicked.wait(patience)
            self._kicked.clear()
            self._gather()
            try:
                self._look_and_act()
            except CrewError:
                # Launch errors are in ``errors``; a dispatcher that died is told by its own thread.
                log.debug("scaling failed", exc_info=True)
            except Exception:  # without this thread tasks would wait for ever
                log.exception(
                    "looking after the workers of %r failed, and is tried again", self._controller
                )
            patience = self._patience()

    def _gather(self) -> None:
        """Let a burst of pushes become one launch."""
        burst = Burst(self._brakes.throttle, time.monotonic())
        while not self._closing.is_set() and self._is_short():
            full = self._fleet.is_full
            left = burst.seconds_left(time.monotonic(), full=full)
            left = min(left, self._brakes.budget.seconds_left())
            if left == 0:
                return
            # A kick for each of many pushes would cost them time, and change nothing when full.
            if (self._closing if full else self._kicked).wait(min(left, _HEED_SECONDS)):
                self._kicked.clear()
                burst.note_push(time.monotonic())

    def _look_and_act(self) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            self._fleet.round(time.monotonic(), launch=self.enabled)

    def _patience(self) -> float | None:
        # A thread cannot wait for ever and a day.
        left = min(self._brakes.budget.seconds_left(), _WAIT_SECONDS_MAX)
        left = min(left, max(0.0, self._roster.replace_at - time.monotonic()))
        if not self._fleet.is_settled or self._is_short():
            left = min(left, self._options.seconds_interval)
        return None if left == _WAIT_SECONDS_MAX else left

    def _is_short(self) -> bool:
        """True when workers are missing and may be launched without being asked for."""
        return self.enabled and self._fleet.is_short

    def _settle(self) -> None:
        if not self._platform.settle(_CLOSE_SECONDS):
            log.warning("the platform did not answer within %g s of the end", _CLOSE_SECONDS)
