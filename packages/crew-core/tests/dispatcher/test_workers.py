"""How workers come, are cut off, and leave; without sockets, clock or processes."""

from __future__ import annotations

import pytest

from crew_core._model.states import Status
from crew_core._wire import codec, messages
from dispatcher.bench import Bench, over


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
