"""The dispatcher's logic, without sockets, clock or processes."""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from crew_core._dispatcher import actions
from crew_core._dispatcher.assignment import AHEAD_TASKS, HOARD_SECONDS
from crew_core._dispatcher.state import DispatcherState
from crew_core._model.states import Status
from crew_core._wire import codec, messages

COMMAND = messages.Blob(b"digest", b"command")


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


def test_a_task_goes_to_a_worker_and_its_outcome_to_the_client() -> None:
    bench = Bench()
    bench.submit(1)
    bench.worker("w")
    assert bench.given("w") == [1]
    bench.done("w", 1)
    assert bench.finished[1].status == Status.SUCCESS
    assert bench.finished[1].attempts == 1


def test_a_command_is_sent_to_each_worker_once() -> None:
    bench = Bench()
    bench.worker("w")
    for i in (1, 2):
        bench.submit(i)
        bench.done("w", i)
    blobs = [o.blobs for o in bench.orders["w"] if isinstance(o, messages.Work)]
    assert blobs == [[COMMAND], []]


def test_larger_priority_goes_first_and_equals_in_order_of_submission() -> None:
    bench = Bench()
    bench.submit(1, 2)
    bench.client(messages.Submit([messages.Batch(3, ["t3"], b"digest", [b""], priority=5)], []))
    bench.worker("w")
    assert bench.given("w") == [3]
    bench.done("w", 3)
    assert bench.given("w") == [3, 1, 2]


def test_quick_tasks_are_handed_out_in_batches_that_leave_the_other_worker_its_share() -> None:
    bench = Bench()
    bench.worker("a")
    bench.worker("b")
    bench.submit(0)
    first = "a" if bench.given("a") else "b"
    bench.done(first, 0)
    bench.submit(*range(1, 101))
    assert 10 < len(bench.given("a")) < 90
    assert 10 < len(bench.given("b")) < 90


def test_among_many_idle_workers_tiny_tasks_are_not_spread_thinner_than_a_message_is_worth() -> (
    None
):
    bench = Bench()
    names = [f"w{i}" for i in range(100)]
    for name in names:
        bench.worker(name)
    bench.submit(0)
    bench.done(next(name for name in names if bench.given(name)), 0)
    bench.submit(*range(1, 101))
    shares = [len(bench.given(name)) for name in names if bench.given(name)]
    assert 1 < len(shares) < 20


def test_no_worker_is_ever_sent_more_than_the_most_ahead() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)
    bench.submit(*range(1, 5000))
    assert len(bench.given("w")) <= AHEAD_TASKS + 1


def test_a_lone_task_goes_to_an_idle_worker_only_if_that_may_have_it() -> None:
    bench = Bench(tasks_max=1)
    for name in ("w1", "w2"):
        bench.worker(name)
    bench.submit(1)
    assert bench.given("w2") == [1]
    bench.done("w2", 1)
    bench.submit(2)
    bench.submit(3)
    assert bench.given("w1") == [2]
    bench.worker("w3")
    assert bench.given("w3") == [3]


def test_the_most_recently_busy_worker_gets_the_next_task() -> None:
    bench = Bench()
    for name in ("a", "b", "c"):
        bench.worker(name)
    bench.submit(1)
    busy = next(n for n in ("a", "b", "c") if bench.given(n))
    bench.done(busy, 1)
    bench.submit(2)
    assert bench.given(busy) == [1, 2]


def test_hoarded_tasks_are_called_back_for_an_idle_worker() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.submit(1, 2, 3, 4)
    assert bench.given("a") == [0, 1, 2, 3, 4]
    bench.worker("b")
    bench.wait(2 * HOARD_SECONDS)
    recall = bench.orders["a"][-1]
    assert isinstance(recall, messages.Recall)
    assert 1 not in recall.ids
    bench.says("a", messages.Returned(recall.ids))
    assert bench.given("b") == recall.ids


def hoarders(bench: Bench) -> tuple[str, str]:
    """Two workers that hold several tasks each; the first holds more."""
    for name in ("a", "b"):
        bench.worker(name)
    bench.submit(0)
    (quick,) = [name for name in ("a", "b") if bench.given(name)]
    bench.done(quick, 0, seconds=0.005)
    bench.submit(*range(1, 7))
    other = "b" if quick == "a" else "a"
    assert len(bench.given(quick)) - 1 > len(bench.given(other)) > 1
    return quick, other


def asked(bench: Bench, *names: str) -> list[str]:
    """Those of them that were asked for tasks."""
    return [n for n in names if any(isinstance(o, messages.Recall) for o in bench.orders[n])]


def test_who_made_no_progress_for_longest_is_asked_for_tasks_first() -> None:
    bench = Bench()
    richer, stuck = hoarders(bench)
    bench.now += HOARD_SECONDS / 2
    bench.done(richer, bench.given(richer)[-1])
    bench.worker("idle")
    bench.wait(HOARD_SECONDS * 0.75)
    assert asked(bench, richer, stuck) == [stuck]


def test_one_that_does_not_answer_does_not_keep_others_from_being_asked() -> None:
    bench = Bench()
    hoarders(bench)
    bench.worker("idle")
    bench.wait(2 * HOARD_SECONDS)
    assert len(asked(bench, "a", "b")) == 1
    assert bench.state.next_time() == pytest.approx(bench.now + HOARD_SECONDS)
    bench.wait(HOARD_SECONDS)
    assert asked(bench, "a", "b") == ["a", "b"]
    # From now on the dispatcher sleeps until there is an answer.
    assert bench.state.next_time() > bench.now + 1


def test_an_idle_dispatcher_sleeps_until_a_worker_may_have_been_silent_for_too_long() -> None:
    bench = Bench()
    bench.worker("w")
    assert bench.state.next_time() == bench.now + 30.0
    bench.now += 20.0
    bench.state.on_heard("w", bench.now)
    bench.wait(10.0)
    assert bench.state.next_time() == bench.now + 20.0
    bench.wait(20.0)
    assert bench.told[-1] == messages.WorkerGone("w", False, "heartbeat_lost", 0)
    assert bench.state.next_time() == float("inf")


def test_many_silent_workers_take_few_looks() -> None:
    bench = Bench()
    for i in range(100):
        bench.now += 0.01
        bench.worker(f"w{i}")
    looks = 0
    while bench.state.next_time() < float("inf"):
        bench.now = bench.state.next_time()
        bench.wait(0.0)
        looks += 1
    assert looks < 5
    assert len([m for m in bench.told if isinstance(m, messages.WorkerGone)]) == 100


def steps(act: Callable[[], None]) -> int:
    """How many functions are called."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # what others left behind is not to end here
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize("busy", [False, True])
def test_a_turn_costs_the_same_however_many_workers_there_are(busy: bool) -> None:
    costs = []
    for others in (10, 10, 1000):  # the first one fills caches
        bench = Bench()
        bench.worker("w")
        for i in range(others):
            bench.worker(f"w{i}")
        if busy:
            bench.submit(*range(1, others + 2))
        bench.wait(0.001)

        def turn(bench: Bench = bench, last: str = f"w{others - 1}") -> None:
            bench.submit(9000)
            name = next(name for name in ("w", last) if bench.given(name))
            bench.done(name, bench.given(name)[-1])
            bench.wait(0.001)
            bench.state.next_time()

        costs.append(steps(turn))
    assert costs[1] == costs[2]


def test_the_coming_and_going_of_a_worker_cost_the_same_however_many_there_are() -> None:
    costs = []
    for others in (10, 1000):
        bench = Bench()
        pipes = [bench.worker(f"w{i}") for i in range(others)]
        bench.expect("last")
        coming = steps(lambda bench=bench: bench.hello("last"))  # type: ignore[misc]  # the loop's own
        going = steps(lambda bench=bench, pipe=pipes[-1]: bench.cut(pipe))  # type: ignore[misc]
        costs.append(coming + going)
    assert costs[1] < costs[0] * 1.5


def test_a_turn_costs_the_same_however_many_workers_are_too_old_for_what_waits() -> None:
    costs = []
    for others in (10, 1000):
        bench = Bench(seconds_wall=100.0)
        for i in range(others):
            bench.worker(f"w{i}")
        bench.submit(1, seconds_expected=500.0)
        costs.append(steps(lambda bench=bench: bench.wait(0.001)))  # type: ignore[misc]  # the loop's own
    assert costs[1] < costs[0] * 1.5


def test_a_worker_that_was_too_old_for_what_waits_takes_what_comes() -> None:
    bench = Bench(seconds_wall=100.0)
    bench.worker("w")
    bench.submit(1, seconds_expected=500.0)
    bench.wait(0.001)
    assert bench.given("w") == []
    bench.submit(2)
    assert bench.given("w") == [2]


def test_a_task_that_was_never_started_is_put_back_without_counting_a_crash() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.submit(1, 2)
    bench.cut(pipe)
    assert bench.finished[1].status == Status.CRASH
    assert 2 not in bench.finished
    bench.worker("b")
    bench.done("b", 2)
    assert bench.finished[2].attempts == 1


def test_a_crashed_task_is_tried_again_before_the_others() -> None:
    bench = Bench()
    pipe = bench.worker("a")
    bench.submit(1)
    bench.submit(2)
    bench.cut(pipe)
    crashed = [m for m in bench.told if isinstance(m, messages.Crashed)]
    assert [(c.id, c.instance) for c in crashed] == [(1, "a")]
    bench.worker("b")
    assert bench.given("b")[0] == 1


@pytest.mark.parametrize(("crashes_max", "attempts"), [(0, 1), (1, 1), (2, 2), (5, 5)])
def test_the_last_crash_is_the_tasks_fate(crashes_max: int, attempts: int) -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=crashes_max))
    bench.worker("w")
    bench.submit(1)
    for _ in range(attempts):
        assert 1 not in bench.finished
        bench.done("w", 1, status=Status.CRASH, cause="signal 11")
    assert bench.finished[1].status == Status.CRASH
    assert bench.finished[1].attempts == attempts
    assert messages.decode_detail(bench.finished[1].detail).cause == "signal 11"


def test_crashes_counted_before_under_the_same_name_count_on() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1, crashes=4)
    bench.done("w", 1, status=Status.CRASH)
    assert bench.finished[1].status == Status.CRASH


def test_a_task_whose_crashes_are_used_up_is_given_back_for_the_backup() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=2, backup=True))
    bench.worker("w")
    bench.submit(1, priority=3)
    bench.done("w", 1, status=Status.CRASH, cause="exit 3")
    bench.done("w", 1, status=Status.CRASH, cause="exit 4")
    assert bench.finished == {}
    (spent,) = [m for m in bench.told if isinstance(m, messages.Spent)]
    assert (spent.instance, spent.crashes) == ("w", 2)
    assert (spent.task.first, spent.task.priority, spent.blob) == (1, 3, COMMAND)
    assert (spent.finished.status, spent.finished.attempts) == (Status.CRASH, 2)
    assert messages.decode_detail(spent.finished.detail).cause == "exit 4"
    bench.client(messages.Cancel([1]))  # it is not here any more
    assert bench.finished == {}


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (messages.RetryPolicy(crashes_max=0, backup=True), 0),
        (messages.RetryPolicy(crashes_max=1, backup=True, retry_tasks=False), 0),
        (messages.RetryPolicy(crashes_max=1, backup=True), 19),  # tried 20 times in all
    ],
)
def test_a_crash_may_be_final_though_there_is_a_backup(
    policy: messages.RetryPolicy, attempts: int
) -> None:
    bench = Bench(retry=policy)
    bench.worker("w")
    bench.submit(1, attempts=attempts)
    bench.done("w", 1, status=Status.CRASH)
    assert bench.finished[1].status == Status.CRASH
    assert bench.finished[1].attempts == attempts + 1


def test_without_retries_the_first_crash_is_final() -> None:
    bench = Bench(retry=messages.RetryPolicy(retry_tasks=False))
    bench.worker("w")
    bench.submit(1)
    bench.done("w", 1, status=Status.CRASH)
    assert bench.finished[1].status == Status.CRASH


def test_a_job_that_was_ended_by_others_is_not_the_tasks_fault() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    bench.worker("w")
    bench.submit(1)
    bench.done("w", 1, status=Status.CRASH, cause="job_ended")
    assert 1 not in bench.finished


def test_no_task_is_tried_for_ever() -> None:
    bench = Bench(retry=messages.RetryPolicy(attempts_max=20))
    bench.worker("w")
    bench.submit(1)
    for _ in range(20):
        assert 1 not in bench.finished
        bench.done("w", 1, status=Status.CRASH, cause="job_ended")
    assert bench.finished[1].status == Status.CRASH
    assert bench.finished[1].attempts == 20


def test_an_outcome_of_an_attempt_that_no_longer_counts_is_ignored() -> None:
    bench = Bench(seconds_reconnect=0.0)
    pipe = bench.worker("a")
    bench.submit(1)
    bench.cut(pipe)
    bench.done("a", 1)
    assert 1 not in bench.finished


def test_a_waiting_task_is_cancelled_at_once() -> None:
    bench = Bench()
    bench.submit(1, 2)
    bench.client(messages.Cancel([1, 99]))
    assert bench.finished[1].status == Status.CANCEL
    assert bench.finished[1].attempts == 0
    bench.worker("w")
    assert bench.given("w") == [2]


def test_a_running_task_is_cancelled_by_its_worker() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.client(messages.Cancel([1]))
    assert bench.orders["w"][-1] == messages.CancelTasks([1])
    assert 1 not in bench.finished
    bench.done("w", 1, status=Status.CANCEL)
    assert bench.finished[1].status == Status.CANCEL


def test_a_task_whose_worker_dies_while_it_is_being_cancelled_is_cancelled() -> None:
    bench = Bench()
    pipe = bench.worker("w")
    bench.submit(1)
    bench.client(messages.Cancel([1]))
    bench.cut(pipe)
    assert bench.finished[1].status == Status.CANCEL


def test_a_task_that_waits_too_long_times_out() -> None:
    bench = Bench()
    bench.submit(1, seconds_queue=2.0)
    assert bench.state.next_time() == bench.now + 2.0
    bench.wait(1.9)
    assert 1 not in bench.finished
    bench.wait(0.2)
    assert bench.finished[1].status == Status.TIMEOUT
    bench.worker("w")
    assert bench.given("w") == []


def test_a_task_that_waits_too_long_at_a_worker_times_out_unless_it_has_started() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)  # such tasks are quick, so several are handed out
    bench.submit(1, 2, seconds_queue=2.0)
    assert bench.given("w") == [0, 1, 2]
    bench.wait(2.1)
    asked = [o.ids for o in bench.orders["w"] if isinstance(o, messages.Recall)]
    assert asked[:2] == [[1], [2]]
    bench.says("w", messages.Returned([]))  # the first runs
    bench.says("w", messages.Returned([2]))
    assert bench.finished[2].status == Status.TIMEOUT
    bench.done("w", 1)
    assert bench.finished[1].status == Status.SUCCESS
    assert bench.given("w") == [0, 1, 2]


def test_a_worker_with_too_little_time_left_is_not_given_the_task() -> None:
    bench = Bench()
    bench.expect("w")
    hello = messages.Hello(
        messages.PROTOCOL, "w", "secret of w", "a", 7, "here", "3.11", seconds_left=10.0
    )
    bench.state.on_hello(1, hello, bench.now)
    bench.submit(1, seconds_expected=60.0)
    bench.submit(2, seconds_expected=5.0)
    assert bench.given("w") == [2]


def test_a_task_that_expects_to_outlast_a_workers_wall_time_waits_for_another() -> None:
    bench = Bench(seconds_wall=10.0)
    bench.worker("old")
    bench.submit(1)
    bench.done("old", 1)
    bench.wait(5)
    bench.submit(2, seconds_expected=6.0)
    bench.submit(3, seconds_expected=4.0)
    assert bench.given("old") == [1, 3]
    bench.worker("new")
    assert bench.given("new") == [2]


def test_a_task_that_expects_a_whole_life_finds_a_young_worker() -> None:
    bench = Bench(seconds_wall=10.0)
    bench.worker("w")
    bench.wait(0.5)  # no worker is as young as that
    bench.submit(1, seconds_expected=10.0)
    assert bench.given("w") == [1]


def test_the_wall_time_runs_after_tasks_timers() -> None:
    bench = Bench(seconds_wall=10.0, tasks_timers=1)
    bench.worker("w")
    bench.wait(20)
    bench.submit(1, seconds_expected=9.0)
    assert bench.given("w") == [1]
    bench.done("w", 1)
    bench.submit(2, seconds_expected=9.0)
    assert bench.given("w") == [1, 2]
    bench.done("w", 2)
    bench.wait(2)
    bench.submit(3, seconds_expected=9.0)
    assert bench.given("w") == [1, 2]


def test_a_stranger_is_refused() -> None:
    bench = Bench()
    bench.hello("nobody")
    assert "no such worker" in bench.refused[0]


def test_a_wrong_secret_is_refused() -> None:
    bench = Bench()
    bench.expect("w")
    bench.hello("w", secret="guess")
    assert "secret" in bench.refused[0]


def test_who_does_not_know_the_secret_cannot_end_a_launch() -> None:
    bench = Bench()
    bench.expect("w")
    bench.hello("w", secret="guess")
    bench.hello("w", secret="guess", python="3.12")
    assert bench.failed_launches == []
    bench.hello("w")
    bench.submit(1)
    assert bench.given("w") == [1]


def test_a_hello_that_is_said_again_on_another_connection_has_no_second_worker() -> None:
    bench = Bench(seconds_reconnect=5.0)
    bench.worker("w")
    bench.submit(1)
    bench.hello("w")
    assert bench.given("w") == [1]
    assert bench.refused == []


def test_a_second_start_of_one_launch_is_refused() -> None:
    bench = Bench()
    bench.worker("w")
    bench.hello("w", life="b")
    assert "run again" in bench.refused[0]


def test_another_python_is_refused_in_words() -> None:
    bench = Bench()
    bench.expect("w")
    bench.hello("w", python="3.12")
    assert "Python 3.12" in bench.refused[0]
    assert bench.failed_launches == ["w"]
    bench.hello("w", python="3.12")  # its job is run again and again
    assert "given up" in bench.refused[1]
    assert bench.failed_launches == ["w"]


def test_a_launch_that_was_given_up_is_refused() -> None:
    bench = Bench()
    bench.expect("w")
    bench.client(messages.Forget(["w"]))
    bench.hello("w")
    assert "given up" in bench.refused[0]


def test_who_came_just_before_its_launch_was_given_up_ends_its_task_and_leaves() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.client(messages.Forget(["w", "nobody"]))
    bench.submit(2)
    bench.client(messages.Employ(True))
    bench.done("w", 1)
    assert bench.given("w") == [1]
    assert messages.Leave(now=False) in bench.orders["w"]


def test_one_that_was_cut_off_is_lost_at_once_when_its_job_is_over() -> None:
    bench = Bench(seconds_reconnect=5.0)
    pipe = bench.worker("w")
    bench.worker("well")
    bench.submit(1)
    bench.client(over("w", "nobody"))  # its connection says something else
    bench.cut(pipe)
    assert bench.told[-1] == messages.WorkerCut("w", here=False)
    assert bench.hung_up == []
    bench.client(over("w", "well"))
    bench.client(over("w"))
    assert bench.hung_up == ["w"]
    assert bench.given("well") == [1]


def test_the_client_hears_that_a_connection_came_back() -> None:
    bench = Bench(seconds_reconnect=5.0)
    bench.cut(bench.worker("w"))
    bench.hello("w")
    assert bench.told[-1] == messages.WorkerCut("w", here=True)


def test_a_connection_that_comes_back_in_time_loses_nothing() -> None:
    bench = Bench(seconds_reconnect=5.0)
    pipe = bench.worker("w")
    bench.submit(1)
    bench.cut(pipe)
    bench.wait(4.0)
    bench.hello("w")
    assert bench.refused == []
    bench.done("w", 1)
    assert bench.finished[1].attempts == 1


def test_a_cancel_reaches_a_worker_whose_connection_is_broken() -> None:
    bench = Bench(seconds_reconnect=5.0)
    pipe = bench.worker("w")
    bench.submit(1)
    bench.cut(pipe)
    bench.client(messages.Cancel([1]))
    assert bench.orders["w"][-1] == messages.CancelTasks([1])


def test_a_connection_that_stays_away_is_a_crash() -> None:
    bench = Bench(seconds_reconnect=5.0)
    pipe = bench.worker("w")
    bench.submit(1)
    bench.cut(pipe)
    bench.wait(9.0)
    assert any(isinstance(m, messages.Crashed) for m in bench.told)


def test_a_silent_worker_is_lost_and_its_task_is_tried_again() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(1)
    bench.wait(31.0)
    assert bench.hung_up == ["a"]
    crashed = next(m for m in bench.told if isinstance(m, messages.Crashed))
    assert crashed.cause == "heartbeat_lost"
    bench.hello("a")
    assert "given up" in bench.refused[0]


def test_an_idle_worker_may_leave() -> None:
    bench = Bench()
    pipe = bench.worker("w")
    bench.says("w", messages.AskLeave("idle", must=False))
    assert bench.orders["w"] == [messages.Leave(now=False)]
    bench.submit(1)
    assert bench.given("w") == []
    bench.cut(pipe)
    gone = next(m for m in bench.told if isinstance(m, messages.WorkerGone))
    assert gone.planned
    assert gone.reason == "idle"


def test_work_that_crosses_the_question_keeps_an_idle_worker() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.says("w", messages.AskLeave("idle", must=False))
    assert not any(isinstance(o, messages.Leave) for o in bench.orders["w"])


def test_a_worker_that_must_leave_is_given_nothing_more() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)
    bench.submit(1, 2, 3)
    assert bench.given("w") == [0, 1, 2, 3]
    bench.says("w", messages.AskLeave("wall_time", must=True))
    bench.says("w", messages.Returned([2, 3]))
    bench.done("w", 1)
    assert bench.given("w") == [0, 1, 2, 3]
    assert not any(isinstance(o, messages.Leave) for o in bench.orders["w"])
    bench.says("w", messages.AskLeave("wall_time", must=True))
    assert bench.orders["w"][-1] == messages.Leave(now=False)
    bench.worker("another")
    assert bench.given("another") == [2, 3]


def test_no_worker_is_given_more_than_tasks_max() -> None:
    bench = Bench(tasks_max=3)
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)
    bench.submit(*range(1, 10))
    assert bench.given("w") == [0, 1, 2]


def test_stopping_tells_every_worker_and_exits_when_all_are_gone() -> None:
    bench = Bench()
    pipes = [bench.worker("a"), bench.worker("b")]
    bench.client(messages.Stop())
    assert bench.orders["a"] == bench.orders["b"] == [messages.Leave(now=True)]
    assert not bench.exited
    for pipe in pipes:
        bench.cut(pipe)
    assert bench.exited


def test_a_worker_that_does_not_leave_does_not_keep_the_dispatcher_for_ever() -> None:
    bench = Bench()
    bench.worker("a")
    bench.client(messages.Stop())
    bench.wait(10.0)
    assert bench.exited


def test_a_stop_takes_no_turns_for_tasks_that_nobody_will_be_given() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(1)
    bench.done("a", 1)
    bench.submit(*range(2, 2000))
    bench.client(messages.Stop())
    bench.wait(2.0)
    assert bench.state.next_time() == bench.now + 3.0


def test_nobody_is_let_in_while_stopping() -> None:
    bench = Bench()
    bench.worker("a")
    bench.expect("late")
    bench.client(messages.Stop())
    bench.hello("late")
    assert "stopping" in bench.refused[0]


def test_an_inspection_tells_what_waits_and_what_runs() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1, 2)
    bench.client(messages.Inspect(9))
    seen = next(m for m in bench.told if isinstance(m, messages.Inspection))
    assert (seen.request, seen.queued, seen.running) == (9, 1, 1)
    assert seen.workers[0].running == [1]


# ── Warm-ups ───────────────────────────────────────────────────────────────────────────────────

WARM = messages.WARM_UP_IDS


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


def test_a_warm_up_goes_to_workers_that_are_here_and_to_those_that_come() -> None:
    bench = Bench()
    bench.worker("a")
    warm_up(bench, 1, 2)
    bench.worker("b")
    assert warming(bench, "a") == warming(bench, "b") == [1, 2]
    warmed(bench, "a", 1)
    assert ran(bench) == [("a", 1, Status.SUCCESS)]


def test_the_command_of_a_warm_up_is_sent_to_each_worker_once() -> None:
    bench = Bench()
    bench.worker("w")
    warm_up(bench, 1, 2)
    orders = [o for o in bench.orders["w"] if isinstance(o, messages.WarmUps)]
    assert [order.blobs for order in orders] == [[COMMAND], []]


def test_a_worker_is_given_no_task_until_it_is_warm() -> None:
    bench = Bench()
    bench.worker("cold")
    warm_up(bench, 1)
    bench.submit(1)
    assert bench.given("cold") == []
    warmed(bench, "cold", 1)
    assert bench.given("cold") == [1]


def test_a_worker_that_is_not_warm_yet_may_not_go_as_idle() -> None:
    bench = Bench()
    bench.worker("w")
    warm_up(bench, 1)
    bench.says("w", messages.AskLeave("idle", must=False))
    assert not any(isinstance(o, messages.Leave) for o in bench.orders["w"])
    warmed(bench, "w", 1)
    bench.says("w", messages.AskLeave("idle", must=False))
    assert isinstance(bench.orders["w"][-1], messages.Leave)


def test_tasks_of_a_worker_that_warms_up_are_called_back_for_an_idle_one() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.submit(1, 2, 3, 4)
    warm_up(bench, 1)
    bench.worker("b")
    warmed(bench, "b", 1)
    bench.wait(2 * HOARD_SECONDS)
    assert isinstance(bench.orders["a"][-1], messages.Recall)


def test_a_warm_up_that_ended_its_process_is_run_again_until_it_is_given_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=2))
    bench.worker("w")
    warm_up(bench, 1)
    died(bench, "w", 1)
    assert warming(bench, "w") == [1, 1]
    died(bench, "w", 1)
    assert warming(bench, "w") == [1, 1]
    assert bench.orders["w"][-1] == messages.EndWarmUps([WARM + 1])
    assert given_up(bench) == [1]
    bench.submit(1)
    assert bench.given("w") == [1]
    bench.worker("later")
    assert warming(bench, "later") == []


def test_a_success_ends_a_row_of_crashes_of_a_warm_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=2))
    bench.worker("a")
    bench.worker("b")
    warm_up(bench, 1)
    died(bench, "a", 1)
    warmed(bench, "b", 1)
    died(bench, "a", 1)
    assert given_up(bench) == []


def test_the_death_of_a_worker_is_its_warm_ups_and_not_its_tasks() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("w")
    warm_up(bench, 1)
    bench.cut(pipe)
    assert ran(bench) == [("w", 1, Status.CRASH)]
    assert given_up(bench) == [1]


def test_the_death_of_a_worker_is_its_tasks_while_that_runs_before_a_warm_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("w")
    bench.submit(1)
    warm_up(bench, 1)
    bench.cut(pipe)
    assert bench.finished[1].status == Status.CRASH
    assert given_up(bench) == []


def test_in_a_new_task_process_warm_ups_come_before_the_tasks() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("w")
    warm_up(bench, 1)
    warmed(bench, "w", 1)
    bench.submit(1)
    bench.says("w", messages.Warming([WARM + 1]))
    bench.cut(pipe)
    assert bench.finished == {}
    assert given_up(bench) == [1]


def test_a_preempted_worker_does_not_count_against_its_warm_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    bench.worker("w")
    warm_up(bench, 1)
    died(bench, "w", 1, cause="job_ended")
    assert given_up(bench) == []


def test_a_warm_up_that_was_ended_is_stopped_everywhere() -> None:
    bench = Bench()
    bench.worker("w")
    warm_up(bench, 1)
    bench.client(messages.EndWarmUps([WARM + 1]))
    assert bench.orders["w"][-1] == messages.EndWarmUps([WARM + 1])
    bench.worker("later")
    assert warming(bench, "later") == []
    # It had ended its process just before: the worker still waits for an answer.
    died(bench, "w", 1)
    assert bench.orders["w"][-1] == messages.EndWarmUps([WARM + 1])
    bench.submit(1)
    assert bench.given("later") or bench.given("w")


# ── Objects ────────────────────────────────────────────────────────────────────────────────────

A, B, C = b"object a", b"object b", b"object c"


def submit_with(bench: Bench, task_id: int, *objects: bytes) -> None:
    task = messages.Batch(task_id, [f"t{task_id}"], b"digest", [b""], objects=objects)
    bench.client(messages.Submit([task], [COMMAND]))


def test_an_object_is_sent_to_each_worker_that_needs_it_once_and_before_the_task() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    bench.worker("w")
    for task_id in (1, 2):
        submit_with(bench, task_id, A)
        bench.done("w", task_id)
    submit_with(bench, 3, A)
    bench.worker("v")
    submit_with(bench, 4, A)
    assert bench.objects == {"w": [A], "v": [A]}
    kinds = [o if isinstance(o, bytes) else type(o).__name__ for o in bench.orders["v"]]
    assert kinds == [A, "Work"]


def test_an_object_goes_with_a_task_to_the_worker_that_takes_it_next() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    pipe = bench.worker("w")
    submit_with(bench, 1, A)
    bench.cut(pipe)
    bench.worker("v")
    assert bench.objects == {"w": [A], "v": [A]}


def test_a_warm_up_gets_its_objects_too() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    task = messages.Batch(WARM + 1, ["w"], b"digest", [b""], objects=(A,))
    bench.client(messages.WarmUp(task, [COMMAND]))
    bench.worker("w")
    assert bench.objects == {"w": [A]}


def test_over_the_limit_a_worker_forgets_what_it_did_not_use_for_longest() -> None:
    bench = Bench(object_bytes=25)
    for digest in (A, B, C):
        bench.state.on_object(digest, 10)
    bench.worker("w")
    for task_id, digest in enumerate((A, B, A, C), start=1):
        submit_with(bench, task_id, digest)
        bench.done("w", task_id)
    assert messages.ForgetBlobs([B]) in bench.orders["w"]
    submit_with(bench, 5, B)
    assert bench.objects["w"] == [A, B, C, B]
    assert bench.orders["w"][-3] == messages.ForgetBlobs([A])


def test_a_worker_never_forgets_what_its_tasks_and_warm_ups_need() -> None:
    bench = Bench(object_bytes=1)
    for digest in (A, B, C):
        bench.state.on_object(digest, 10)
    bench.worker("w")
    task = messages.Batch(WARM + 1, ["w"], b"digest", [b""], objects=(A,))
    bench.client(messages.WarmUp(task, [COMMAND]))
    warmed(bench, "w", 1)
    submit_with(bench, 1, B, C)
    assert not any(isinstance(o, messages.ForgetBlobs) for o in bench.orders["w"])
    bench.done("w", 1)
    submit_with(bench, 2, C)
    assert messages.ForgetBlobs([B]) in bench.orders["w"]


def test_a_dropped_object_is_forgotten_everywhere() -> None:
    bench = Bench()
    bench.state.on_object(A, 10)
    bench.worker("w")
    bench.worker("without")
    submit_with(bench, 1, A)
    name = next(iter(bench.objects))
    bench.done(name, 1)
    bench.client(messages.DropBlobs([A]))
    assert bench.dropped == [A]
    told = [n for n, o in bench.orders.items() if messages.ForgetBlobs([A]) in o]
    assert told == [name]


# ── Batches ────────────────────────────────────────────────────────────────────────────────────


def batch(*ids: int, **options: float) -> messages.Submit:
    names, bodies = [f"t{i}" for i in ids], [f"body {i}".encode() for i in ids]
    tasks = messages.Batch(ids[0], names, b"digest", bodies, **options)  # type: ignore[arg-type]  # keywords by name
    return messages.Submit([tasks], [COMMAND])


def work(bench: Bench, name: str) -> list[tuple[int, bytes]]:
    orders = [o for o in bench.orders.get(name, []) if isinstance(o, messages.Work)]
    batches = [batch for order in orders for batch in order.batches]
    return [pair for batch in batches for pair in zip(batch.ids, batch.bodies, strict=True)]


def test_a_batch_is_shared_out_and_each_task_keeps_its_body() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.worker("b")
    bench.client(batch(*range(1, 41)))
    a, b = work(bench, "a")[1:], work(bench, "b")
    assert a
    assert b
    assert all(body == f"body {i}".encode() for i, body in [*a, *b])
    assert not {i for i, _ in a} & {i for i, _ in b}


def test_tasks_of_a_batch_can_be_cancelled_while_the_others_wait() -> None:
    bench = Bench()
    bench.client(batch(1, 2, 3, 4, 5))
    bench.client(messages.Cancel([1, 3, 4]))
    assert {i: done.status for i, done in bench.finished.items()} == dict.fromkeys(
        (1, 3, 4), Status.CANCEL
    )
    bench.worker("w")
    bench.done("w", 2)
    bench.done("w", 5)
    assert [i for i, _ in work(bench, "w")] == [2, 5]
    assert len(bench.finished) == 5


def test_a_task_of_a_batch_that_crashes_is_tried_again_alone() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)
    bench.client(batch(1, 2, 3))
    bench.done("w", 1)
    bench.done("w", 2, status=Status.CRASH, cause="signal 9")
    bench.done("w", 3)
    bench.done("w", 2)
    assert {i: done.attempts for i, done in bench.finished.items()} == {0: 1, 1: 1, 2: 2, 3: 1}


def test_a_batch_that_waits_too_long_times_out_as_far_as_it_waits() -> None:
    bench = Bench()
    bench.worker("w")
    bench.client(batch(1, 2, 3, seconds_queue=5.0))
    assert bench.given("w") == [1]
    bench.wait(6.0)
    assert {i: done.status for i, done in bench.finished.items()} == dict.fromkeys(
        (2, 3), Status.TIMEOUT
    )
    recalls = [o.ids for o in bench.orders["w"] if isinstance(o, messages.Recall)]
    assert recalls == [[1]]
    bench.says("w", messages.Returned([1]))
    assert bench.finished[1].status == Status.TIMEOUT
    assert bench.state.next_time() < float("inf")  # the worker's silence, no deadline


def test_what_a_lost_worker_had_of_a_batch_waits_again_in_order() -> None:
    bench = Bench()
    pipe = bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.client(batch(1, 2, 3, 4))
    held = bench.given("a")[1:]
    bench.cut(pipe)
    bench.worker("b")
    for i in held:
        bench.done("b", i)
    assert [i for i, _ in work(bench, "b")] == held
    assert bench.finished[1].attempts == 2
    assert bench.finished[2].attempts == 1


# ── Who says what no worker says ────────────────────────────────────────────────────────────────


def test_a_worker_that_talks_nonsense_is_given_up_and_others_run_its_tasks() -> None:
    bench = Bench()
    bench.worker("odd")
    bench.submit(1, 2)
    assert bench.given("odd") == [1]
    bench.worker("well")
    bench.done("well", 2)
    bench.state.on_nonsense("odd")
    bench.settle()
    assert bench.hung_up == ["odd"]
    assert bench.given("well") == [2, 1]
    bench.state.on_nonsense("odd")  # told twice, or of one who never came
    bench.expect("pending")
    bench.state.on_nonsense("pending")
    bench.settle()
    assert bench.hung_up == ["odd"]


def test_an_unreadable_death_changes_nothing_before_it_is_refused() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    died = messages.Outcomes([1], [Status.CRASH], [None], [b"?"])
    with pytest.raises(codec.MalformedMessageError):
        bench.says("w", died)
    bench.done("w", 1)
    assert bench.finished[1].status == Status.SUCCESS


def test_an_unreadable_death_of_a_warm_up_changes_nothing_either() -> None:
    bench = Bench()
    bench.worker("w")
    warm = messages.WARM_UP_IDS + 1
    bench.client(messages.WarmUp(messages.Batch(warm, ["warm"], b"digest", [b""]), [COMMAND]))
    told = len(bench.told)
    with pytest.raises(codec.MalformedMessageError):
        bench.says("w", messages.Warmed(messages.Outcome(warm, Status.CRASH, None, b"?"), True))
    assert len(bench.told) == told


def test_a_warm_up_that_nobody_ordered_is_not_told_of() -> None:
    bench = Bench()
    bench.worker("w")
    told = len(bench.told)
    bench.says("w", messages.Warmed(messages.Outcome(5, Status.SUCCESS, 0.1, b""), died=False))
    assert len(bench.told) == told


@pytest.mark.parametrize("seconds", [0.0, 5e-324, 1e-300, 1e12])
def test_tasks_may_take_as_short_or_long_as_they_like(seconds: float) -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(*range(100))
    bench.done("w", 0, seconds=seconds)
    assert len(bench.given("w")) >= 2


# ── When nobody is to be given tasks any more ───────────────────────────────────────────────────


def test_idle_workers_leave_at_once_when_no_tasks_are_to_be_given() -> None:
    bench = Bench()
    bench.worker("w")
    bench.client(messages.Employ(False))
    assert bench.orders["w"] == [messages.Leave(now=False)]
    bench.submit(1)
    assert bench.given("w") == []


def test_who_runs_a_task_gives_back_the_others_and_leaves_after_it() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)
    bench.submit(1, 2, 3)
    assert bench.given("w") == [0, 1, 2, 3]
    bench.client(messages.Employ(False))
    recall = messages.Recall([1, 2, 3])
    assert bench.orders["w"][-1:] == [recall]
    bench.says("w", messages.Returned([2, 3]))
    assert bench.orders["w"][-1:] == [recall]
    bench.done("w", 1)
    assert bench.orders["w"][-1:] == [messages.Leave(now=False)]
    assert list(bench.finished) == [0, 1]
    bench.cut(1)
    assert bench.told[-1] == messages.WorkerGone("w", True, "budget", 2)


def test_who_comes_meanwhile_is_sent_home() -> None:
    bench = Bench()
    bench.submit(1)
    bench.client(messages.Employ(False))
    bench.worker("w")
    assert bench.orders["w"] == [messages.Leave(now=False)]


def test_who_has_not_left_yet_is_given_tasks_when_that_is_taken_back() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.client(messages.Employ(False))
    bench.submit(2)
    bench.client(messages.Employ(True))
    bench.done("w", 1)
    assert bench.given("w") == [1, 2]


def test_a_warm_up_is_let_end_before_its_worker_leaves() -> None:
    bench = Bench()
    bench.worker("w")
    warm = messages.WARM_UP_IDS + 1
    bench.client(messages.WarmUp(messages.Batch(warm, ["warm"], b"digest", [b""]), [COMMAND]))
    bench.client(messages.Employ(False))
    assert messages.Leave(now=False) not in bench.orders["w"]
    bench.says("w", messages.Warmed(messages.Outcome(warm, Status.SUCCESS, 0.1, b""), died=False))
    assert bench.orders["w"][-1] == messages.Leave(now=False)
