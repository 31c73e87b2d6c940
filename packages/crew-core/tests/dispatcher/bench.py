"""A dispatcher on a bench, and what its users, workers and warm-ups say and are told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from crew_core._dispatcher import actions
from crew_core._dispatcher.state import DispatcherState
from crew_core._model.states import Status
from crew_core._wire import codec, messages

COMMAND = messages.Blob(b"digest", b"command")

WARM = messages.WARM_UP_IDS


@dataclass
class Bench:
    """A dispatcher on a bench: events are given by hand, actions are sorted as they come."""

    retry: messages.RetryPolicy = field(default_factory=messages.RetryPolicy)
    tasks_max: float = float("inf")
    seconds_wall: float = float("inf")
    tasks_timers: int = 0
    seconds_reconnect: float = 0.0
    object_bytes: int = 1000
    now: float = 100.0

    def __post_init__(self) -> None:
        settings = messages.WorkerSettings(
            "bench",
            "1",
            tasks_max=self.tasks_max,
            seconds_wall=self.seconds_wall,
            tasks_timers=self.tasks_timers,
        )
        hello = messages.ClientHello(
            messages.PROTOCOL, 1, "3.11", settings, self.retry, 30.0, self.object_bytes
        )
        self.state = DispatcherState(hello, self.seconds_reconnect)
        self.finished: dict[int, messages.FinishedTask] = {}
        self.told: list[messages.ToClient] = []
        self.orders: dict[str, list[messages.ToWorker | bytes]] = {}  # bytes: an object's digest
        self.dropped: list[bytes] = []
        self.refused: list[str] = []
        self.failed_launches: list[str] = []
        self.hung_up: list[str] = []
        self.exited = False
        self._pipes = 0

    def settle(self) -> None:
        for action in self.state.actions(self.now):
            match action:
                case actions.TellClient(messages.Finished() as message):
                    for task in message.tasks:
                        assert task.id not in self.finished, "a second fate"
                        self.finished[task.id] = task
                case actions.TellClient(message):
                    self.told.append(message)
                case actions.TellWorker(instance, order) | actions.SendObject(instance, order):
                    self.orders.setdefault(instance, []).append(order)
                case actions.DropObjects(digests):
                    self.dropped += digests
                case actions.TurnAway(_, refused, failed):
                    self.refused.append(refused.reason)
                    self.failed_launches += [failed] if failed else []
                case actions.HangUp(instance):
                    self.hung_up.append(instance)
                case actions.Exit():
                    self.exited = True

    @property
    def objects(self) -> dict[str, list[bytes]]:
        """The digests of the objects that each worker was sent, in order."""
        found = {
            n: [o for o in orders if isinstance(o, bytes)] for n, orders in self.orders.items()
        }
        return {name: digests for name, digests in found.items() if digests}

    def client(self, message: messages.ToDispatcher) -> None:
        self.state.on_client(message, self.now)
        self.settle()

    def submit(self, *ids: int, **options: float) -> None:
        batches = [messages.Batch(i, [f"t{i}"], b"digest", [b""], **options) for i in ids]  # type: ignore[arg-type]  # keywords by name
        self.client(messages.Submit(batches, [COMMAND]))

    def expect(self, name: str) -> None:
        digest = hashlib.sha256(f"secret of {name}".encode()).digest()
        worker = messages.ExpectedWorker(name, 1, digest)
        self.client(messages.Expect(1, [worker]))

    def hello(self, name: str, *, secret: str | None = None, life: str = "a", **more: str) -> int:
        self._pipes += 1
        hello = messages.Hello(
            protocol=messages.PROTOCOL,
            instance=name,
            secret=f"secret of {name}" if secret is None else secret,
            life=life,
            pid=7,
            host="here",
            python=more.get("python", "3.11"),
        )
        self.state.on_hello(self._pipes, hello, self.now)
        self.settle()
        return self._pipes

    def worker(self, name: str) -> int:
        self.expect(name)
        return self.hello(name)

    def given(self, name: str) -> list[int]:
        works = [o for o in self.orders.get(name, []) if isinstance(o, messages.Work)]
        return [i for work in works for batch in work.batches for i in batch.ids]

    def says(self, name: str, message: messages.FromWorker) -> None:
        self.state.on_worker(name, message, self.now)
        self.settle()

    def done(
        self,
        name: str,
        *ids: int,
        status: Status = Status.SUCCESS,
        cause: str = "",
        seconds: float = 0.00001,
    ) -> None:
        detail = codec.encode(messages.OutcomeDetail(cause=cause or None))
        n = len(ids)
        self.says(name, messages.Outcomes(list(ids), [status] * n, [seconds] * n, [detail] * n))

    def cut(self, pipe: int) -> None:
        self.state.on_pipe_lost(pipe, self.now)
        self.settle()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.state.on_time(self.now)
        self.settle()


def over(*instances: str, cause: str = "", reason: str = "") -> messages.JobsOver:
    return messages.JobsOver([messages.JobEnd(name, cause, reason) for name in instances])


def warm_up(bench: Bench, *ids: int) -> None:
    for number in ids:
        task = messages.Batch(WARM + number, [f"w{number}"], b"digest", [b""])
        bench.client(messages.WarmUp(task, [COMMAND]))


def warming(bench: Bench, name: str) -> list[int]:
    """The warm-ups that this worker was ordered to run, in order."""
    orders = [o for o in bench.orders.get(name, []) if isinstance(o, messages.WarmUps)]
    return [task.first - WARM for order in orders for task in order.tasks]


def warmed(
    bench: Bench,
    name: str,
    number: int,
    *,
    died: bool = False,
    status: Status = Status.SUCCESS,
    cause: str | None = None,
) -> None:
    detail = codec.encode(messages.OutcomeDetail(cause=cause))
    outcome = messages.Outcome(WARM + number, status, 0.1, detail)
    bench.says(name, messages.Warmed(outcome, died))


def died(bench: Bench, name: str, number: int, cause: str = "signal 9") -> None:
    warmed(bench, name, number, died=True, status=Status.CRASH, cause=cause)


def ran(bench: Bench) -> list[tuple[str, int, int]]:
    """(worker, warm-up, status) as the client was told."""
    told = [m for m in bench.told if isinstance(m, messages.WarmUpRan)]
    return [(m.instance, m.task.id - WARM, m.task.status) for m in told]


def given_up(bench: Bench) -> list[int]:
    return [m.id - WARM for m in bench.told if isinstance(m, messages.WarmUpGivenUp)]
