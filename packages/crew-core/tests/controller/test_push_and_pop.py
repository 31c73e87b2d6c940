"""Tasks go in by ``push`` and come out by ``pop``, ``collect`` and ``wait``."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pandas as pd
import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 30


def twice(x: int) -> int:
    return 2 * x


def fail(message: str) -> None:
    raise ValueError(message)


# ── One task ───────────────────────────────────────────────────────────────────────────────────


def test_push_returns_a_future_that_knows_the_tasks_name(controller: crew.Controller) -> None:
    handle = controller.push(twice, (21,), name="answer")
    assert isinstance(handle, crew.Task)
    assert isinstance(handle, Future)
    assert handle.name == "answer"
    assert handle.result(SECONDS) == 42


def test_args_may_be_anything_that_can_be_iterated_over(controller: crew.Controller) -> None:
    several: list[Any] = [(17, 5), [17, 5], np.array([17, 5]), iter((17, 5))]
    for args in several:
        assert controller.push(divmod, args).result(SECONDS) == (3, 2)


def test_a_callable_is_called_with_args_and_data(controller: crew.Controller) -> None:
    handle = controller.push(divmod, (17, 5))
    assert handle.result(SECONDS) == (3, 2)
    handle = controller.push(dict, ([("a", 1)],), {"b": 2})
    assert handle.result(SECONDS) == {"a": 1, "b": 2}


def test_text_is_evaluated_with_data_as_its_names(controller: crew.Controller) -> None:
    assert controller.push("a + b", data={"a": 1, "b": 2}).result(SECONDS) == 3
    several = "c = a + b\nd = 2 * c\nd + 1"
    assert controller.push(several, data={"a": 1, "b": 2}).result(SECONDS) == 7
    assert controller.push("c = 1").result(SECONDS) is None


def test_data_is_visible_in_nested_scopes_of_text(controller: crew.Controller) -> None:
    text = "def f(x):\n    return x + a\n[f(i) + (lambda: a)() for i in range(b)]"
    assert controller.push(text, data={"a": 10, "b": 2}).result(SECONDS) == [20, 21]


def test_globals_are_names_of_text_and_of_functions_shipped_by_value(
    controller: crew.Controller,
) -> None:
    def scaled(x: int) -> Any:
        return x * factor  # type: ignore[name-defined]  # noqa: F821

    assert controller.push("a * factor", data={"a": 2}, globals={"factor": 5}).result(SECONDS) == 10
    assert controller.push(scaled, (3,), globals={"factor": 5}).result(SECONDS) == 15
    assert "factor" not in globals()


def test_packages_are_imported_and_bound_by_name_for_text(controller: crew.Controller) -> None:
    text = "(colorsys.ONE_THIRD, xml.dom.minidom.__name__)"
    handle = controller.push(text, packages=["colorsys", "xml.dom.minidom"])
    assert handle.result(SECONDS) == (1 / 3, "xml.dom.minidom")


def test_a_package_that_is_not_there_is_the_tasks_error(controller: crew.Controller) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        controller.push("1", packages=["no_such_package"]).result(SECONDS)


def test_save_command_keeps_the_commands_text(controller: crew.Controller) -> None:
    controller.push("1 + 1", name="text", save_command=True)
    controller.push(os.getpid, name="function", save_command=True)
    controller.push("1 + 1", name="no")
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    commands = dict(zip(table["name"], table["command"], strict=True))
    assert commands["text"] == "1 + 1"
    assert "getpid" in commands["function"]
    assert commands["no"] is None


# ── What is counted ────────────────────────────────────────────────────────────────────────────


def counts(controller: crew.Controller) -> dict[str, object]:
    names = ["empty", "nonempty", "saturated", "size"]
    names += ["pushed", "popped", "resolved", "unresolved"]
    return {name: getattr(controller, name) for name in names}


def test_the_counters_at_each_step_of_two_tasks(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    nothing = {
        "empty": True,
        "nonempty": False,
        "saturated": False,
        "size": 0,
        "pushed": 0,
        "popped": 0,
        "resolved": 0,
        "unresolved": 0,
    }
    assert counts(controller) == nothing
    controller.start()
    assert counts(controller) == nothing

    first = controller.push(twice, (1,), name="first")
    controller.push(gate.hold, name="second")
    first.result(SECONDS)
    pushed = {**nothing, "empty": False, "nonempty": True, "saturated": True, "size": 2}
    one_done = {**pushed, "pushed": 2, "resolved": 1, "unresolved": 1}
    assert counts(controller) == one_done

    assert controller.pop() is not None
    assert counts(controller) == {**one_done, "size": 1, "popped": 1}
    assert controller.pop() is None

    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    all_done = {**one_done, "size": 1, "popped": 1, "resolved": 2, "unresolved": 0}
    assert counts(controller) == all_done
    assert controller.pop() is not None
    assert counts(controller) == {**nothing, "pushed": 2, "popped": 2, "resolved": 2}


def test_a_controller_is_saturated_when_it_has_as_many_tasks_as_workers(
    controller: crew.Controller,
) -> None:
    controller.push(twice, (1,))
    assert not counts(controller)["saturated"]
    controller.push(twice, (2,))
    assert controller.wait(seconds_timeout=SECONDS)
    assert counts(controller)["saturated"]  # unpopped tasks count, finished or not
    controller.pop()
    assert not counts(controller)["saturated"]


# ── Names ──────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_taken_until_its_task_is_popped(controller: crew.Controller) -> None:
    controller.push(twice, (1,), name="once").result(SECONDS)
    with pytest.raises(crew.ConfigError, match=r"'once'.*pop it first"):
        controller.push(twice, (2,), name="once")
    assert controller.size == 1
    assert controller.pop() is not None
    assert controller.push(twice, (2,), name="once").result(SECONDS) == 4


def test_tasks_without_a_name_get_names_of_their_own(controller: crew.Controller) -> None:
    handles = [controller.push(twice, (i,)) for i in range(20)]
    assert len({handle.name for handle in handles}) == 20
    assert all(handle.name.startswith("unnamed_task_") for handle in handles)


def test_many_rounds_of_reused_names(controller: crew.Controller) -> None:
    for turn in range(3):
        for i in range(200):
            controller.push(twice, (i + turn,), name=f"task {i}")
        seen = {}
        while controller.nonempty:
            assert controller.wait("one", seconds_timeout=SECONDS)
            while (record := controller.pop()) is not None:
                seen[record.name] = record.result
        assert seen == {f"task {i}": 2 * (i + turn) for i in range(200)}


def test_the_backlog_is_first_in_first_out_and_gives_as_many_as_workers_are_free(
    controller: crew.Controller, gate: Any
) -> None:
    for name in ("a", "b", "c", "d"):
        controller.push_backlog(name)
    with pytest.raises(crew.ConfigError, match="'a' is in the backlog"):
        controller.push_backlog("a")
    controller.push(gate.hold)
    assert controller.pop_backlog() == ["a"]
    controller.push(gate.hold)
    assert controller.pop_backlog() == []
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    assert controller.pop_backlog() == []  # finished tasks count until they are popped
    controller.collect()
    assert controller.pop_backlog() == ["b", "c"]
    assert controller.pop_backlog() == ["d"]
    assert controller.pop_backlog() == []


# ── The order ──────────────────────────────────────────────────────────────────────────────────


def test_records_are_popped_in_the_order_of_completion(
    controller: crew.Controller, gate: Any
) -> None:
    slow = controller.push(gate.hold, name="slow")
    gate.wait_for(1)
    for name in ("quick", "quicker"):
        controller.push(twice, (1,), name=name).result(SECONDS)
    gate.open()
    slow.result(SECONDS)
    popped = [controller.pop() for _ in range(4)]
    assert [r and r.name for r in popped] == ["quick", "quicker", "slow", None]


def test_larger_priorities_run_first_and_equal_ones_in_the_order_of_pushing(
    make: Make, gate: Any
) -> None:
    controller = make(workers=1)
    controller.push(gate.hold, name="in the way")
    gate.wait_for(1)
    for name, priority in [("a", 0), ("b", -5), ("c", 10), ("d", 0), ("e", 10)]:
        controller.push(os.getpid, name=name, priority=priority)
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert list(table["name"]) == ["in the way", "c", "e", "a", "d", "b"]


# ── What pop and collect make of errors ────────────────────────────────────────────────────────


def test_pop_says_nothing_of_errors_unless_asked(controller: crew.Controller) -> None:
    for mode in (None, "silent"):
        controller.push(fail, ("broken",), name="it")
        assert controller.wait(seconds_timeout=SECONDS)
        record = controller.pop(error=mode)
        assert record is not None
        assert (record.status, record.error) == ("error", "ValueError: broken")


def test_pop_with_stop_raises_from_the_tasks_own_exception(controller: crew.Controller) -> None:
    controller.push(fail, ("broken",), name="it")
    assert controller.wait(seconds_timeout=SECONDS)
    with pytest.raises(crew.TaskError, match=r"'it'.*error.*ValueError: broken") as caught:
        controller.pop(error="stop")
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.record is not None
    assert caught.value.record.name == "it"
    assert controller.empty  # it was popped all the same


def test_pop_with_warn_warns_and_returns_the_record(controller: crew.Controller) -> None:
    controller.push(fail, ("broken",), name="it")
    assert controller.wait(seconds_timeout=SECONDS)
    with pytest.warns(crew.TaskWarning, match=r"'it'.*broken") as caught:
        record = controller.pop(error="warn")
    assert caught[0].filename == __file__
    assert record is not None
    assert record.status == "error"


def test_collect_returns_what_is_finished_and_leaves_the_rest(
    controller: crew.Controller, gate: Any
) -> None:
    assert controller.collect() is None
    controller.push(gate.hold, name="running")
    gate.wait_for(1)
    for i in range(2):
        controller.push(twice, (i,), name=f"done {i}").result(SECONDS)
    table = controller.collect()
    assert table is not None
    assert list(table["name"]) == ["done 0", "done 1"]
    assert list(table["result"]) == [0, 2]
    assert controller.collect() is None
    assert controller.size == 1


def push_one_of_each(controller: crew.Controller) -> None:
    controller.push(twice, (1,), name="good")
    controller.push(fail, ("broken",), name="bad")
    assert controller.wait(seconds_timeout=SECONDS)


@pytest.mark.parametrize("mode", [None, "silent"])
def test_collect_says_nothing_of_errors_unless_asked(
    controller: crew.Controller, mode: Any
) -> None:
    push_one_of_each(controller)
    table = controller.collect(error=mode)
    assert table is not None
    assert sorted(table["status"]) == ["error", "success"]
    assert controller.error is None


def test_collect_with_stop_leaves_the_table_in_controller_error(
    controller: crew.Controller,
) -> None:
    push_one_of_each(controller)
    with pytest.raises(crew.TaskError, match="broken") as caught:
        controller.collect(error="stop")
    assert isinstance(caught.value.__cause__, ValueError)
    table = controller.error
    assert isinstance(table, pd.DataFrame)
    assert sorted(table["name"]) == ["bad", "good"]
    assert controller.empty


def test_controller_error_can_only_be_set_to_none(controller: crew.Controller) -> None:
    controller.error = None
    assert controller.error is None
    with pytest.raises(crew.ConfigError, match="only be set to None"):
        setattr(controller, "error", pd.DataFrame())  # noqa: B010  (which mypy would refuse)


def test_collect_with_warn_warns_and_returns_the_table(controller: crew.Controller) -> None:
    push_one_of_each(controller)
    with pytest.warns(crew.TaskWarning, match=r"'bad'.*broken") as caught:
        table = controller.collect(error="warn")
    assert caught[0].filename == __file__
    assert table is not None
    assert len(table) == 2


def test_all_is_well_whatever_the_mode_when_all_succeeds(controller: crew.Controller) -> None:
    for mode in ("stop", "warn", "silent"):
        controller.push(twice, (1,)).result(SECONDS)
        assert controller.pop(error=mode) is not None
        controller.push(twice, (1,)).result(SECONDS)
        assert controller.collect(error=mode) is not None


# ── Waiting ────────────────────────────────────────────────────────────────────────────────────


def test_wait_on_an_empty_controller_returns_at_once(controller: crew.Controller) -> None:
    assert controller.wait() is True
    assert controller.wait("all") is True
    assert controller.wait("one") is False


def test_wait_for_one_wants_one_that_can_be_popped(controller: crew.Controller, gate: Any) -> None:
    controller.push(gate.hold, name="slow")
    assert controller.wait("one", seconds_timeout=0.05) is False
    controller.push(twice, (1,), name="quick")
    assert controller.wait("one", seconds_timeout=SECONDS) is True
    assert controller.wait("all", seconds_timeout=0) is False
    record = controller.pop()
    assert record is not None
    assert record.name == "quick"
    assert controller.wait("one", seconds_timeout=0) is False
    gate.open()
    assert controller.wait("all", seconds_timeout=SECONDS) is True
    assert controller.wait("one", seconds_timeout=0) is True


@pytest.mark.parametrize("seconds", [math.inf, 1e300])
def test_any_wait_may_be_endless(make: Make, seconds: float) -> None:
    controller = make(
        workers=1,
        seconds_timeout=seconds,
        seconds_launch=seconds,
        seconds_idle=seconds,
        seconds_wall=seconds,
        seconds_heartbeat=seconds,
    )
    handle = controller.push(
        twice, (1,), seconds_timeout=seconds, seconds_queue=seconds, scale=False
    )
    assert controller.wait(seconds_timeout=seconds)
    assert handle.result(seconds) == 2
    assert handle.exception(seconds) is None


# ── Before the start, and after the end ────────────────────────────────────────────────────────


def test_a_controller_that_is_not_started_answers_without_starting(make: Make) -> None:
    controller = make(name="sleeping", workers=2)
    assert controller.started is False
    assert controller.pop() is None
    assert controller.collect() is None
    assert controller.wait() is True
    assert controller.wait("one") is False
    controller.cancel(all=True)
    controller.cancel(["nobody"])
    assert controller.crashes("nobody") == 0
    assert controller.error is None
    assert controller.summary().empty
    assert controller.launcher.summary().empty
    assert controller.name == "sleeping"
    assert "sleeping" in repr(controller)
    assert "not started" in repr(controller)
    assert controller.pop_backlog() == []
    controller.terminate()
    assert controller.started is False


def test_start_and_terminate_may_be_repeated(make: Make) -> None:
    controller = make(workers=1)
    controller.start()
    pid = controller.client.pid
    controller.start()
    assert controller.client.pid == pid
    controller.terminate()
    assert not controller.started
    controller.terminate()


def test_terminate_drops_what_is_unpopped_and_a_later_call_starts_afresh(make: Make) -> None:
    controller = make(workers=1)
    controller.push_backlog("later")
    controller.push(twice, (1,), name="it").result(SECONDS)
    controller.terminate()
    assert (controller.size, controller.pushed, controller.resolved) == (0, 0, 0)
    assert controller.pop() is None
    assert controller.pop_backlog() == []
    assert controller.push(twice, (2,), name="it").result(SECONDS) == 4
    assert controller.started
    assert controller.pushed == 1


def test_with_starts_and_terminates(make: Make) -> None:
    with make(workers=1) as controller:
        assert controller.started
        assert controller.empty
    assert not controller.started


def test_asking_for_the_client_starts(make: Make) -> None:
    controller = make(workers=1)
    assert controller.client.pid > 0
    assert controller.started


# ── Bad arguments are refused at the call ──────────────────────────────────────────────────────

IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"algorithm": "PCG46"}, "algorithm='PCG46'.*Did you mean 'PCG64'"),
    ({"algorithm": "Mersenne"}, "algorithm='Mersenne'.*MT19937"),
    ({"seed": -1}, "seed=-1"),
    ({"seed": 2**63}, r"seed=.*2\*\*63 - 1"),
    ({"seconds_timeout": 0}, "seconds_timeout=0"),
    ({"seconds_timeout": -1}, "seconds_timeout=-1"),
    ({"seconds_timeout": math.nan}, "seconds_timeout=nan"),
    ({"seconds_queue": 0}, "seconds_queue=0"),
    ({"seconds_expected": -1}, "seconds_expected=-1"),
    ({"name": ""}, "name=''"),
    ({"name": "\ud800"}, r"name='\\ud800'.*cannot be encoded"),
    ({"priority": 2**31}, r"priority=2147483648.*2\*\*31 - 1"),
    ({"priority": -(2**70)}, "priority=-"),
    ({"packages": ["not a module"]}, "packages: 'not a module'"),
]

WRONG_TYPES: list[tuple[dict[str, Any], str]] = [
    ({"seed": 1.5}, "seed=1.5"),
    ({"seed": "1"}, "seed='1'"),
    ({"seconds_timeout": "10"}, "seconds_timeout='10'"),
    ({"seconds_queue": True}, "seconds_queue=True"),
    ({"seconds_expected": "long"}, "seconds_expected='long'"),
    ({"priority": 1.5}, "priority=1.5"),
    ({"priority": "high"}, "priority='high'"),
    ({"name": 7}, "name=7"),
    ({"data": [1, 2]}, "data="),
    ({"data": {1: 2}}, "data: the name 1"),
    ({"globals": "g"}, "globals="),
    ({"globals": {1: 2}}, "globals: the name 1"),
    ({"packages": "json"}, "packages='json'"),
    ({"packages": [1]}, "packages: 1"),
    ({"args": "ab"}, "args='ab'"),
    ({"args": {"a": 1}}, "args="),
    ({"args": 1}, "args=1"),
    ({"algorithm": 64}, "algorithm=64"),
    ({"save_command": "yes"}, "save_command='yes'"),
]


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE)
def test_an_impossible_value_is_a_config_error(
    controller: crew.Controller, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(crew.ConfigError, match=message):
        controller.push(twice, **options)
    assert controller.empty


@pytest.mark.parametrize(("options", "message"), WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_a_type_error(
    controller: crew.Controller, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        controller.push(twice, **options)
    assert controller.empty


def test_a_command_must_be_callable_or_text(controller: crew.Controller) -> None:
    with pytest.raises(TypeError, match="command=42: must be a callable or a string"):
        controller.push(42)  # type: ignore[call-overload]  # what is tested
    with pytest.raises(TypeError, match="must be callable"):
        controller.submit("1 + 1")  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("1 +", {}, "not Python.*line 1"),
        ("return 1", {}, "not Python.*return"),
        ("a", {"not a name": 1}, "'not a name'"),
        ("a", {"class": 1}, "'class'"),
    ],
)
def test_text_that_could_never_run_is_refused(
    controller: crew.Controller, text: str, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(crew.ConfigError, match=message):
        controller.push(text, data=data)
    assert controller.empty


def test_text_takes_no_positional_arguments(controller: crew.Controller) -> None:
    with pytest.raises(crew.ConfigError, match="args: text takes no positional"):
        controller.push("a", (1,))


def test_an_argument_that_cannot_be_pickled_is_named(controller: crew.Controller) -> None:
    with pytest.raises(crew.SerializationError, match=r"data\['f'\].*generator"):
        controller.push(twice, data={"f": (i for i in range(3))})
    with pytest.raises(crew.SerializationError, match=r"argument 1, \['deep'\]\[1\].*generator"):
        controller.push(twice, ({"deep": [1, (i for i in range(3))]},))
    assert controller.empty


@pytest.mark.parametrize("mode", ["halt", "Stop", "", 1])
def test_an_unknown_error_mode_is_a_config_error(controller: crew.Controller, mode: Any) -> None:
    for call in (controller.pop, controller.collect):
        with pytest.raises(crew.ConfigError, match=r"error=.*'stop', 'warn', 'silent'"):
            call(error=mode)


def test_an_unknown_mode_of_wait_suggests_the_nearest(controller: crew.Controller) -> None:
    with pytest.raises(crew.ConfigError, match=r"mode='al'.*Did you mean 'all'"):
        controller.wait("al")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(crew.ConfigError, match="seconds_timeout=-1"):
        controller.wait(seconds_timeout=-1)
    with pytest.raises(TypeError, match="seconds_timeout='1'"):
        controller.wait(seconds_timeout="1")  # type: ignore[arg-type]  # what is tested


def test_refused_calls_do_not_start_a_controller(make: Make) -> None:
    controller = make(workers=1)
    with pytest.raises(crew.ConfigError):
        controller.push("1 +")
    with pytest.raises(crew.ConfigError):
        controller.pop(error="halt")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(crew.ConfigError):
        controller.wait("some")  # type: ignore[arg-type]  # what is tested
    assert not controller.started


def test_seconds_expected_beyond_the_life_of_any_worker_is_refused(make: Make) -> None:
    controller = make(workers=1, seconds_wall=60)
    with pytest.raises(crew.ConfigError, match=r"seconds_expected=61.*seconds_wall=60"):
        controller.push(twice, (1,), seconds_expected=61)
    assert controller.push(twice, (1,), seconds_expected=30).result(SECONDS) == 2


def test_a_good_task_gives_no_warning_of_any_kind(controller: crew.Controller) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        controller.push(twice, (1,))
        assert controller.wait(seconds_timeout=SECONDS)
        record = controller.pop(error="warn")
    assert record is not None
    assert record.warnings is None
