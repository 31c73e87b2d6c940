"""The user's scaling thread in virtual time: it has crew's fleet looked at, now and then."""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from crew_core._controller.brakes import Brakes
from crew_core._controller.budget import Budget
from crew_core._controller.fleet import Fleet
from crew_core._controller.roster import Row
from crew_core._controller.throttle import Burst, Throttle
from crew_core._launcher.base import Launcher
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._model.errors import CrewError
from crew_core._model.options import ScalingOptions
from crew_core._model.states import InstanceState
from simulator.platform import VirtualPlatform
from simulator.worker import LIFE, SECRET
from simulator.world import Process, World

if TYPE_CHECKING:
    from simulator.user import User

_REACTION = (0.00005, 0.001)
_LAUNCHES_SETTLE = 5  # seconds


class _Launcher(Launcher):
    seconds_launch_default: ClassVar[float] = 30.0

    def launch(self, request: LaunchRequest) -> list[Any]:
        raise NotImplementedError


class Scaler(Process):
    """As the autoscaler's thread, which gathers bursts and has the fleet looked at.

    Args:
        world: where it lives.
        user: whose it is.
        platform: where workers are launched.

    Attributes:
        budget: one of the things that keep it from launching.
    """

    def __init__(self, world: World, user: User, platform: VirtualPlatform) -> None:
        super().__init__(world, "scaler", _REACTION)
        scenario = user.scenario
        self.enabled = True
        self._user = user
        self._platform = platform
        self._options = ScalingOptions(
            workers=scenario.workers,
            seconds_interval=scenario.seconds_interval,
            seconds_launch=scenario.seconds_launch,
            launch_max=scenario.launch_max,
            pending_max=scenario.pending_max,
        )
        tasks_max = scenario.settings.tasks_max
        throttle = Throttle(
            scenario.seconds_interval, tasks_max < float("inf"), lambda: scenario.gathers
        )
        self._throttle = throttle
        roster = user.roster
        self._additions = deque(scenario.budgets)
        hours = self._next_hours()
        used, working = roster.seconds_used, roster.working
        self.budget = Budget("simulated", hours, used, working, user.employ, self._on_used_up)
        self._fleet = Fleet(
            controller="simulated",
            platform=platform,
            launcher=_Launcher(),
            herald=user,
            roster=roster,
            options=self._options,
            demand=lambda: user.book.unfinished,
            make_worker=self._make_worker,
            brakes=Brakes(user.failures, self.budget, throttle),
            escalation=user.escalation,
        )
        self._fleet.kick = self.kick
        self._burst: Burst | None = None
        self._kicked = False

    def kick(self) -> None:
        if not self._kicked:
            self._kicked = True
            self.wake()

    def wants_kick(self) -> bool:
        return self._user.roster.supply() < self._options.workers

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        self._fleet.note_futile(row, why, permanent=permanent)

    def die(self) -> None:
        """Nobody looks at the fleet any more."""
        self._fleet.closing = self.ended = True
        self._platform.withdraw()

    def stop(self) -> None:
        """As a session does at its end, which also waits for launches that are under way."""
        self.die()
        self._end_jobs(_LAUNCHES_SETTLE)

    def _end_jobs(self, times: int) -> None:
        roster = self._user.roster
        for row in roster.with_jobs():
            roster.end(row.instance, InstanceState.TERMINATED, "terminated")
        self._platform.terminate(roster.with_jobs())
        if times:
            self.world.after(1.0, partial(self._end_jobs, times - 1))

    def turn(self) -> float:
        if self._burst is None:
            self._burst = Burst(self._throttle, self.clock())
        elif self._kicked:
            self._burst.note_push(self.clock())
        self._kicked = False
        if self._is_short():
            left = self._burst.seconds_left(self.clock(), full=self._fleet.is_full)
            left = min(left, self.budget.seconds_left())
            if left > 0:
                return self.clock() + left
        self._burst = None
        try:
            self._fleet.round(self.clock(), launch=self.enabled)
        except CrewError as error:
            self.world.tell(self.name, f"fails: {error}")
        left = self.budget.seconds_left()
        left = min(left, max(0.0, self._user.roster.replace_at - self.clock()))
        if not self._fleet.is_settled or self._is_short():
            left = min(left, self._options.seconds_interval)
        return self.clock() + left

    def _on_used_up(self) -> None:
        self.world.tell(self.name, "has used up its budget")
        self.world.after(self._user.scenario.budget_pause, self._allow_more)

    def _allow_more(self) -> None:
        if not self.ended:
            self.world.tell(self.name, "may use more")
            self.budget.change(self.budget.hours_used + self._next_hours())
            self.kick()

    def _make_worker(self, row: Row, secret: str) -> WorkerLaunch:
        return WorkerLaunch(
            worker=row.worker,
            instance=row.instance,
            name=row.instance,
            argv=("crew",),
            env={SECRET: secret, LIFE: str(self._user.scenario.lives[row.step])},
            step=row.step,
        )

    def _next_hours(self) -> float:
        return self._additions.popleft() / 3600 if self._additions else math.inf

    def _is_short(self) -> bool:
        return self.enabled and self._fleet.is_short
