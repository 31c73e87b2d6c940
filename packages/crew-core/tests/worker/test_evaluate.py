"""What becomes of one task: its value, its error, its warnings."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from typing import Any

import pytest

from crew_core._wire import pickling

COUNTER = 0


class TwoArgumentsError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def add(a: int, b: int, c: int = 0) -> int:
    return a + b + c


async def add_later(a: int, b: int) -> int:
    import asyncio

    await asyncio.sleep(0)
    return a + b


def count() -> int:
    global COUNTER  # noqa: PLW0603
    COUNTER += 1
    return COUNTER


def raise_it(error: BaseException) -> None:
    raise error


def test_a_function_gets_its_arguments(process: Any) -> None:
    assert process.value(add, 1, 2, data={"c": 3}) == 6


def test_an_importable_function_runs_by_reference(process: Any) -> None:
    assert process.value(os.getpid) == process.process.pid


def test_a_coroutine_is_awaited(process: Any) -> None:
    assert process.value(add_later, 1, 2) == 3


def test_text_gives_its_value(process: Any) -> None:
    assert process.value("a + b + d", data={"a": 1, "b": 2}, globals={"d": 6}) == 9


def test_shared_data_come_anew_to_each_task_and_yield_to_its_own(process: Any) -> None:
    shared = {"a": 1, "b": [2]}
    for _ in range(2):
        value = process.value("b.append(9)\n[a, b]", data={"a": 5}, shared=shared)
        assert value == [5, [2, 9]]
    assert process.value(lambda a, b: (a, b), data={"a": 5}, shared=shared) == (5, [2])


def test_a_missing_package_is_an_error_each_time(process: Any) -> None:
    for _ in range(2):
        error = process.run("1", packages=("no_such_package",)).error
        assert error == "ModuleNotFoundError: No module named 'no_such_package'"


def test_packages_are_bound_by_name_for_text(process: Any) -> None:
    assert process.value("json.dumps([1])", packages=("json",)) == "[1]"
    assert process.value("xml.dom.minidom.__name__", packages=("xml.dom.minidom",))


def test_globals_reach_functions_shipped_by_value_and_go_afterwards(process: Any) -> None:
    def use() -> Any:
        return handed_over  # type: ignore[name-defined]  # noqa: F821

    assert process.value(use, globals={"handed_over": 7}) == 7
    assert process.run(use).error.startswith("NameError")


def test_global_state_of_a_function_starts_afresh(process: Any) -> None:
    assert [process.value(count), process.value(count)] == [1, 1]


def test_global_state_of_a_function_lasts_without_reset(start: Any) -> None:
    process = start(reset_globals=False)
    assert [process.value(count), process.value(count)] == [1, 2]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (ValueError("\udcff"), "ValueError: \\udcff"),
    ],
)
def test_whatever_is_raised_is_an_error(process: Any, error: BaseException, text: str) -> None:
    detail = process.run(raise_it, error)
    assert detail.error == text
    assert detail.value is None
    assert process.value(add, 1, 1) == 2


def test_an_exception_without_words_is_an_error_all_the_same(process: Any) -> None:
    def fail() -> None:
        raise UnspeakableError

    assert "UnspeakableError" in process.run(fail).error


def test_the_trace_shows_the_users_frames_only(process: Any) -> None:
    trace = process.run(raise_it, ValueError("bad")).trace
    assert "in raise_it" in trace
    assert "_worker" not in trace
    assert trace.endswith("ValueError: bad\n")


def test_a_long_message_is_clipped_at_its_end_and_a_trace_at_its_start(process: Any) -> None:
    detail = process.run(raise_it, ValueError("x" * 5000 + "end"))
    assert len(detail.error) == len(detail.trace) == 2048
    assert detail.error.startswith("ValueError: x")
    assert detail.trace.endswith("end\n")


def test_an_exception_comes_back_when_it_can(process: Any) -> None:
    error = pickling.load(process.run(raise_it, ValueError("bad")).exception)
    assert isinstance(error, ValueError)
    assert error.args == ("bad",)


def test_an_exception_that_does_not_unpickle_comes_as_text_only(process: Any) -> None:
    def fail() -> None:
        raise TwoArgumentsError(1, 2)

    detail = process.run(fail)
    assert detail.error == "TwoArgumentsError: 1 and 2"
    assert detail.exception is None


def test_an_exception_that_does_not_pickle_comes_as_text_only(process: Any) -> None:
    def fail() -> None:
        raise ValueError(threading.Lock())

    detail = process.run(fail)
    assert detail.error.startswith("ValueError: <unlocked")
    assert detail.exception is None


def test_exceptions_that_would_end_the_users_session_stay_here(process: Any) -> None:
    assert process.run(raise_it, SystemExit(0)).exception is None


def test_a_result_that_does_not_pickle_is_an_error_that_names_it(process: Any) -> None:
    detail = process.run(lambda: {"model": [threading.Lock()]})
    assert "the result, ['model'][0]: a _thread.lock object" in detail.error


def test_a_function_that_cannot_be_loaded_here_says_so(process: Any) -> None:
    class Unloadable:
        def __reduce__(self) -> Any:
            return __import__, ("no_such_module",)

        def __call__(self) -> None:
            return None

    error = process.run(Unloadable()).error
    assert "the task's function could not be loaded here: ModuleNotFoundError" in error


def test_arguments_that_cannot_be_loaded_here_say_so(process: Any) -> None:
    class Unloadable:
        def __reduce__(self) -> Any:
            return __import__, ("no_such_module",)

    error = process.run(add, Unloadable(), 1).error
    assert "the task's arguments could not be loaded here: ModuleNotFoundError" in error


def test_warnings_are_recorded_for_each_task_anew(process: Any) -> None:
    def warn() -> None:
        for _ in range(3):
            warnings.warn("careful", stacklevel=1)
        warnings.warn("really", stacklevel=1)

    assert process.run(warn).warnings == "careful. really"
    assert process.run(warn).warnings == "careful. really"
    assert process.run(add, 1, 2).warnings is None


def test_an_importable_modules_warnings_are_recorded_for_each_task_anew(process: Any) -> None:
    assert process.run(warnings.warn, "careful").warnings == "careful"
    assert process.run(warnings.warn, "careful").warnings == "careful"


def test_filters_that_a_task_sets_stay(process: Any) -> None:
    process.run("import warnings; warnings.simplefilter('ignore')")
    assert process.run(warnings.warn, "careful").warnings is None


def test_warnings_and_tracebacks_are_in_the_log_too(process: Any) -> None:
    process.run(warnings.warn, "careful")
    process.run(raise_it, ValueError("bad"))
    process.leave()
    output = process.output()
    assert "Warning: careful (UserWarning" in output
    assert "ValueError: bad" in output


def test_the_outcome_says_where_when_and_with_how_much_memory(process: Any) -> None:
    detail = process.run(add, 1, 2)
    assert detail.pid == process.process.pid
    assert detail.started_at > 1.5e9
    assert detail.rss_peak > 1 << 20


def test_a_large_value_arrives_whole(process: Any) -> None:
    assert process.value(lambda n: b"x" * n, 30_000_000) == b"x" * 30_000_000


def test_large_arguments_arrive_whole_at_an_idle_process(process: Any) -> None:
    process.value(add, 1, 2)
    assert process.value(len, b"x" * 30_000_000) == 30_000_000


def test_the_command_line_of_the_process_is_not_the_tasks(process: Any) -> None:
    assert process.value("import sys; sys.argv") == ["crew-task"]
    assert sys.argv != ["crew-task"]
