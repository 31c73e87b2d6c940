"""Workers that were let in and say anything: others' work goes on, and each task has one fate.

They say it in messages, as they do to the loop: what does not decode, or decodes to what no worker
says, costs the worker its place. A failure is shown as the steps that lead to it.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crew_core._dispatcher import actions
from crew_core._dispatcher.ledger import Place
from crew_core._dispatcher.state import DispatcherState
from crew_core._model.states import Status
from crew_core._wire import codec, messages

COMMAND = messages.Blob(b"digest", b"command")
HOSTILE = ("h0", "h1", "h2")
HONEST = "honest"
WARM = messages.WARM_UP_IDS

raw: Callable[[object], bytes] = msgspec.msgpack.encode

odd_ids = st.sampled_from([-(2**63), -1, 0, 2**31, 2**53 + 1, WARM, WARM + 99, 2**64 - 1])
statuses = st.sampled_from([*Status, 1, 77, -(2**63), 2**64 - 1, None])
durations = st.one_of(
    st.none(), st.floats(), st.sampled_from([math.nan, math.inf, -1.0, 5e-324, 0.0, 1e300])
)
details = st.one_of(
    st.binary(max_size=8),
    st.builds(
        lambda cause: codec.encode(messages.OutcomeDetail(cause=cause)),
        st.sampled_from([None, "crash", "preempted", "x" * 1000]),
    ),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), odd_ids, st.floats(), st.text(max_size=5), details),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


class HostileWorkers(RuleBasedStateMachine):
    """One worker does its work, others say anything, and the client knows of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.submitted = 0
        self.finished: dict[int, int] = {}
        self.pipes: dict[str, int] = {}  # of those that are connected
        self.links: set[str] = set()
        self.next_pipe = 1
        self.launched: list[str] = []
        self.warm_ups = 0
        self.orders: deque[messages.ToWorker] = deque()  # of the honest worker
        self.line: deque[int] = deque()

    @initialize(reconnect=st.sampled_from([0.0, 5.0]), crashes_max=st.integers(0, 3))
    def begin(self, reconnect: float, crashes_max: int) -> None:
        hello = messages.ClientHello(
            messages.PROTOCOL,
            1,
            "3.11",
            messages.WorkerSettings("fuzz", "1"),
            messages.RetryPolicy(crashes_max=crashes_max),
            seconds_heartbeat=30.0,
        )
        self.state = DispatcherState(hello, reconnect)
        for name in (HONEST, *HOSTILE):
            self.launch(name)

    def launch(self, name: str) -> None:
        digest = hashlib.sha256(f"secret of {name}".encode()).digest()
        self.state.on_client(messages.Expect(1, [messages.ExpectedWorker(name, 1, digest)]), 0.0)
        self.launched.append(name)
        self.dial(name)

    def dial(self, name: str, secret: str | None = None, life: str = "a") -> None:
        pipe, self.next_pipe = self.next_pipe, self.next_pipe + 1
        hello = messages.Hello(
            messages.PROTOCOL,
            name,
            f"secret of {name}" if secret is None else secret,
            life,
            7,
            "here",
            "3.11",
        )
        self.state.on_hello(pipe, hello, self.now)
        self.settle()

    def settle(self) -> None:
        for action in self.state.actions(self.now):
            self.act(action)

    def act(self, action: actions.Action) -> None:
        match action:
            case actions.TellClient(messages.Finished() as message):
                for task in message.tasks:
                    assert task.id not in self.finished, "a second fate"
                    assert 0 <= task.id < self.submitted, "a fate of what was never pushed"
                    self.finished[task.id] = Status(task.status)
            case actions.TellClient(message):
                codec.encode(message)
            case actions.TellWorker(instance, order):
                assert instance in self.links, "an order for one of whom nothing is known"
                messages.decode_to_worker(codec.encode(order))
                if instance == HONEST:
                    self.orders.append(order)
            case actions.Admit(pipe, instance):
                self.pipes[instance] = pipe
                self.links.add(instance)
            case actions.HangUp(instance):
                self.links.discard(instance)
                self.pipes.pop(instance, None)

    # ── The client ─────────────────────────────────────────────────────────────────────────────

    @rule(count=st.integers(1, 5), priority=st.integers(0, 1), limit=st.none() | st.just(3.0))
    def submit(self, count: int, priority: int, limit: float | None) -> None:
        first, self.submitted = self.submitted, self.submitted + count
        names, bodies = [str(first + i) for i in range(count)], [b""] * count
        batch = messages.Batch(
            first, names, COMMAND.digest, bodies, priority=priority, seconds_queue=limit
        )
        self.state.on_client(messages.Submit([batch], [COMMAND]), self.now)
        self.settle()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        assume(self.submitted)
        ids = data.draw(st.lists(st.integers(0, self.submitted - 1), max_size=3))
        self.state.on_client(messages.Cancel(ids), self.now)
        self.settle()

    @rule()
    def warm_up(self) -> None:
        self.warm_ups += 1
        task = messages.Batch(WARM + self.warm_ups, ["warm"], COMMAND.digest, [b""])
        self.state.on_client(messages.WarmUp(task, [COMMAND]), self.now)
        self.settle()

    @rule(which=st.integers(1, 3))
    def end_warm_up(self, which: int) -> None:
        self.state.on_client(messages.EndWarmUps([WARM + which]), self.now)
        self.settle()

    @rule()
    def inspect(self) -> None:
        self.state.on_client(messages.Inspect(1), self.now)
        self.settle()

    @rule(seconds=st.sampled_from([0.01, 1.0, 4.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if HONEST in self.pipes:
            self.state.on_heard(HONEST, self.now)
        self.state.on_time(self.now)
        self.settle()

    # ── The honest worker ──────────────────────────────────────────────────────────────────────

    @rule()
    def obey(self) -> None:
        if self.orders:
            self.obey_one(self.orders.popleft())

    def obey_one(self, order: messages.ToWorker) -> None:
        match order:
            case messages.Work():
                self.line.extend(i for batch in order.batches for i in batch.ids)
            case messages.WarmUps():
                for task in order.tasks:
                    done = messages.Outcome(task.first, Status.SUCCESS, 0.1, b"")
                    self.tell(messages.Warmed(done, died=False))
            case messages.Recall():
                back = [i for i in list(self.line)[1:] if i in order.ids]
                self.line = deque(i for i in self.line if i not in back)
                self.tell(messages.Returned(back))
            case messages.CancelTasks():
                for i in [i for i in self.line if i in order.ids]:
                    self.line.remove(i)
                    self.end(i, Status.CANCEL)

    @rule()
    def finish_one(self) -> None:
        if self.line:
            self.end(self.line.popleft(), Status.SUCCESS)

    def end(self, task_id: int, status: Status) -> None:
        detail = codec.encode(messages.OutcomeDetail())
        self.tell(messages.Outcomes([task_id], [status], [0.001], [detail]))

    def tell(self, message: messages.FromWorker) -> None:
        self.hear(HONEST, codec.encode(message))
        assert HONEST in self.links, "an honest worker was given up"

    # ── The others ─────────────────────────────────────────────────────────────────────────────

    def hear(self, name: str, payload: bytes) -> None:
        """As the loop does."""
        try:
            message = messages.decode_from_worker(payload)
            self.state.on_heard(name, self.now)
            self.state.on_worker(name, message, self.now)
        except codec.MalformedMessageError:
            self.state.on_nonsense(name)
        self.settle()

    def ids(self, name: str) -> st.SearchStrategy[Any]:
        """What it was given, what it was not, and what nobody ever was."""
        instance = self.state._instances.get(name)
        held = [] if instance is None else list(instance.assigned)
        mine = [st.sampled_from(held)] if held else []
        return st.one_of(*mine, st.integers(0, self.submitted + 1), odd_ids)

    @rule(name=st.sampled_from(HOSTILE), data=st.data())
    def say_outcomes(self, name: str, data: st.DataObject) -> None:
        ids = data.draw(st.lists(self.ids(name), max_size=4))
        size = st.just(len(ids)) if data.draw(st.booleans()) else st.integers(0, 5)

        def column(values: st.SearchStrategy[Any]) -> list[Any]:
            count = data.draw(size)
            return data.draw(st.lists(values, min_size=count, max_size=count))

        odd = data.draw(st.integers(0, 7))  # of three things each may be odd, or all, or none
        columns = [
            column(statuses if odd & 1 else st.sampled_from(list(Status))),
            column(durations if odd & 2 else st.floats(0, 10)),
            column(details),
        ]
        segments = data.draw(st.dictionaries(self.ids(name), st.lists(st.text(max_size=3))))
        self.say(name, ["Outcomes", ids, *columns, segments if odd & 4 else {}])

    @rule(name=st.sampled_from(HOSTILE), kind=st.sampled_from(["Returned", "Warming"]), d=st.data())
    def say_ids(self, name: str, kind: str, d: st.DataObject) -> None:
        self.say(name, [kind, d.draw(st.lists(self.ids(name), max_size=4))])

    @rule(name=st.sampled_from(HOSTILE), data=st.data(), died=st.booleans())
    def say_warmed(self, name: str, data: st.DataObject, died: bool) -> None:
        warm = st.integers(WARM, WARM + 3) | self.ids(name)
        outcome = [data.draw(s) for s in (warm, statuses, durations, details)]
        self.say(name, ["Warmed", outcome, died])

    @rule(name=st.sampled_from(HOSTILE), must=st.booleans(), reason=st.text(max_size=5))
    def ask_leave(self, name: str, must: bool, reason: str) -> None:
        self.say(name, ["AskLeave", reason, must])

    @rule(name=st.sampled_from(HOSTILE))
    def say_hello_again(self, name: str) -> None:
        hello = messages.Hello(messages.PROTOCOL, name, "?", "b", 1, "there", "2.7")
        self.hear(name, codec.encode(hello))

    @rule(name=st.sampled_from(HOSTILE), content=anything)
    def say_anything(self, name: str, content: object) -> None:
        kind = "Outcomes" if isinstance(content, list) else "AskLeave"
        self.say(name, [kind, *content] if isinstance(content, list) else content)

    @rule(name=st.sampled_from(HOSTILE), content=st.binary(max_size=40))
    def say_bytes(self, name: str, content: bytes) -> None:
        self.hear(name, content)

    def say(self, name: str, content: object) -> None:
        self.hear(name, raw(content))

    @rule(
        name=st.sampled_from([HONEST, *HOSTILE, "nobody"]),
        secret=st.sampled_from(["guess", ""]),
        life=st.sampled_from(["a", "b"]),
    )
    def knock(self, name: str, secret: str, life: str) -> None:
        self.dial(name, secret, life)

    @rule(name=st.sampled_from(HOSTILE), life=st.sampled_from(["a", "b"]))
    def come_back(self, name: str, life: str) -> None:
        self.dial(name, life=life)

    @rule(name=st.sampled_from(HOSTILE))
    def hang_up(self, name: str) -> None:
        pipe = self.pipes.pop(name, None)
        if pipe is not None:
            self.state.on_pipe_lost(pipe, self.now)
            self.settle()

    @rule(position=st.integers(0, len(HOSTILE) - 1))
    def replace(self, position: int) -> None:
        """A new launch under a name that is no more."""
        name = HOSTILE[position]
        if name not in self.links:
            self.launch(name)

    # ── What must be ───────────────────────────────────────────────────────────────────────────

    @invariant()
    def each_task_is_in_one_place(self) -> None:
        if not hasattr(self, "state"):
            return
        state = self.state
        left = [i for i in range(self.submitted) if i not in self.finished]
        assert len(state._ledger) == len(left)
        queued = 0
        holders = {i: w.id for w in state._instances.living() for i in w.assigned}
        assert len(holders) == sum(len(w.assigned) for w in state._instances.living())
        for i in left:
            entry = state._ledger.get(i)
            assert entry is not None
            if entry.place is Place.QUEUED:
                queued += 1
                assert i not in holders, "queued, and yet with a worker"
            else:
                assert holders[i] == entry.instance, "with nobody, or with another"
        assert queued == len(state._queue)

    def teardown(self) -> None:
        """The hostile leave, and all that is left is done by the honest one."""
        if not hasattr(self, "state"):
            return
        for name in HOSTILE:
            self.hang_up(name)
        self.now += 20.0
        self.state.on_heard(HONEST, self.now)
        for _ in range(50 * (self.submitted + 1)):
            self.state.on_time(self.now)
            self.settle()
            self.obey()
            self.finish_one()
            self.now += 0.01
            self.state.on_heard(HONEST, self.now)
            if len(self.finished) == self.submitted:
                break
        assert len(self.finished) == self.submitted, "work that nobody does"


HostileWorkers.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestHostileWorkers = pytest.mark.timeout(300)(HostileWorkers.TestCase)
