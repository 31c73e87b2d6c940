"""The user's program: pushes, cancels, and takes records."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from crew_core._controller.escalation import Escalation
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.news import News
from crew_core._controller.roster import Roster
from crew_core._wire import codec, messages
from crew_core._wire.stream import FrameBuffer, frame
from simulator import tasks
from simulator.scaler import Scaler
from simulator.scenario import OBJECT_BYTES, Push, Scenario
from simulator.socket_pair import VirtualSocket
from simulator.tasks import Body, Kind
from simulator.witness import Witness
from simulator.worker import PYTHON
from simulator.world import Process, World

if TYPE_CHECKING:
    from crew_core._controller.session import Session

_REACTION = (0.00005, 0.001)
_READ = 1 << 16
_VERDICT_SECONDS = 25.0
_MENDS_SECONDS = 2.0
_SUBMIT_TASKS = messages.SUBMIT_TASKS


class _Book:
    """Counts instead of keeping records."""

    failure = None

    def __init__(self, witness: Witness, on_recorded: Callable[[Sequence[int]], None]) -> None:
        self.unfinished = 0
        self._witness = witness
        self._on_recorded = on_recorded

    def settle(self, message: messages.Finished) -> list[Any]:
        for task_id, status in zip(message.ids, message.statuses, strict=True):
            self._witness.record(task_id, status, message.instance)
        self.unfinished -= len(message.ids)
        self._on_recorded(message.ids)
        return []

    def note_crashes(self, task_id: int, crashes: int) -> str:
        return str(task_id)

    def note_spent(self, message: messages.Spent) -> None:
        self._witness.record(message.finished.id, message.finished.status, message.instance)
        self.unfinished -= 1
        self._on_recorded([message.finished.id])

    def wake(self) -> None:
        pass


class User(Process):
    """The program.

    Args:
        world: where it lives.
        scenario: what it does.
        socket: its end of the dispatcher's connection.
        witness: is given the records.

    Attributes:
        reading: False while it does not take what the dispatcher says.
        asked: the number of its last question whether workers are expected.
        expected: how many workers it has announced.
    """

    def __init__(
        self, world: World, scenario: Scenario, socket: VirtualSocket, witness: Witness
    ) -> None:
        super().__init__(world, "user", _REACTION)
        self.scenario = scenario
        self.reading = True
        self.asked = 0
        self.expected = 0
        self.on_expected: Callable[[int], None] = lambda request: None
        self.pushed = 0
        self.left_to_push = len(scenario.pushes)
        self.book = _Book(witness, self._note_recorded)
        self.roster = Roster(self.clock, partial(_next_name, count(1)))
        random = world.random("jitter")
        self.failures = LaunchFailures(scenario.launch_max, lambda: None, self.clock, random.random)
        self.scaler: Scaler = cast("Scaler", None)
        self.options = SimpleNamespace(name="simulated")
        self.lender = None
        self.escalation = Escalation(scenario.lives)
        self.tells_causes = not scenario.is_local
        self.parcels = SimpleNamespace(note_death=lambda: None, discard_parts=lambda _: None)
        self.warm_ups = SimpleNamespace(note_ran=lambda _: None, note_given_up=lambda _: None)
        self._news = News(cast("Session", self))
        self._random: Random = world.random("user")
        self._socket = socket
        self._outgoing: deque[memoryview] = deque()
        self._incoming = FrameBuffer()
        self._scratch = memoryview(bytearray(_READ))
        self._commands: dict[int, tuple[bytes, int]] = {}
        self._left_of: dict[bytes, int] = {}
        self._objects: dict[bytes, tuple[bytes, ...]] = {}
        socket.ready = self.wake

    @property
    def autoscaler(self) -> Scaler:
        """As a session calls it."""
        return self.scaler

    def begin(self) -> None:
        """Say hello, and plan what is to be done when."""
        scenario = self.scenario
        self.post(
            messages.ClientHello(
                messages.PROTOCOL,
                1,
                PYTHON,
                scenario.settings,
                scenario.retry,
                scenario.seconds_heartbeat,
                scenario.object_bytes,
                platform=messages.PlatformFacts(
                    scenario.lives, 0.0 if scenario.is_local else _VERDICT_SECONDS
                ),
            )
        )
        for number, at in enumerate(scenario.warm_ups):
            self.world.after(at, partial(self._warm_up, number))
        for number, push in enumerate(scenario.pushes):
            self.world.after(push.at, partial(self._push, number, push))
        self._mend()

    def turn(self) -> float:
        self._flush()
        while self.reading and self._socket.is_readable:
            size = self._socket.recv_into(self._scratch)
            if not size:
                self._socket.close()
                break
            for data in self._incoming.feed(self._scratch[:size]):
                self._take(messages.decode_to_client(data))
        return float("inf")

    def die(self) -> None:
        """All its threads and launch daemons are no more."""
        self.ended = True
        self.scaler.die()
        self._socket.close()

    def read_again(self) -> None:
        """Take what has gathered."""
        self.reading = True
        self.wake()

    def post(self, message: messages.ToDispatcher) -> None:
        """Say something to the dispatcher."""
        self._outgoing.append(memoryview(frame(codec.encode(message))))
        self._flush()

    # ── What the fleet and the news ask of it ──────────────────────────────────────────────────

    def expect(self, workers: list[messages.ExpectedWorker]) -> None:
        self.asked += 1
        self.expected += len(workers)
        self.post(messages.Expect(self.asked, workers))

    def forget(self, instances: Sequence[str]) -> None:
        self.post(messages.Forget(list(instances)))

    def employ(self, on: bool) -> None:
        self.post(messages.Employ(on))

    def tell_over(self, ends: Sequence[messages.JobEnd]) -> None:
        self.post(messages.JobsOver(list(ends)))

    def make_room(self, step: int, workers: int) -> None:
        self.post(messages.MakeRoom(step, workers))

    def reset(self) -> None:
        """Launches are to go on."""
        if self.failures.forget():
            self.scaler.kick()

    # ── What it does ───────────────────────────────────────────────────────────────────────────

    def _push(self, number: int, push: Push) -> None:
        digest = f"command {number}".encode()
        first = self.pushed + 1
        self.left_to_push -= 1
        self.pushed += push.count
        self.book.unfinished += push.count
        self._left_of[digest] = push.count
        self._commands[first] = (digest, first + push.count)
        objects = tuple(self._put(digest, i) for i in range(push.objects))
        self._objects[digest] = objects
        bodies = self._bodies(push)
        if push.seconds_expected is not None:
            all_ids = range(first, first + push.count)
            self.escalation.note_expected(all_ids, push.seconds_expected)
        step = 1 if push.one_by_one else _SUBMIT_TASKS
        for at in range(0, push.count, step):
            part = bodies[at : at + step]
            batch = messages.Batch(
                first + at,
                ["t"] * len(part),
                digest,
                part,
                push.priority,
                seconds_timeout=push.seconds_timeout,
                seconds_queue=push.seconds_queue,
                seconds_expected=push.seconds_expected,
                objects=objects,
            )
            blobs = [] if at else [messages.Blob(digest, b"command")]
            self.post(messages.Submit([batch], blobs))
        if push.cancelled:
            ids = [
                i
                for i in range(first, first + push.count)
                if self._random.random() < push.cancelled
            ]
            later = self._random.choice((0.0, 0.01, 1.0, 5.0))
            self.world.after(later, lambda: self.post(messages.Cancel(ids)))
        self.world.tell(self.name, f"pushes tasks {first} to {first + push.count - 1}")
        if self.scaler.wants_kick():
            self.scaler.kick()

    def _put(self, command: bytes, number: int) -> bytes:
        digest = command + b", object %d" % number
        order = codec.encode(messages.HoldObject(digest, memoryview(b"object")))
        self.post(messages.PutObject(digest, OBJECT_BYTES, memoryview(order)))
        return digest

    def _bodies(self, push: Push) -> list[bytes]:
        random = self._random
        if len(push.kinds) == 1:  # a few different ones stand for all
            some = [tasks.encode(Body(push.seconds * random.uniform(0.5, 1.5))) for _ in range(16)]
            return random.choices(some, k=push.count)
        kinds = random.choices(list(Kind)[: len(push.kinds)], push.kinds, k=push.count)
        seconds = [push.seconds * random.uniform(0.5, 1.5) for _ in kinds]
        return [tasks.encode(Body(s, kind)) for s, kind in zip(seconds, kinds, strict=True)]

    def _warm_up(self, number: int) -> None:
        digest = f"warm-up {number}".encode()
        body = tasks.encode(Body(0.01))
        task = messages.Batch(messages.WARM_UP_IDS + number, ["w"], digest, [body])
        self.post(messages.WarmUp(task, [messages.Blob(digest, b"warm-up")]))

    def _note_recorded(self, ids: Sequence[int]) -> None:
        """No task needs a command any more whose tasks all have ended."""
        for task_id in ids:
            digest = self._digest_of(task_id)
            self._left_of[digest] -= 1
            if not self._left_of[digest]:
                self.post(messages.DropBlobs([digest, *self._objects.pop(digest)]))

    def _digest_of(self, task_id: int) -> bytes:
        for first, (digest, stop) in self._commands.items():
            if first <= task_id < stop:
                return digest
        raise AssertionError(task_id)

    def _mend(self) -> None:
        """Some time after launching has stopped, its cause is mended."""
        if self.failures.error is not None:
            self.world.tell(self.name, "resets the launcher")
            self.reset()
        self.world.after(_MENDS_SECONDS, self._mend)

    # ── What it hears ──────────────────────────────────────────────────────────────────────────

    def _take(self, message: messages.ToClient) -> None:
        if self.world.traced:
            self.world.tell(self.name, f"hears {_shown(message)}")
        match message:
            case messages.Expected():
                self.on_expected(message.request)
            case messages.DispatcherHello() | messages.Inspection():
                pass
            case _:
                self._news.take(message)

    def _flush(self) -> None:
        outgoing = self._outgoing
        while outgoing and not self._socket.closed:
            try:
                sent = self._socket.send(outgoing[0])
            except BlockingIOError:
                return
            except BrokenPipeError:
                outgoing.clear()
                return
            if sent == len(outgoing[0]):
                outgoing.popleft()
            else:
                outgoing[0] = outgoing[0][sent:]


def _next_name(numbers: Any) -> str:
    return f"w{next(numbers)}"


def _shown(message: messages.ToClient) -> str:
    return repr(message)[:300]
