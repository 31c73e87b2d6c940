"""A virtual task process, with the feed that supervisors write to: runs tasks in virtual time."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Protocol

from crew_core._model.states import Status
from crew_core._wire import codec, messages
from simulator import tasks
from simulator.tasks import Kind
from simulator.world import Event, World

_START_SECONDS = (0.002, 0.05)
_AROUND_SECONDS = 2e-5
_INTERRUPT_SECONDS = 0.001
_DIES_SECONDS = 0.002
_PLAIN = codec.encode(messages.OutcomeDetail(value=b"x"))
_RAISED = codec.encode(messages.OutcomeDetail(error="raised"))
_SAID_BYTES = 60  # of each task
_OUTPUT_FDS = 10


class Owner(Protocol):
    """The worker whose task process it is, and the witness of what it does."""

    world: World
    name: str

    def hold(self, event: Event) -> bool:
        """True when all its processes are stopped: the event happens once they go on."""

    def task_starts(self, process: VirtualProcess, task_id: int) -> bool:
        """It begins a task now. False when the process does not live to run it."""

    def task_ends(self, process: VirtualProcess, task_id: int) -> None:
        """The task is over, and its process is about to say so."""

    def process_died(self, process: VirtualProcess, running: int | None) -> None:
        """The process is no more."""

    def has_output(self, process: VirtualProcess) -> None:
        """The supervisor can read something."""

    def exits_again(self, task_id: int) -> bool:
        """True when a task that ends its process once is yet to do so."""


class VirtualFeed:
    """The supervisor's end of the inbox and the permits. Tasks that were sent can start at once."""

    wants_write = False
    wants_flush = False
    pending_bytes = 0

    def __init__(self, process: VirtualProcess) -> None:
        self._process = process
        self.line: deque[int] = deque()
        self.held: set[bytes] = set()
        self.objects: set[bytes] = set()

    def put(self, message: object) -> None:
        match message:
            case messages.HoldBlob():
                self.held.add(message.digest)
            case messages.HoldObject():
                self.objects.add(message.digest)
            case messages.ForgetBlobs():
                self.objects.difference_update(message.digests)
                self.held.difference_update(message.digests)

    def flush(self) -> bool:
        self._process.go_on()
        return True

    def take_back(self, ids: Collection[int] | None = None) -> list[int]:
        taken = [task_id for task_id in self.line if ids is None or task_id in ids]
        if taken:
            self.line = deque(i for i in self.line if ids is not None and i not in ids)
            self._process.let_go_of(taken)
        return taken

    def not_started(self) -> list[int]:
        return list(self.line)

    def abandon(self) -> list[int]:
        return self.take_back()

    def done(self, ids: Iterable[int]) -> None:
        pass

    def close_inbox(self) -> None:
        pass

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return -1


class VirtualProcess:
    """As ``TaskProcess``.

    Args:
        owner: the worker.
        number: counts the worker's processes.

    Attributes:
        running: the task that it runs.
        warmed: warm-ups that it has run.
    """

    output_fd = None
    garbled = False

    def __init__(self, owner: Owner, number: int) -> None:
        self.pid = 1000 + number
        self.number = number
        self.outbox_fd = _OUTPUT_FDS + number
        self.ready_at: float | None = None
        self.heard = 0
        self.feed = VirtualFeed(self)
        self.running: int | None = None
        self.status: int | None = None
        self.frozen = False
        self.warmed: set[int] = set()
        self._owner = owner
        self._bodies: dict[int, tasks.Body] = {}
        self._batches: dict[int, messages.Batch] = {}
        self._said: list[messages.TaskDone] = []
        self._is_up = False
        self._turn = 0  # what was planned before the last interrupt or death does not happen
        low, high = _START_SECONDS
        random = owner.world.random(f"process {number} of {owner.name}")
        owner.world.after(low + (high - low) * random.random(), self._come_up)

    # ── What the supervisor calls ──────────────────────────────────────────────────────────────

    def read(self, now: float) -> list[messages.TaskDone]:
        if self._is_up and self.ready_at is None:
            self.ready_at = now
        said, self._said = self._said, []
        self.heard = len(said) * _SAID_BYTES
        return said

    def run(
        self,
        batch: messages.Batch,
        blobs: Mapping[bytes, bytes],
        objects: Mapping[bytes, messages.HoldObject],
    ) -> None:
        if batch.digest not in self.feed.held:
            self.feed.put(messages.HoldBlob(batch.digest, blobs[batch.digest]))
        for digest in batch.objects:
            if digest not in self.feed.objects and digest in objects:
                self.feed.put(objects[digest])
        for task_id in batch.ids:
            self._batches[task_id] = batch
        self.feed.line.extend(batch.ids)

    def forget(self, digests: list[bytes]) -> None:
        self.feed.put(messages.ForgetBlobs(digests))

    def interrupt(self) -> None:
        task_id, turn = self.running, self._turn
        if task_id is None or self._bodies[task_id].kind == Kind.STUBBORN:
            return
        self._owner.world.after(_INTERRUPT_SECONDS, partial(self._interrupted, task_id, turn))

    def kill(self) -> None:
        self._owner.world.after(_DIES_SECONDS, partial(self.die, int(signal.SIGKILL)))

    def note_exit(self, status: int) -> str:
        return f"signal {status}" if status < 128 else f"exit {status >> 8}"

    def close(self) -> None:
        pass

    def let_go(self, seconds: float) -> None:
        pass

    # ── What befalls it ────────────────────────────────────────────────────────────────────────

    def die(self, status: int) -> None:
        """It ends now, with that status."""
        if self.status is None:
            self.status = status
            self._turn += 1
            running, self.running = self.running, None
            self._bodies.clear()
            self._owner.process_died(self, running)

    def let_go_of(self, ids: Iterable[int]) -> None:
        """These are not run here."""
        for task_id in ids:
            self._batches.pop(task_id, None)

    def go_on(self) -> None:
        """Start the next task, unless one is running."""
        if self.running is not None or not self._is_up or self.status is not None:
            return
        if not self.feed.line:
            return
        task_id = self.feed.line.popleft()
        self.running = task_id
        batch = self._batches.pop(task_id)
        body = self._bodies[task_id] = tasks.decode(batch.bodies[task_id - batch.first])
        assert batch.digest in self.feed.held, "a task without its command"
        assert self.feed.objects.issuperset(batch.objects), "a task without its objects"
        if not self._owner.task_starts(self, task_id):
            return
        if body.kind < Kind.HANGS:
            turn = self._turn
            world = self._owner.world
            world.after(body.seconds + _AROUND_SECONDS, partial(self._through, task_id, turn))

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _come_up(self) -> None:
        if self.status is None and not self._owner.hold(self._come_up):
            self._is_up = True
            self._owner.has_output(self)
            self.go_on()

    def _through(self, task_id: int, turn: int) -> None:
        """The task's time is over."""
        if turn != self._turn or self.running != task_id:
            return
        if self._owner.hold(partial(self._through, task_id, turn)):
            return
        body = self._bodies[task_id]
        if body.kind == Kind.EXITS or (
            body.kind == Kind.EXITS_ONCE and self._owner.exits_again(task_id)
        ):
            self.die(3 << 8)
        elif body.kind == Kind.RAISES:
            self._end(task_id, Status.ERROR, body.seconds, _RAISED)
        else:
            self._end(task_id, Status.SUCCESS, body.seconds, _PLAIN)

    def _interrupted(self, task_id: int, turn: int) -> None:
        if turn != self._turn or self.running != task_id:
            return
        if not self._owner.hold(partial(self._interrupted, task_id, turn)):
            self._end(task_id, Status.ERROR, 0.1, _RAISED, interrupted=True)

    def _end(
        self, task_id: int, status: Status, seconds: float, detail: bytes, interrupted: bool = False
    ) -> None:
        self._turn += 1
        self.running = None
        del self._bodies[task_id]
        self._said.append(messages.TaskDone(task_id, int(status), seconds, detail, (), interrupted))
        self._owner.task_ends(self, task_id)
        if self.status is None:
            self._owner.has_output(self)
            self.go_on()
