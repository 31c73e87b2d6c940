"""A virtual worker: crew's own supervisor, runner and conversation, and what may befall them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, Protocol, cast

from crew_core._launcher.request import WorkerLaunch
from crew_core._wire import messages
from crew_core._worker.conversation import Conversation
from crew_core._worker.lifetime import Lifetime
from crew_core._worker.process import TaskProcess
from crew_core._worker.signals import Signals
from crew_core._worker.supervisor import Supervisor
from simulator.dialer import VirtualDialer
from simulator.listener import Network
from simulator.selector import Selector
from simulator.task_process import VirtualProcess
from simulator.world import Event, Process, World

PYTHON = "3.11"
SECRET = "SECRET"
LIFE = "LIFE"

_REACTION = (0.0001, 0.0004)
_SIGNAL_FD = 1
_HARMLESS_SECONDS = 2.5  # of silence within a minute: they may cost nobody his worker
_FORGIVEN_SECONDS = 60.0
_LAST_WORDS_SECONDS = 2.0
_GRACE_SECONDS = {True: 3.0, False: 30.0}  # with a dispatcher on the same computer, and elsewhere


class Watcher(Protocol):
    """Sees what workers do."""

    def task_starts(self, worker: VirtualWorker, process: VirtualProcess, task_id: int) -> None:
        """A task begins."""

    def task_ends(self, worker: VirtualWorker, process: VirtualProcess, task_id: int) -> None:
        """A task ended by itself."""

    def process_died(
        self, worker: VirtualWorker, process: VirtualProcess, running: int | None
    ) -> None:
        """A task process died."""

    def worker_leaves(self, worker: VirtualWorker) -> None:
        """A worker goes, by agreement."""

    def worker_over(self, worker: VirtualWorker) -> None:
        """A worker is no more."""

    def exits_again(self, task_id: int) -> bool:
        """True when a task that ends its process once is yet to do so."""

    def strike(self, worker: VirtualWorker, moment: str) -> None:
        """A moment at which it may be struck: "before", "while" or "after" a task."""


class _Memory:
    """There is always enough."""

    def struck(self) -> bool:
        return False


class _Supervisor(Supervisor):
    """Crew's own, with the system's part played for it."""

    actor: VirtualWorker

    @property
    def over(self) -> str | None:
        """Why it is about to end."""
        return self._over

    @property
    def gently(self) -> bool:
        """True when it waits for its last words to be heard."""
        return self._gently

    @property
    def rests(self) -> bool:
        """True while it does not look at its task process."""
        return self._rests_until > self._clock()

    @property
    def runner(self) -> Any:
        """Its tasks."""
        return self._runner

    def turn(self) -> float:
        """Do what is to be done; when to come again."""
        self._turn()
        due = self._next_time()
        return min(due, self._rests_until) if self.rests else due

    def _catch_signals(self) -> Signals:
        return _VirtualSignals(self)

    def _exit_status(self) -> int | None:
        return cast("VirtualProcess", self._runner.process).status

    def _wait_at_rest(self, seconds: float) -> set[int]:
        selector = self._selector
        assert isinstance(selector, Selector)
        return {key.fd for key, _ in selector.select(but=self.actor.process.outbox_fd)}


class _VirtualSignals(Signals):
    """Those that the platform sends, and of its task processes' ends."""

    def __init__(self, supervisor: _Supervisor) -> None:
        self._supervisor = supervisor

    def fileno(self) -> int:
        return _SIGNAL_FD

    def take(self) -> bytes:
        return self._supervisor.actor.take_signals()

    def take_late(self) -> bytes:
        return self.take()


class VirtualWorker(Process):
    """One start of one launch.

    Args:
        world: where it lives.
        name: for the trace.
        launch: what the platform was given.
        network: where the dispatcher is.
        watcher: sees what it does.
        is_local: the dispatcher is on the same computer.

    Attributes:
        touched: something befell it that may excuse its loss.
        killed: it did not end by itself.
    """

    def __init__(
        self,
        world: World,
        name: str,
        launch: WorkerLaunch,
        network: Network,
        watcher: Watcher,
        *,
        is_local: bool,
    ) -> None:
        super().__init__(world, name, _REACTION)
        self.instance = launch.instance
        self.touched = self.killed = False
        self.on_over: Callable[[], None] | None = None
        self._watcher = watcher
        self._signals = b""
        self._held: list[Event] = []
        self._harms: list[tuple[float, float]] = []
        self._processes = 0
        self._last_words_by: float | None = None
        self.dialer = VirtualDialer(self, network, is_local=is_local)
        lifetime = Lifetime(float(launch.env[LIFE]), self.clock())

        def hello() -> messages.Hello:
            return messages.Hello(
                messages.PROTOCOL,
                launch.instance,
                launch.env[SECRET],
                name,
                pid=1,
                host="virtual",
                python=PYTHON,
                seconds_left=lifetime.seconds_left(self.clock()),
            )

        self.conversation = Conversation(self.dialer, hello, self.clock())
        first = self._start_process()
        self.supervisor = _Supervisor(
            self.conversation,
            first,
            self._start_process,
            log=None,
            grace=_GRACE_SECONDS[is_local],
            instance=launch.instance,
            lifetime=lifetime,
            clock=self.clock,
        )
        self.supervisor.actor = self
        self.supervisor.runner._memory = _Memory()
        self.wake()

    @property
    def process(self) -> VirtualProcess:
        """Its task process."""
        return cast("VirtualProcess", self.supervisor.runner.process)

    def turn(self) -> float:
        if self._last_words_by is None:
            due = self.supervisor.turn()
            if self.supervisor.over is None:
                return due
            if self.world.traced:
                self.world.tell(self.name, f"leaves: {self.supervisor.over}")
            if not self.supervisor.gently:
                self.end()
                return due
            self._watcher.worker_leaves(self)
            self.process.die(int(signal.SIGTERM))
            self._last_words_by = self.clock() + _LAST_WORDS_SECONDS
        return self._say_the_last(self._last_words_by)

    def _say_the_last(self, deadline: float) -> float:
        """As the supervisor does when it leaves by agreement."""
        conversation, now = self.conversation, self.clock()
        if not conversation.settled and now < deadline:
            conversation.listen(now, True)
        if conversation.settled or now >= deadline or not conversation.connected:
            self.end()
        return min(deadline, conversation.next_time())

    # ── What befalls it ────────────────────────────────────────────────────────────────────────

    def harm(self, seconds: float) -> None:
        """It cannot talk, or be heard, for so long."""
        now = self.world.now
        self._harms = [harm for harm in self._harms if harm[0] > now - _FORGIVEN_SECONDS]
        self._harms.append((now, seconds))
        self.touched |= sum(seconds for _, seconds in self._harms) > _HARMLESS_SECONDS

    def kill(self, *, quietly: bool = False) -> None:
        """All its processes are gone at once.

        Args:
            quietly: and nobody closes its connections, as when the power fails.
        """
        if self.ended:
            return
        self.touched = self.killed = True
        self.world.tell(self.name, "is killed" + (" quietly" if quietly else ""))
        if quietly and self.dialer.wire is not None:
            self.dialer.wire.cut = True
        self.end()

    def end(self) -> None:
        """It is no more."""
        if not self.ended:
            self.ended = True
            self.process.die(int(signal.SIGKILL))
            self.dialer.close()
            self._watcher.worker_over(self)
            if self.on_over is not None:
                self.on_over()

    def signal(self, number: int) -> None:
        """Send its supervisor a signal."""
        self._signals += bytes((number,))
        self._mark(_SIGNAL_FD)

    def take_signals(self) -> bytes:
        """What came since the last call."""
        signals, self._signals = self._signals, b""
        return signals

    def _thaw(self) -> None:
        super()._thaw()
        held, self._held = self._held, []
        for event in held:
            event()

    # ── What its task process tells ────────────────────────────────────────────────────────────

    def hold(self, event: Event) -> bool:
        if self.frozen and not self.ended:
            self._held.append(event)
        return self.frozen

    def task_starts(self, process: VirtualProcess, task_id: int) -> bool:
        self._watcher.strike(self, "before")
        if self.ended:
            return False
        self._watcher.task_starts(self, process, task_id)
        self._watcher.strike(self, "while")
        return not self.ended

    def task_ends(self, process: VirtualProcess, task_id: int) -> None:
        self._watcher.task_ends(self, process, task_id)
        self._watcher.strike(self, "after")

    def process_died(self, process: VirtualProcess, running: int | None) -> None:
        self._watcher.process_died(self, process, running)
        if not self.ended:
            self.signal(int(signal.SIGCHLD))

    def has_output(self, process: VirtualProcess) -> None:
        self._mark(process.outbox_fd, wake=not self.supervisor.rests)

    def exits_again(self, task_id: int) -> bool:
        return self._watcher.exits_again(task_id)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _start_process(self) -> TaskProcess:
        self._processes += 1
        return cast("TaskProcess", VirtualProcess(self, self._processes))

    def _mark(self, fd: int, *, wake: bool = True) -> None:
        selector = self.dialer.selector
        assert isinstance(selector, Selector)
        selector.mark(fd)
        if wake:
            self.wake()
