"""Batches must not cost time: the makespan of a virtual fleet, beside that of one by one.

The dispatcher's logic runs on a virtual clock. Its workers are modelled as they are: messages take
a while, outcomes are gathered while more tasks run, and only what has not started is given back.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable
from itertools import count

import pytest

from crew_core._dispatcher import actions
from crew_core._dispatcher.state import DispatcherState
from crew_core._model.states import Status
from crew_core._wire import codec, messages

SHORT, LONG = 0.001, 2.0
MESSAGE_SECONDS = 0.0002  # from process to process
AROUND_SECONDS = 0.00002  # what a worker does around each task
GATHER_SECONDS = 0.05  # outcomes wait no longer than this for others
DETAIL = codec.encode(messages.OutcomeDetail())


class Worker:
    """Runs one task after the other, and tells of them as supervisors do."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.name = name
        self.starts: list[tuple[int, float]] = []
        self._fleet = fleet
        self._line: deque[int] = deque()
        self._running: int | None = None
        self._done: list[tuple[int, float]] = []
        self._done_since = 0.0

    def obey(self, order: messages.ToWorker) -> None:
        """Take an order that has arrived."""
        if isinstance(order, messages.Work):
            self._line.extend(i for batch in order.batches for i in batch.ids)
            if self._running is None:
                self._start()
        elif isinstance(order, messages.Recall):
            asked = set(order.ids)
            back = [i for i in self._line if i in asked]
            self._line = deque(i for i in self._line if i not in asked)
            self._fleet.tell(self, messages.Returned(back))

    def _start(self) -> None:
        self._running = task = self._line.popleft()
        self.starts.append((task, self._fleet.now))
        self._fleet.after(self._fleet.seconds[task] + AROUND_SECONDS, self._end)

    def _end(self) -> None:
        assert self._running is not None
        if not self._done:
            self._done_since = self._fleet.now
            self._fleet.after(GATHER_SECONDS, self._report)
        self._done.append((self._running, self._fleet.seconds[self._running]))
        self._running = None
        if self._line:
            self._start()
        self._report()

    def _report(self) -> None:
        """Tell what is done, when it is half of all, or late."""
        if not self._done:
            return
        late = self._fleet.now >= self._done_since + GATHER_SECONDS
        if not late and len(self._done) < len(self._line) + (self._running is not None):
            return
        fleet = self._fleet
        ids, seconds = map(list, zip(*self._done, strict=True))
        self._done.clear()
        n = len(ids)
        fleet.tell(self, messages.Outcomes(ids, [Status.SUCCESS] * n, seconds, [DETAIL] * n))


class Fleet:
    """A dispatcher and its workers, on a clock that jumps from event to event.

    Args:
        seconds: how long each task takes, in the order of submission.
        commands: which command each task has; one for all unless given.
    """

    def __init__(self, seconds: list[float], workers: int, commands: list[bytes] | None = None):
        self.now = 100.0
        self.seconds = seconds
        self.commands = commands or [b"command"] * len(seconds)
        self.unfinished = set(range(len(seconds)))
        self.ended_at = self.now
        self.messages = 0  # that carried tasks
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        hello = messages.ClientHello(
            messages.PROTOCOL,
            1,
            "3.11",
            messages.WorkerSettings("fleet", "1"),
            messages.RetryPolicy(),
            1e9,
        )
        self._state = DispatcherState(hello, seconds_reconnect=0.0)
        self.workers = {name: Worker(self, name) for name in (f"w{i}" for i in range(workers))}
        for pipe, name in enumerate(self.workers):
            self._let_in(pipe, name)

    def run(self) -> float:
        """Submit the tasks and see them through; the makespan in seconds."""
        began = self.now
        self._submit()
        self._settle()
        while self.unfinished:
            self._step()
        return self.ended_at - began

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen later."""
        heapq.heappush(self._events, (self.now + seconds, next(self._order), act))

    def tell(self, worker: Worker, message: messages.FromWorker) -> None:
        """A worker's word to the dispatcher sets out."""

        def arrive() -> None:
            self._state.on_worker(worker.name, message, self.now)
            self._settle()

        self.after(MESSAGE_SECONDS, arrive)

    def _let_in(self, pipe: int, name: str) -> None:
        digest = hashlib.sha256(b"secret").digest()
        self._state.on_client(
            messages.Expect(1, [messages.ExpectedWorker(name, 1, digest)]), self.now
        )
        hello = messages.Hello(messages.PROTOCOL, name, "secret", "life", 1, "here", "3.11")
        self._state.on_hello(pipe, hello, self.now)

    def _submit(self) -> None:
        blobs = [messages.Blob(digest, b"") for digest in sorted(set(self.commands))]
        batches: list[messages.Batch] = []
        first = 0
        for stop in range(1, len(self.seconds) + 1):
            full = stop - first == messages.SUBMIT_TASKS or stop == len(self.seconds)
            if full or self.commands[stop] != self.commands[first]:
                n = stop - first
                batches.append(messages.Batch(first, [""] * n, self.commands[first], [b""] * n))
                first = stop
        self._state.on_client(messages.Submit(batches, blobs), self.now)

    def _step(self) -> None:
        wake = self._state.next_time()
        if self._events and self._events[0][0] <= wake:
            self.now, _, act = heapq.heappop(self._events)
            act()
        else:
            assert wake < float("inf"), f"nothing will happen, and {self.unfinished} wait"
            self.now = wake
            self._state.on_time(self.now)
            self._settle()

    def _settle(self) -> None:
        for action in self._state.actions(self.now):
            if isinstance(action, actions.TellWorker):
                self.messages += isinstance(action.message, messages.Work)
                self._send(self.workers[action.instance], action.message)
                continue
            told = action.message if isinstance(action, actions.TellClient) else None
            if isinstance(told, messages.Finished):
                self.unfinished.difference_update(told.ids)
                self.ended_at = self.now

    def _send(self, worker: Worker, order: messages.ToWorker) -> None:
        self.after(MESSAGE_SECONDS, lambda: worker.obey(order))


def ideal(seconds: list[float], workers: int) -> float:
    """The makespan when each task goes to the first free worker, in order and at once."""
    free = [0.0] * workers
    for task in seconds:
        heapq.heapreplace(free, free[0] + task)
    return max(free)


def mixed(seed: int, workers: int) -> list[float]:
    """Five long tasks for each worker, among many short ones."""
    tasks = [LONG] * (5 * workers) + [SHORT] * 2000
    random.Random(seed).shuffle(tasks)
    return tasks


ORDERS: dict[str, Callable[[int], list[float]]] = {
    "long ones first": lambda w: [LONG] * w + [SHORT] * 4000,
    "long ones last": lambda w: [SHORT] * 4000 + [LONG] * w,
    "two long ones at the very end": lambda _: [SHORT] * 4000 + [LONG] * 2,
    "one long one among many": lambda _: [SHORT] * 1000 + [LONG] + [SHORT] * 4000,
    "a row of long ones among many": lambda w: [SHORT] * 1000 + [LONG] * w + [SHORT] * 6000,
    "turn and turn about": lambda w: [SHORT, LONG] * (5 * w),
    "mixed": lambda w: mixed(1, w),
    "mixed otherwise": lambda w: mixed(2, w),
}


@pytest.mark.parametrize("commands", ["one command", "two commands"])
@pytest.mark.parametrize("workers", [2, 3, 8, 20])
@pytest.mark.parametrize("order", ORDERS)
def test_short_and_long_tasks_take_hardly_longer_than_one_by_one(
    order: str, workers: int, commands: str
) -> None:
    seconds = ORDERS[order](workers)
    kinds = [b"long" if s == LONG else b"short" for s in seconds]
    fleet = Fleet(seconds, workers, kinds if commands == "two commands" else None)
    assert fleet.run() <= 1.1 * ideal(seconds, workers)


def test_short_tasks_travel_together_all_the_same() -> None:
    fleet = Fleet(ORDERS["a row of long ones among many"](8), 8)
    fleet.run()
    assert fleet.messages < len(fleet.seconds) / 5


@pytest.mark.parametrize("behind", [0, 3000])
def test_no_long_task_waits_behind_another_while_a_worker_could_run_it(behind: int) -> None:
    row = range(500, 504)
    fleet = Fleet([SHORT] * 500 + [10.0] * len(row) + [SHORT] * behind, workers=4)
    fleet.run()
    starts = {task: at for worker in fleet.workers.values() for task, at in worker.starts}
    first, *_, last = sorted(starts[task] for task in row)
    assert last - first < 0.5


@pytest.mark.parametrize("seconds", [0.00001, 0.0002, 0.005, 0.05, 0.3])
@pytest.mark.parametrize("workers", [2, 20])
def test_tasks_that_are_all_alike_keep_all_workers_busy(seconds: float, workers: int) -> None:
    tasks = [seconds] * (300 * workers)
    fleet = Fleet(tasks, workers)
    best = ideal([s + AROUND_SECONDS for s in tasks], workers)
    assert fleet.run() <= 1.03 * best + 0.02
