"""Warm-ups and objects under random events: whatever happens, a task finds what it counts on.

Workers are modelled as they are: they take orders in turn, late; run one thing after the other; and
lose their task process, or themselves, at any moment. A failure is repeated by its seed.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from crew_core._dispatcher import actions
from crew_core._dispatcher.state import DispatcherState
from crew_core._model.states import Status
from crew_core._wire import codec, messages

COMMAND = messages.Blob(b"digest", b"command")
OBJECTS = [bytes([n]) * 4 for n in range(6)]
CRASHES_MAX = 3
STEPS = 250


@dataclass
class Worker:
    """A worker that lags behind its orders."""

    name: str
    pipe: int
    orders: deque[messages.ToWorker | bytes] = field(default_factory=deque)  # bytes: an object
    line: deque[messages.Batch] = field(default_factory=deque)
    warm_ups: dict[int, messages.Batch] = field(default_factory=dict)
    undecided: set[int] = field(default_factory=set)
    objects: set[bytes] = field(default_factory=set)
    warm: set[int] = field(default_factory=set)  # what ran in this task process

    def obey(self) -> list[messages.FromWorker]:
        """Follow the next order; what to say."""
        order = self.orders.popleft()
        match order:
            case bytes():
                self.objects.add(order)
            case messages.Work():
                for batch in order.batches:
                    self.line.extend(batch.part(i, i + 1) for i in batch.ids)
            case messages.WarmUps():
                self._warm_up(order)
            case messages.EndWarmUps():
                return [self._end(warm_up) for warm_up in order.ids if self._knows(warm_up)]
            case messages.ForgetBlobs():
                self.objects.difference_update(order.digests)
            case messages.Recall():
                waiting = [task for task in list(self.line)[1:] if task.first in order.ids]
                self.line = deque(task for task in self.line if task not in waiting)
                return [messages.Returned([task.first for task in waiting])]
            case messages.CancelTasks():
                stopped = [task for task in self.line if task.first in order.ids]
                self.line = deque(task for task in self.line if task not in stopped)
                return [outcomes(task, Status.CANCEL) for task in stopped]
        return []

    def die(self) -> list[messages.FromWorker]:
        """The task process ends in what it runs."""
        task = self.line.popleft()
        tasks = [other for other in self.line if not is_warm_up(other)]
        self.line = deque([*self.warm_ups.values(), *tasks])
        self.warm.clear()
        said: list[messages.FromWorker] = []
        if is_warm_up(task):
            self.undecided.update({task.first} & self.warm_ups.keys())
            said.append(messages.Warmed(ended(task, Status.CRASH), died=True))
        else:
            said.append(outcomes(task, Status.CRASH))
        return [*said, *([messages.Warming(list(self.warm_ups))] if self.warm_ups else [])]

    def _warm_up(self, order: messages.WarmUps) -> None:
        for task in order.tasks:
            if task.first in self.undecided:
                self.undecided.remove(task.first)
            else:
                self.warm_ups[task.first] = task
                self.line.append(task)

    def _knows(self, warm_up: int) -> bool:
        self.warm_ups.pop(warm_up, None)
        self.undecided.discard(warm_up)
        return any(task.first == warm_up for task in self.line)

    def _end(self, warm_up: int) -> messages.Warmed:
        (task,) = (task for task in self.line if task.first == warm_up)
        self.line.remove(task)
        return messages.Warmed(ended(task, Status.CANCEL), died=False)


class World:
    """A dispatcher, its workers, and what must hold."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        settings = messages.WorkerSettings("world", "1")
        retry = messages.RetryPolicy(crashes_max=CRASHES_MAX)
        hello = messages.ClientHello(messages.PROTOCOL, 1, "3.11", settings, retry, 1e9, 10)
        self.state = DispatcherState(hello, 0.0)
        self.now = 0.0
        self.workers: dict[str, Worker] = {}
        self.active: set[int] = set()  # warm-ups
        self.needs: dict[int, set[int]] = {}  # warm-ups that were there before the task
        self.unfinished: dict[int, messages.Batch] = {}
        self.crashes = 0
        self.deadly = 0.1
        self.number = 0

    # ── Events ─────────────────────────────────────────────────────────────────────────────────

    def submit(self) -> None:
        ids = range(self.number + 1, self.number + 1 + self.random.randrange(1, 9))
        self.number = ids[-1]
        objects = tuple(self.random.sample(OBJECTS, self.random.randrange(3)))
        batch = messages.Batch(
            ids.start,
            [f"t{number}" for number in ids],
            b"digest",
            [f"body {number}".encode() for number in ids],
            priority=self.random.randrange(2),
            seconds_queue=self.random.choice([None, None, 0.5]),
            objects=objects,
        )
        for number in ids:
            self.unfinished[number] = batch
            self.needs[number] = set(self.active)
        for digest in objects:
            self.state.on_object(digest, 4)
        self.client(messages.Submit([batch], [COMMAND]))

    def cancel(self) -> None:
        tasks = [number for number in self.unfinished if number < messages.WARM_UP_IDS]
        self.client(messages.Cancel(self.random.sample(tasks, min(len(tasks), 3))))

    def warm_up(self) -> None:
        self.number += 1
        used = (self.random.choice(OBJECTS),)
        self.state.on_object(used[0], 4)
        number = messages.WARM_UP_IDS + self.number
        self.active.add(number)
        task = messages.Batch(number, ["w"], b"digest", [b""], objects=used)
        self.unfinished[number] = task
        self.client(messages.WarmUp(task, [COMMAND]))

    def end_warm_up(self) -> None:
        if self.active:
            number = self.random.choice(sorted(self.active))
            self.over(number)
            self.client(messages.EndWarmUps([number]))

    def drop(self) -> None:
        used = {digest for task in self.unfinished.values() for digest in task.objects}
        free = [digest for digest in OBJECTS if digest not in used]
        if free:
            self.client(messages.DropBlobs(free[:1]))

    def join(self) -> None:
        if len(self.workers) < 4:
            self.number += 1
            name = f"w{self.number}"
            digest = hashlib.sha256(b"secret").digest()
            self.client(messages.Expect(1, [messages.ExpectedWorker(name, 1, digest)]))
            self.workers[name] = Worker(name, self.number)
            hello = messages.Hello(messages.PROTOCOL, name, "secret", "a", 7, "here", "3.11")
            self.state.on_hello(self.number, hello, self.now)
            self.settle()

    def obey(self) -> None:
        worker = self.one(lambda w: bool(w.orders))
        if worker is not None:
            self.say(worker, worker.obey())

    def run(self) -> None:
        worker = self.one(lambda w: bool(w.line) and not w.undecided)
        if worker is None:
            return
        task = worker.line[0]
        self.check(worker, task)
        if self.random.random() < self.deadly:
            self.crashes += 1
            self.say(worker, worker.die())
            return
        worker.line.popleft()
        if is_warm_up(task):
            worker.warm.add(task.first)
            self.say(worker, [messages.Warmed(ended(task, Status.SUCCESS), died=False)])
        else:
            self.say(worker, [outcomes(task, Status.SUCCESS)])

    def lose(self) -> None:
        worker = self.one(lambda _: True)
        if worker is not None and self.random.random() < 0.2:
            del self.workers[worker.name]
            self.state.on_pipe_lost(worker.pipe, self.now)
            self.settle()

    # ── What must hold ─────────────────────────────────────────────────────────────────────────

    def check(self, worker: Worker, task: messages.Batch) -> None:
        if not is_warm_up(task):
            number = task.first
            assert (task.names, task.bodies) == ([f"t{number}"], [f"body {number}".encode()])
        lacking = set(task.objects) - worker.objects
        if task.first in self.unfinished:
            assert not lacking, f"{task.first} starts on {worker.name} without {lacking}"
        cold = (self.needs.get(task.first, set()) & self.active) - worker.warm
        assert not cold, f"{task.first} starts on {worker.name}, which is not warm: {cold}"

    def over(self, warm_up: int) -> None:
        self.active.discard(warm_up)
        self.unfinished.pop(warm_up, None)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def one(self, wanted: object) -> Worker | None:
        assert callable(wanted)
        found = [worker for worker in self.workers.values() if wanted(worker)]
        return self.random.choice(found) if found else None

    def client(self, message: messages.ToDispatcher) -> None:
        self.state.on_client(message, self.now)
        self.settle()

    def say(self, worker: Worker, said: list[messages.FromWorker]) -> None:
        for message in said:
            self.state.on_worker(worker.name, message, self.now)
        self.settle()

    def settle(self) -> None:
        self.now += 0.01
        self.state.on_time(self.now)
        for action in self.state.actions(self.now):
            match action:
                case actions.TellClient(messages.Finished() as message):
                    for done in message.tasks:
                        assert done.id in self.unfinished, "a second fate"
                        del self.unfinished[done.id]
                case actions.TellClient(messages.WarmUpGivenUp() as message):
                    self.over(message.id)
                case actions.TellWorker(name, order) | actions.SendObject(name, order):
                    if name in self.workers:
                        self.workers[name].orders.append(order)


def is_warm_up(task: messages.Batch) -> bool:
    return task.first >= messages.WARM_UP_IDS


def outcomes(task: messages.Batch, status: Status) -> messages.Outcomes:
    one = ended(task, status)
    return messages.Outcomes([one.id], [one.status], [one.seconds], [one.detail])


def ended(task: messages.Batch, status: Status) -> messages.Outcome:
    cause = "signal 9" if status is Status.CRASH else None
    return messages.Outcome(
        task.first, status, 0.001, codec.encode(messages.OutcomeDetail(cause=cause))
    )


@pytest.mark.parametrize("seed", range(60))
def test_every_task_finds_its_objects_and_a_warm_process(seed: int) -> None:
    world = World(seed)
    often = [world.submit, world.obey, world.obey, world.run, world.run]
    seldom = [world.join, world.warm_up, world.end_warm_up, world.drop, world.lose, world.cancel]
    for _ in range(STEPS):
        world.random.choice(often * 3 + seldom)()
    # In the end all is done: nobody waits for an answer that does not come.
    world.deadly = 0.06
    for _ in range(20 * STEPS):
        if not any(task_id < messages.WARM_UP_IDS for task_id in world.unfinished):
            break
        world.random.choice([world.join, world.obey, world.run])()
    assert [i for i in world.unfinished if i < messages.WARM_UP_IDS] == []
    assert world.crashes
