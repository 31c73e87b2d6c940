"""One run of one scenario, from the first push to the last process' end."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from crew_core._launcher.request import WorkerLaunch
from crew_core._wire import messages
from simulator.checks import Checks
from simulator.dispatcher import Dispatcher
from simulator.faults import Faults
from simulator.listener import Network
from simulator.platform import VirtualPlatform
from simulator.scaler import Scaler
from simulator.scenario import Scenario, draw
from simulator.socket_pair import socket_pair
from simulator.user import User
from simulator.witness import Violation, Witness
from simulator.worker import VirtualWorker
from simulator.world import World

_SOCKET_SECONDS = 0.00002
_RECONNECT_SECONDS = 10.0
_STALLED_SECONDS = 300.0
"""Without faults some task has ended by then, if any is left: longer than the longest back-off."""

_SETTLE_SECONDS = 1.0
_GONE_SECONDS = 60.0
_ALONE_SECONDS = 150.0
"""A worker that starts late, or is frozen, is gone by then."""

_EVENTS_MAX = 20_000_000


@dataclass
class Report:
    """What became of a run.

    Attributes:
        failure: what was wrong; None: nothing.
        events: how many things happened.
        seconds: how long it took in virtual time.
        fates: how many tasks ended how.
    """

    seed: int
    failure: BaseException | None = None
    events: int = 0
    seconds: float = 0.0
    launches: int = 0
    fates: dict[str, int] = field(default_factory=dict)


def run_seed(seed: int, trace: Callable[[str], None] | None = None) -> Report:
    """Run the scenario of a seed."""
    return run(seed, draw(seed), trace)


def run(seed: int, scenario: Scenario, trace: Callable[[str], None] | None = None) -> Report:
    """Run a scenario; its report says what was wrong."""
    world = World(seed, trace)
    report = Report(seed)
    with _quiet():
        simulation = Simulation(world, scenario)
        try:
            simulation.play()
        except Exception as error:  # noqa: BLE001 - whatever crew raises is what we look for
            report.failure = error
    report.events = world.events
    report.seconds = world.now - 1000.0
    report.launches = len(simulation.platform.jobs)
    report.fates = dict(simulation.witness.fates)
    return report


class Simulation:
    """All parts of one run, put together.

    Args:
        world: where it happens.
        scenario: what happens.
    """

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._scenario = scenario
        self._next_check = world.now
        self._settled = False
        self._launched_at = -1.0
        ours, theirs = socket_pair(world, _SOCKET_SECONDS)
        reconnect = 0.0 if scenario.is_local else _RECONNECT_SECONDS
        self._faults = Faults(world, scenario)
        self._dispatcher = Dispatcher(world, theirs, reconnect)
        self.witness = Witness(
            world,
            sum(push.count for push in scenario.pushes),
            self._is_lost,
            self._due_warm_ups,
            self._faults.at_task,
        )
        self._dispatcher.loop.on_gone = self.witness.worker_gone
        self._network = Network(
            world, self._dispatcher.listener, scenario.wire_seconds, scenario.doubled
        )
        self._user = User(world, scenario, ours, self.witness)
        self.platform = VirtualPlatform(
            world, scenario, self._start_worker, lambda: self._user.asked, self._may_launch
        )
        self._user.on_expected = self.platform.release
        self._user.scaler = Scaler(world, self._user, self.platform)
        self._checks = Checks(self._dispatcher, self._user, self.platform, self.witness)
        self._first_warm_ups = {
            messages.WARM_UP_IDS + i for i, at in enumerate(scenario.warm_ups) if at == 0.0
        }

    def play(self) -> None:
        """Let it happen.

        Raises:
            Violation: what never may be was, or what must be never was.
        """
        world, scenario, user = self._world, self._scenario, self._user
        user.begin()
        self._faults.begin(self.witness, self._dispatcher, user)
        world.after(scenario.seconds_faults, self._stop_faults)
        if scenario.client_dies_at is not None:
            world.after(scenario.client_dies_at, self._kill_client)
        self._until(lambda: user.ended or not user.left_to_push, _STALLED_SECONDS)
        while self.witness.recorded < user.pushed and not user.ended:
            quiet_since = max(self.witness.progress_at, 1000.0 + scenario.seconds_faults)
            if world.now > quiet_since + _STALLED_SECONDS or world.events > _EVENTS_MAX:
                left = user.pushed - self.witness.recorded
                raise Violation(f"{left} tasks never end")
            self._step()
        self._stop_faults()
        if user.ended:
            self._pass(_ALONE_SECONDS)
            self._checks.all_left()
        else:
            self._settled = True
            self._until(self._all_move, _STALLED_SECONDS)
            self._pass(_SETTLE_SECONDS)
            self._checks.all_done()
            self._leave()
            self._checks.all_gone()

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _leave(self) -> None:
        """As a controller ends."""
        self._user.scaler.stop()
        self._user.post(messages.Stop())
        until = self._world.now + _GONE_SECONDS
        while self._world.now < until and not (
            self._dispatcher.ended and not self.witness.alive and not self.platform.live
        ):
            self._step()

    def _kill_client(self) -> None:
        """The user's program dies, unless it is about to end anyhow."""
        if not self._settled:
            self._world.tell("user", "dies")
            self._user.die()

    def _until(self, is_so: Callable[[], bool], seconds: float) -> None:
        until = self._world.now + seconds
        while not is_so() and self._world.now < until:
            self._step()

    def _all_move(self) -> bool:
        workers = self.witness.alive.values()
        return not (self._dispatcher.frozen or any(worker.frozen for worker in workers))

    def _pass(self, seconds: float) -> None:
        self._until(lambda: False, seconds)

    def _step(self) -> None:
        if not self._world.step():
            raise Violation("nothing will ever happen again")
        self._check()

    def _stop_faults(self) -> None:
        self._faults.stop()
        self.platform.mishaps = False

    def _check(self) -> None:
        if self._dispatcher.state is None or self._dispatcher.ended:
            return
        self._checks.figures()
        if self._world.now >= self._next_check:
            self._next_check = self._world.now + self._scenario.check_every
            self._checks.everything()

    def _start_worker(self, launch: WorkerLaunch, name: str) -> VirtualWorker:
        worker = VirtualWorker(
            self._world,
            name,
            launch,
            self._network,
            self.witness,
            is_local=self._scenario.is_local,
        )
        self.witness.worker_starts(worker)
        self._faults.note_start(worker)
        return worker

    def _may_launch(self) -> None:
        failures, budget = self._user.failures, self._user.scaler.budget
        if failures.error is not None or budget.error is not None:
            raise Violation(f"workers are launched although {failures.error or budget.error}")
        scenario, now = self._scenario, self._user.scaler.clock()
        are_short_lived = scenario.settings.tasks_max < float("inf") and not scenario.gathers
        is_one_more_step = now == self._launched_at and len(scenario.lives) > 1
        too_soon = now < self._launched_at + scenario.seconds_interval
        if too_soon and not are_short_lived and not is_one_more_step:
            raise Violation(f"a launch comes {now - self._launched_at:g} s after another")
        self._launched_at = now

    def _is_lost(self, instance: str) -> bool:
        """True when the dispatcher has given an instance up."""
        found = self._dispatcher.state._instances.get(instance)
        return found is None or found.state.final

    def _due_warm_ups(self) -> set[int]:
        if not self._first_warm_ups:
            return self._first_warm_ups
        return {i for i in self._first_warm_ups if i in self._dispatcher.state._warm_ups._known}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nobody reads the warnings of a thousand crews."""
    log = logging.getLogger("crew")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        log.setLevel(before)
