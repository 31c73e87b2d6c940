"""What goes wrong while a run lasts, when, and to whom."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from random import Random

from simulator.dispatcher import Dispatcher
from simulator.scenario import Fault, Scenario
from simulator.user import User
from simulator.witness import Witness
from simulator.worker import VirtualWorker
from simulator.world import World

_AT_A_TASK = 0.03  # of the rate of what strikes at a task, for each task
_MOMENTS = {
    "before": Fault.KILL_BEFORE_TASK,
    "while": Fault.KILL_WHILE_TASK,
    "after": Fault.KILL_AFTER_TASK,
}
_RESET_HARM = 0.3  # seconds of silence that a reset is worth


class Faults:
    """Strikes at random, until it is told to stop.

    Args:
        world: what it strikes.
        scenario: how often.
    """

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._scenario = scenario
        self._random: Random = world.random("faults")
        self._on = bool(scenario.faults)
        self._frozen_until = 0.0  # the dispatcher
        self._witness: Witness | None = None
        self._dispatcher: Dispatcher | None = None
        self._user: User | None = None

    def begin(self, witness: Witness, dispatcher: Dispatcher, user: User) -> None:
        """Strike from now on."""
        self._witness, self._dispatcher, self._user = witness, dispatcher, user
        for fault in self._scenario.faults:
            if fault not in _MOMENTS.values():
                self._plan(fault)

    def stop(self) -> None:
        """Let all be well again."""
        assert self._witness is not None
        self._on = False
        for worker in self._witness.alive.values():
            worker.dialer.heal()

    def note_start(self, worker: VirtualWorker) -> None:
        """A worker starts, and may find nobody who listens."""
        worker.harm(max(0.0, self._frozen_until - self._world.now))

    def at_task(self, worker: VirtualWorker, moment: str) -> None:
        """A task is about to begin, begins or has ended."""
        rate = self._scenario.faults.get(_MOMENTS[moment], 0.0)
        if not self._on or not rate or self._random.random() > rate * _AT_A_TASK:
            return
        if moment == "while":
            self._world.after(self._random.uniform(0.0, 0.5), worker.kill)
        else:
            worker.kill()

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _plan(self, fault: Fault) -> None:
        pause = self._random.expovariate(self._scenario.faults[fault])
        self._world.after(pause, partial(self._strike, fault))

    def _strike(self, fault: Fault) -> None:
        if self._on:
            self._do(fault)
            self._plan(fault)

    def _do(self, fault: Fault) -> None:
        assert self._dispatcher is not None
        assert self._user is not None
        match fault:
            case Fault.CLIENT_STOPS_READING:
                self._stop_client()
            case Fault.FREEZE_DISPATCHER:
                self._freeze_dispatcher()
            case Fault.CUT_ALL:
                self._cut_all()
            case Fault.CLOCK_JUMP if self._random.random() < 0.5:
                self._jump_ahead()
            case _:
                self._strike_one(fault)

    def _stop_client(self) -> None:
        assert self._user is not None
        seconds = self._random.uniform(0.01, 5.0)
        self._user.reading = False
        self._world.after(seconds, self._user.read_again)
        if self._random.random() < 0.5:  # all of it is stopped
            self._user.scaler.freeze(seconds)
        self._world.tell("faults", f"the client stops reading for {seconds:g} s")

    def _freeze_dispatcher(self) -> None:
        assert self._dispatcher is not None
        seconds = self._seconds()
        self._harm_all(seconds)
        self._frozen_until = max(self._frozen_until, self._world.now + seconds)
        self._world.tell("faults", f"the dispatcher freezes for {seconds:g} s")
        self._dispatcher.freeze(seconds)

    def _jump_ahead(self) -> None:
        assert self._dispatcher is not None
        assert self._user is not None
        seconds = self._seconds()
        if self._random.random() < 0.5:
            self._world.tell("faults", f"the client's clock jumps by {seconds:g} s")
            self._user.jump(seconds)
            self._user.scaler.jump(seconds)
        else:
            self._harm_all(seconds)
            self._world.tell("faults", f"the dispatcher's clock jumps by {seconds:g} s")
            self._dispatcher.jump(seconds)

    def _strike_one(self, fault: Fault) -> None:
        assert self._witness is not None
        alive = list(self._witness.alive.values())
        if alive:
            worker = self._random.choice(alive)
            if fault not in (Fault.KILL, Fault.POWER_FAILURE):
                self._world.tell("faults", f"{fault.name} strikes {worker.name}")
            self._blow(fault)(worker)

    def _blow(self, fault: Fault) -> Callable[[VirtualWorker], None]:
        blows: dict[Fault, Callable[[VirtualWorker], None]] = {
            Fault.KILL: VirtualWorker.kill,
            Fault.POWER_FAILURE: partial(VirtualWorker.kill, quietly=True),
            Fault.KILL_TASK_PROCESS: _kill_task_process,
            Fault.TERMINATE: self._terminate,
            Fault.FREEZE_WORKER: self._freeze,
            Fault.CUT: self._cut,
            Fault.RESET: _reset,
            Fault.CLOCK_JUMP: self._jump,
        }
        return blows[fault]

    def _seconds(self) -> float:
        return self._random.choice((0.1, 1.0, 3.0, 8.0, 20.0, 45.0)) * self._random.random()

    def _terminate(self, worker: VirtualWorker) -> None:
        worker.touched = True
        worker.signal(int(signal.SIGTERM))
        if self._random.random() < 0.5:
            self._world.after(self._random.uniform(0.0, 3.0), worker.kill)

    def _freeze(self, worker: VirtualWorker) -> None:
        seconds = self._seconds()
        worker.harm(seconds)
        worker.freeze(seconds)

    def _jump(self, worker: VirtualWorker) -> None:
        seconds = self._seconds()
        worker.harm(seconds)
        worker.jump(seconds)

    def _cut(self, worker: VirtualWorker) -> None:
        self._cut_off(worker, self._seconds(), is_noticed=self._random.random() < 0.5)

    def _cut_off(self, worker: VirtualWorker, seconds: float, *, is_noticed: bool) -> None:
        worker.harm(seconds)
        worker.dialer.cut()
        if is_noticed and worker.dialer.wire is not None:
            worker.dialer.wire.reset()
        self._world.after(seconds, worker.dialer.heal)

    def _cut_all(self) -> None:
        assert self._witness is not None
        seconds = self._seconds()
        is_noticed = self._random.random() < 0.5
        self._world.tell("faults", f"the network is cut for {seconds:g} s")
        for worker in self._witness.alive.values():
            self._cut_off(worker, seconds, is_noticed=is_noticed)

    def _harm_all(self, seconds: float) -> None:
        assert self._witness is not None
        for worker in self._witness.alive.values():
            worker.harm(seconds)


def _kill_task_process(worker: VirtualWorker) -> None:
    worker.process.die(int(signal.SIGKILL))


def _reset(worker: VirtualWorker) -> None:
    worker.harm(_RESET_HARM)
    if worker.dialer.wire is not None:
        worker.dialer.wire.reset()
