"""The user's program: pushes, cancels, takes records, and has crew's fleet launch workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from crew_core._controller.fleet import Fleet
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.news import News
from crew_core._controller.roster import Roster, Row
from crew_core._controller.throttle import Burst, Throttle
from crew_core._launcher.base import Launcher, LaunchRequest, WorkerLaunch
from crew_core._model.errors import CrewError
from crew_core._model.options import ScalingOptions
from crew_core._model.states import InstanceState
from crew_core._wire import codec, messages
from crew_core._wire.stream import FrameBuffer, frame
from simulator import tasks
from simulator.platform import VirtualPlatform
from simulator.scenario import Push, Scenario
from simulator.socket_pair import VirtualSocket
from simulator.tasks import Body, Kind
from simulator.witness import Witness
from simulator.worker import PYTHON, SECRET
from simulator.world import Process, World

if TYPE_CHECKING:
    from crew_core._controller.session import Session

_REACTION = (0.00005, 0.001)
_READ = 1 << 16
_MENDS_SECONDS = 2.0
_LAUNCHES_SETTLE = 5  # seconds
_SUBMIT_TASKS = messages.SUBMIT_TASKS


class _Launcher(Launcher):
    seconds_launch_default: ClassVar[float] = 30.0

    def launch(self, request: LaunchRequest) -> list[Any]:
        raise NotImplementedError


class _Book:
    """Counts instead of keeping records."""

    failure = None

    def __init__(self, witness: Witness, on_recorded: Callable[[Sequence[int]], None]) -> None:
        self.unfinished = 0
        self._witness = witness
        self._on_recorded = on_recorded

    def settle(self, message: messages.Finished) -> list[Any]:
        for task_id, status in zip(message.ids, message.statuses, strict=True):
            self._witness.record(task_id, status)
        self.unfinished -= len(message.ids)
        self._on_recorded(message.ids)
        return []

    def note_crashes(self, task_id: int, crashes: int) -> str:
        return str(task_id)

    def note_spent(self, message: messages.Spent) -> None:
        self._witness.record(message.finished.id, message.finished.status)
        self.unfinished -= 1

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
    """

    def __init__(
        self, world: World, scenario: Scenario, socket: VirtualSocket, witness: Witness
    ) -> None:
        super().__init__(world, "user", _REACTION)
        self.scenario = scenario
        self.reading = True
        self.asked = 0
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
        self.post(messages.Expect(self.asked, workers))

    def forget(self, instances: Sequence[str]) -> None:
        self.post(messages.Forget(list(instances)))

    def tell_over(self, instances: Sequence[str]) -> None:
        self.post(messages.JobsOver(list(instances)))

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
        bodies = self._bodies(push)
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
                self.post(messages.DropBlobs([digest]))

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


class Scaler(Process):
    """As the autoscaler's thread, which gathers bursts and has the fleet looked at.

    Args:
        world: where it lives.
        user: whose it is.
        platform: where workers are launched.
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
        )
        tasks_max = scenario.settings.tasks_max
        throttle = Throttle(
            scenario.seconds_interval, tasks_max < float("inf"), lambda: scenario.gathers
        )
        self._throttle = throttle
        self._fleet = Fleet(
            controller="simulated",
            platform=platform,
            launcher=_Launcher(),
            herald=user,
            roster=user.roster,
            options=self._options,
            demand=lambda: user.book.unfinished,
            make_worker=_make_worker,
            failures=user.failures,
            throttle=throttle,
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

    def stop(self) -> None:
        """As a session does at its end, which also waits for launches that are under way."""
        self._fleet.closing = self.ended = True
        self._platform.withdraw()
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
            if left > 0:
                return self.clock() + left
        self._burst = None
        try:
            self._fleet.round(self.clock(), launch=self.enabled)
        except CrewError as error:
            self.world.tell(self.name, f"fails: {error}")
        settled = self._fleet.is_settled and not self._is_short()
        return float("inf") if settled else self.clock() + self._options.seconds_interval

    def _is_short(self) -> bool:
        return self.enabled and self._fleet.is_short


def _make_worker(row: Row, secret: str) -> WorkerLaunch:
    return WorkerLaunch(
        worker=row.worker,
        instance=row.instance,
        name=row.instance,
        argv=("crew",),
        env={SECRET: secret},
    )


def _next_name(numbers: Any) -> str:
    return f"w{next(numbers)}"


def _shown(message: messages.ToClient) -> str:
    return repr(message)[:300]
