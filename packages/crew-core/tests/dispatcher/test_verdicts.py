"""How the dispatcher judges deaths, and which workers are large enough for what is tried again."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import pytest

from crew_core._dispatcher import actions
from crew_core._dispatcher.dealer import PATIENCE_SECONDS
from crew_core._dispatcher.state import DispatcherState
from crew_core._model.states import Status
from crew_core._wire import codec, messages

COMMAND = messages.Blob(b"digest", b"command")
VERDICT_SECONDS = 20.0
HEARTBEAT_SECONDS = 30.0
RECONNECT_SECONDS = 5.0


@dataclass
class Bench:
    """A dispatcher whose workers have jobs on a platform."""

    crashes_max: int = 5
    lives: tuple[float, ...] = (math.inf,)
    asks: bool = True
    now: float = 100.0
    told: list[messages.ToClient] = field(default_factory=list)
    orders: dict[str, list[messages.ToWorker]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hello = messages.ClientHello(
            messages.PROTOCOL,
            1,
            "3.11",
            messages.WorkerSettings("bench", "1"),
            messages.RetryPolicy(crashes_max=self.crashes_max),
            HEARTBEAT_SECONDS,
            platform=messages.PlatformFacts(self.lives, VERDICT_SECONDS if self.asks else 0.0),
        )
        self.state = DispatcherState(hello, RECONNECT_SECONDS)
        self._pipes: dict[str, int] = {}

    def settle(self) -> None:
        for action in self.state.actions(self.now):
            match action:
                case actions.TellClient(message):
                    self.told.append(message)
                case actions.TellWorker(instance, order):
                    self.orders.setdefault(instance, []).append(order)

    def client(self, message: messages.ToDispatcher) -> None:
        self.state.on_client(message, self.now)
        self.settle()

    def submit(self, *ids: int, seconds_expected: float | None = None) -> None:
        batches = [
            messages.Batch(i, [f"t{i}"], b"digest", [b""], seconds_expected=seconds_expected)
            for i in ids
        ]
        self.client(messages.Submit(batches, [COMMAND]))

    def worker(self, name: str, step: int = 0, seconds_left: float | None = None) -> None:
        secret = f"secret of {name}"
        digest = hashlib.sha256(secret.encode()).digest()
        self.client(messages.Expect(1, [messages.ExpectedWorker(name, 1, digest, step)]))
        pipe = self._pipes[name] = len(self._pipes) + 1
        hello = messages.Hello(
            messages.PROTOCOL, name, secret, "a", 7, "here", "3.11", seconds_left=seconds_left
        )
        self.state.on_hello(pipe, hello, self.now)
        self.settle()

    def dies(self, name: str, task: int, cause: str) -> None:
        """A task process of this worker dies."""
        detail = codec.encode(messages.OutcomeDetail(cause=cause))
        self.says(name, messages.Outcomes([task], [int(Status.CRASH)], [None], [detail]))

    def done(self, name: str, task: int) -> None:
        detail = codec.encode(messages.OutcomeDetail())
        self.says(name, messages.Outcomes([task], [0], [0.001], [detail]))

    def says(self, name: str, message: messages.FromWorker) -> None:
        self.state.on_worker(name, message, self.now)
        self.settle()

    def cut(self, name: str) -> None:
        self.state.on_pipe_lost(self._pipes[name], self.now)
        self.settle()

    def wait(self, seconds: float, *alive: str) -> None:
        for name in alive:
            self.state.on_heard(name, self.now + seconds)
        self.now += seconds
        self.state.on_time(self.now)
        self.settle()

    def platform_says(self, name: str, cause: str = "", reason: str = "") -> None:
        self.client(messages.JobsOver([messages.JobEnd(name, cause, reason)]))

    def given(self, name: str) -> list[int]:
        works = [o for o in self.orders.get(name, []) if isinstance(o, messages.Work)]
        return [i for work in works for batch in work.batches for i in batch.ids]

    def leaves(self, name: str) -> bool:
        return any(isinstance(o, messages.Leave) for o in self.orders.get(name, []))

    @property
    def crashes(self) -> list[tuple[int, str, int, int]]:
        return [
            (m.id, m.cause, m.crashes, m.step) for m in self.told if isinstance(m, messages.Crashed)
        ]

    @property
    def fates(self) -> dict[int, tuple[int, messages.OutcomeDetail]]:
        return {
            task.id: (task.status, messages.decode_detail(task.detail))
            for m in self.told
            if isinstance(m, messages.Finished)
            for task in m.tasks
        }

    @property
    def gone(self) -> dict[str, str]:
        return {m.instance: m.reason for m in self.told if isinstance(m, messages.WorkerGone)}


# ── The word of the platform ───────────────────────────────────────────────────────────────────


def test_a_silent_worker_is_gone_at_once_and_its_task_waits_for_the_platform() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.worker("other")
    bench.wait(HEARTBEAT_SECONDS + 1, "other")
    assert bench.gone == {"w": "heartbeat_lost"}
    assert (bench.crashes, bench.given("other")) == ([], [])
    bench.platform_says("w", "node_lost", "NODE_FAIL n3")
    assert bench.crashes == [(1, "node_lost", 0, 0)]
    assert bench.given("other") == [1]


def test_a_platform_that_says_nothing_leaves_it_at_what_is_known() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.wait(HEARTBEAT_SECONDS + 1)
    bench.platform_says("w")
    assert bench.crashes == [(1, "heartbeat_lost", 1, 0)]


def test_nobody_waits_for_ever_for_the_platform() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.wait(HEARTBEAT_SECONDS + 1)
    assert bench.state.next_time() <= bench.now + VERDICT_SECONDS
    bench.wait(VERDICT_SECONDS)
    assert bench.crashes == [(1, "heartbeat_lost", 1, 0)]
    bench.platform_says("w", "node_lost")  # too late
    assert len(bench.crashes) == 1


def test_where_nobody_can_be_asked_a_death_is_judged_at_once() -> None:
    bench = Bench(asks=False)
    bench.worker("w")
    bench.submit(1)
    bench.wait(HEARTBEAT_SECONDS + 1)
    assert bench.crashes == [(1, "heartbeat_lost", 1, 0)]


def test_the_platforms_word_on_a_worker_that_is_cut_off_is_the_cause() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.cut("w")
    bench.platform_says("w", "preempted", "PREEMPTED")
    assert bench.gone == {"w": "preempted"}
    assert bench.crashes == [(1, "preempted", 0, 0)]


def test_of_a_worker_that_was_told_to_end_the_platform_knows_why() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.dies("w", 1, "job_ended")
    assert bench.crashes == []
    bench.platform_says("w", "out_of_memory")
    assert bench.crashes == [(1, "out_of_memory", 1, 0)]


def test_a_platform_that_does_not_know_leaves_it_at_what_the_worker_said() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.dies("w", 1, "job_ended")
    bench.platform_says("w")
    assert bench.crashes == [(1, "job_ended", 0, 0)]


def test_a_task_that_is_cancelled_meanwhile_waits_for_no_word() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.wait(HEARTBEAT_SECONDS + 1)
    bench.client(messages.Cancel([1]))
    assert bench.fates[1][0] == Status.CANCEL
    bench.platform_says("w", "node_lost")
    assert len(bench.fates) == 1


def test_the_platforms_words_are_in_the_error() -> None:
    bench = Bench(crashes_max=1)
    bench.worker("w")
    bench.submit(1)
    bench.cut("w")
    bench.platform_says("w", "out_of_memory", "OUT_OF_MEMORY 0:125")
    status, detail = bench.fates[1]
    assert (status, detail.cause) == (Status.CRASH, "out_of_memory")
    assert "(out_of_memory: OUT_OF_MEMORY 0:125)" in (detail.error or "")


# ── What counts ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cause", ["wall_time", "preempted", "node_lost"])
def test_what_is_not_the_tasks_fault_is_no_crash_even_where_the_first_is_final(cause: str) -> None:
    bench = Bench(crashes_max=0)
    bench.worker("w")
    bench.submit(1)
    for _ in range(20):
        assert bench.fates == {}
        bench.dies("w", 1, cause)
    status, detail = bench.fates[1]
    assert (status, detail.cause) == (Status.CRASH, cause)
    assert "attempt 20 of 20 in all" in (detail.error or "")


def test_want_of_memory_counts_on_the_last_step_only() -> None:
    bench = Bench(crashes_max=1, lives=(math.inf,) * 2)
    bench.worker("small")
    bench.submit(1)
    bench.dies("small", 1, "out_of_memory")
    assert bench.crashes == [(1, "out_of_memory", 0, 1)]
    bench.worker("large", step=1)
    assert bench.given("large") == [1]
    bench.dies("large", 1, "out_of_memory")
    assert bench.fates[1][0] == Status.CRASH


# ── Steps ──────────────────────────────────────────────────────────────────────────────────────


def test_who_had_too_little_memory_leaves_and_a_larger_worker_tries_again() -> None:
    bench = Bench(lives=(math.inf,) * 3)
    bench.worker("small")
    bench.submit(1)
    bench.worker("idle")
    bench.dies("small", 1, "out_of_memory")
    assert bench.leaves("small")
    assert bench.given("idle") == []
    bench.submit(2)  # what is no trouble goes on
    assert bench.given("idle") == [2]
    bench.worker("large", step=1)
    assert bench.given("large") == [1]


def test_who_leaves_for_a_larger_one_gives_back_what_it_has_not_started() -> None:
    bench = Bench(lives=(math.inf,) * 2)
    bench.worker("small")
    bench.submit(1)
    bench.done("small", 1)
    bench.client(
        messages.Submit([messages.Batch(2, ["a", "b", "c"], b"digest", [b""] * 3)], [COMMAND])
    )
    assert bench.given("small") == [1, 2, 3, 4]
    bench.dies("small", 2, "out_of_memory")
    assert not bench.leaves("small")
    bench.says("small", messages.Returned([3, 4]))
    assert bench.leaves("small")
    bench.worker("other")
    assert bench.given("other")[0] == 3


def test_other_deaths_send_a_task_to_anybody() -> None:
    bench = Bench(lives=(math.inf,) * 2)
    bench.worker("w")
    bench.submit(1)
    bench.dies("w", 1, "signal 11")
    assert bench.crashes == [(1, "signal 11", 1, 0)]
    assert (bench.given("w"), bench.leaves("w")) == ([1, 1], False)


def test_want_of_time_is_met_by_a_step_that_lives_longer_if_there_is_one() -> None:
    bench = Bench(lives=(60.0, 60.0, 3600.0))
    bench.worker("w")
    bench.submit(1)
    bench.dies("w", 1, "wall_time")
    assert bench.crashes == [(1, "wall_time", 0, 2)]
    same = Bench(lives=(60.0, 60.0))
    same.worker("w")
    same.submit(1)
    same.dies("w", 1, "wall_time")
    assert same.crashes == [(1, "wall_time", 0, 0)]


def test_what_expects_to_take_long_waits_for_a_step_that_lives_long() -> None:
    bench = Bench(lives=(60.0, 3600.0))
    bench.worker("small", seconds_left=54.0)
    bench.submit(1, seconds_expected=600.0)
    bench.submit(2, seconds_expected=30.0)
    assert bench.given("small") == [2]
    bench.worker("large", step=1, seconds_left=3570.0)
    assert bench.given("large") == [1]


def test_room_is_made_by_those_that_are_idle_and_too_small() -> None:
    bench = Bench(lives=(math.inf,) * 2)
    for name in ("busy", "idle", "larger"):
        bench.worker(name, step=int(name == "larger"))
    bench.submit(1, 2, 3)
    for name, task in (("idle", bench.given("idle")[0]), ("larger", bench.given("larger")[0])):
        bench.done(name, task)
    bench.client(messages.MakeRoom(1, 5))
    assert [name for name in ("busy", "idle", "larger") if bench.leaves(name)] == ["idle"]


# ── Time left ──────────────────────────────────────────────────────────────────────────────────


def test_an_idle_worker_may_leave_while_only_what_is_too_long_for_it_waits() -> None:
    bench = Bench()
    bench.worker("w", seconds_left=10.0)
    bench.submit(1)
    bench.done("w", 1)
    bench.submit(2, seconds_expected=60.0)
    bench.says("w", messages.AskLeave("idle", must=False))
    assert bench.leaves("w")


def test_who_is_idle_and_too_old_for_all_that_waits_makes_room() -> None:
    bench = Bench()
    bench.worker("w", seconds_left=10.0)
    bench.submit(1)
    bench.done("w", 1)
    bench.submit(2, seconds_expected=60.0)
    assert bench.state.next_time() <= bench.now + PATIENCE_SECONDS
    bench.wait(PATIENCE_SECONDS)
    assert bench.leaves("w")


def test_who_has_just_become_idle_stays_when_another_is_idle_for_long() -> None:
    bench = Bench()
    bench.worker("early", seconds_left=10.0)
    bench.submit(1, seconds_expected=60.0)
    bench.wait(PATIENCE_SECONDS - 1)
    bench.worker("late", seconds_left=10.0)
    bench.wait(1.0)
    assert [name for name in ("early", "late") if bench.leaves(name)] == ["early"]
    bench.wait(PATIENCE_SECONDS)
    assert bench.leaves("late")


def test_patience_begins_anew_when_nothing_waited_meanwhile() -> None:
    bench = Bench()
    bench.worker("old", seconds_left=10.0)
    bench.submit(1, seconds_expected=60.0)
    bench.worker("young", seconds_left=100.0)
    assert bench.given("young") == [1]
    bench.wait(PATIENCE_SECONDS, "old", "young")
    bench.submit(2, seconds_expected=60.0)
    assert not bench.leaves("old")


def test_a_fresh_worker_whose_job_is_too_short_is_a_futile_launch() -> None:
    bench = Bench()
    bench.worker("w", seconds_left=10.0)
    bench.submit(1, seconds_expected=60.0)
    bench.wait(PATIENCE_SECONDS)
    assert bench.leaves("w")
    bench.cut("w")
    assert bench.gone["w"].startswith("cannot")


def test_a_task_that_expects_a_whole_life_finds_a_fresh_worker() -> None:
    bench = Bench(lives=(3600.0,))
    bench.worker("w", seconds_left=3500.0)  # some time has gone until it could say so
    bench.submit(1, seconds_expected=3600.0)
    assert bench.given("w") == [1]


def test_the_client_is_told_how_long_a_worker_stays() -> None:
    bench = Bench()
    bench.worker("w", seconds_left=77.0)
    (online,) = (m for m in bench.told if isinstance(m, messages.WorkerOnline))
    assert online.seconds_left == 77.0
