"""What a record says of a task, for each way in which a task can end."""

from __future__ import annotations

import os
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

import crew_core as crew
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core._model.record import COLUMNS, TEXT_LIMIT
from crew_core.plugins import LaunchRequest

SECONDS = 30

THE_COLUMNS = [
    *("name", "command", "result", "status", "error", "code", "trace", "warnings", "seconds"),
    *("seed", "algorithm", "controller", "launcher", "worker", "instance", "host", "pid", "job"),
    *("attempts", "pushed_at", "started_at", "finished_at", "rss_peak", "log", "cause"),
]

WHERE = ("launcher", "worker", "instance", "host", "job", "log")


class Stubborn(Exception):  # noqa: N818  (its name is not the point)
    """An exception that arrives with what was put into it."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one, two)
        self.total = one + two


def succeed() -> dict[str, Any]:
    sys.stdout.write("printed by the task\n")
    warnings.warn("watch out", UserWarning, stacklevel=1)
    controller = os.environ.get("CREW_CONTROLLER")
    return {"pid": os.getpid(), "parent": os.getppid(), "controller": controller}


def inner_function() -> None:
    raise Stubborn(1, 2)


def fail() -> None:
    warnings.warn("before the error", UserWarning, stacklevel=1)
    inner_function()


def leave(code: int) -> None:
    os._exit(code)


def sleep(mark: Path | None = None) -> None:
    if mark is not None:
        mark.touch()
    time.sleep(60)


def raise_plain(error: BaseException) -> None:
    raise error


@pytest.fixture(scope="module")
def recorder(state_home: Path) -> Iterator[crew.Controller]:
    """A controller for which the first crash of a task is final."""
    with crew.controller("local", name="recorder", workers=2, crashes_max=1) as controller:
        yield controller


@pytest.fixture(scope="module")
def records(
    recorder: crew.Controller, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, crew.Record]:
    """A record for each way to end, by name."""
    marks = tmp_path_factory.mktemp("marks")
    pushed: list[crew.Task[Any]] = [
        recorder.push(succeed, name="success", save_command=True),
        recorder.push(fail, name="error"),
        recorder.push(leave, (3,), name="crash"),
        recorder.push(sleep, name="timeout", seconds_timeout=0.1, seed=7, algorithm="Philox"),
    ]
    for handle in pushed:
        handle.exception(SECONDS)
    names = ("cancel", "also cancelled")
    running = [recorder.push(sleep, (marks / name,), name=name) for name in names]
    crew.retry(lambda: len(list(marks.iterdir())) == 2, seconds_interval=0.02)
    recorder.push(sleep, name="cancelled in the queue")
    recorder.push(sleep, name="late in the queue", seconds_queue=0.1).exception(SECONDS)
    assert not any(handle.done() for handle in running)
    recorder.cancel(all=True)
    assert recorder.wait(seconds_timeout=SECONDS)
    found = {}
    while (record := recorder.pop()) is not None:
        found[record.name] = record
    return found


# ── The columns ────────────────────────────────────────────────────────────────────────────────


def test_a_record_has_25_columns_in_this_order(records: dict[str, crew.Record]) -> None:
    assert list(COLUMNS) == THE_COLUMNS
    assert len(THE_COLUMNS) == 25
    assert [f for f in records["success"].__struct_fields__ if f in THE_COLUMNS] == THE_COLUMNS


def test_collect_has_the_same_columns(recorder: crew.Controller) -> None:
    recorder.push("1").result(SECONDS)
    table = recorder.collect()
    assert table is not None
    assert list(table.columns) == THE_COLUMNS


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("success", "success", 0),
        ("error", "error", -1),
        ("crash", "crash", 19),
        ("cancel", "cancel", 20),
        ("cancelled in the queue", "cancel", 20),
        ("timeout", "timeout", 5),
        ("late in the queue", "timeout", 5),
    ],
)
def test_status_and_code(
    records: dict[str, crew.Record], name: str, status: str, code: int
) -> None:
    record = records[name]
    assert (record.name, record.status, record.code) == (name, status, code)
    assert record.controller == "recorder"


def test_result_is_none_and_error_is_never_empty_unless_the_status_is_success(
    records: dict[str, crew.Record],
) -> None:
    for record in records.values():
        succeeded = record.status == "success"
        assert (record.result is not None) == succeeded
        assert (record.error is None) == succeeded
        assert record.error != ""


def test_errors_say_what_happened(records: dict[str, crew.Record]) -> None:
    assert records["error"].error == "Stubborn: (1, 2)"
    assert records["cancel"].error == "cancelled"
    assert records["cancelled in the queue"].error == "cancelled before it started"
    assert "seconds_timeout=0.1" in str(records["timeout"].error)
    assert "seconds_queue=0.1" in str(records["late in the queue"].error)
    assert "exit 3" in str(records["crash"].error)


def test_only_an_error_has_a_trace_and_it_shows_the_users_lines_alone(
    records: dict[str, crew.Record],
) -> None:
    for name, record in records.items():
        assert (record.trace is None) == (name != "error")
    trace = str(records["error"].trace)
    assert "inner_function" in trace
    assert "raise Stubborn(1, 2)" in trace
    assert trace.rstrip().endswith("Stubborn: (1, 2)")
    assert os.path.join("crew_core", "_worker") not in trace


def test_warnings_are_recorded_with_and_without_an_error(records: dict[str, crew.Record]) -> None:
    assert records["success"].warnings == "watch out"
    assert records["error"].warnings == "before the error"
    assert records["crash"].warnings is None


def test_command_seed_and_algorithm_are_as_given(records: dict[str, crew.Record]) -> None:
    assert str(records["success"].command).endswith("succeed")
    assert records["error"].command is None
    assert (records["success"].seed, records["success"].algorithm) == (None, None)
    assert (records["timeout"].seed, records["timeout"].algorithm) == (7, "Philox")


def test_only_a_crash_has_a_cause(records: dict[str, crew.Record]) -> None:
    causes = {name: record.cause for name, record in records.items()}
    assert causes.pop("crash") == "exit 3"
    assert set(causes.values()) == {None}


def test_attempts_counts_how_often_the_task_was_run(records: dict[str, crew.Record]) -> None:
    ran = ("success", "error", "crash", "cancel", "timeout")
    assert [records[name].attempts for name in ran] == [1] * 5
    assert records["cancelled in the queue"].attempts == 0
    assert records["late in the queue"].attempts == 0


# ── Where and when ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["success", "error", "crash", "cancel", "timeout"])
def test_a_task_that_ran_says_where(
    records: dict[str, crew.Record], recorder: crew.Controller, name: str
) -> None:
    record = records[name]
    assert record.launcher == "local"
    assert record.worker in (1, 2)
    assert record.host == socket.gethostname()
    assert record.pid is not None
    summary = recorder.launcher.summary().set_index("worker").loc[record.worker]
    assert record.instance == summary["instance"]
    assert record.job == summary["job"]
    assert record.log is not None
    assert Path(record.log).is_file()


def test_a_task_that_never_ran_says_nothing_of_where(records: dict[str, crew.Record]) -> None:
    for name in ("cancelled in the queue", "late in the queue"):
        record = records[name]
        assert [getattr(record, column) for column in (*WHERE, "pid", "rss_peak")] == [None] * 8
        assert [record.seconds, record.started_at, record.finished_at] == [None] * 3
        assert record.pushed_at is not None


def test_pid_is_the_tasks_process_and_a_child_of_the_workers(
    records: dict[str, crew.Record], recorder: crew.Controller
) -> None:
    record = records["success"]
    assert record.pid == record.result["pid"] != os.getpid()
    assert record.job == str(record.result["parent"])
    online = recorder.push(os.getpid)
    assert online.result(SECONDS) in [
        child.pid
        for row in recorder.launcher.summary()["job"]
        for child in psutil.Process(int(row)).children()
    ]


def test_a_task_finds_its_controllers_name_in_the_environment(
    records: dict[str, crew.Record],
) -> None:
    assert records["success"].result["controller"] == "recorder"
    assert "CREW_CONTROLLER" not in os.environ


def test_the_log_holds_what_the_task_printed_warned_and_raised(
    records: dict[str, crew.Record], recorder: crew.Controller
) -> None:
    assert "printed by the task" in recorder.logs(records["success"])
    assert "Warning: watch out" in recorder.logs(records["success"])
    assert "Stubborn: (1, 2)" in recorder.logs(records["error"])


@pytest.mark.parametrize("name", ["success", "error", "timeout", "cancel"])
def test_times_are_utc_and_in_order(
    records: dict[str, crew.Record], recorder: crew.Controller, name: str
) -> None:
    record = records[name]
    pushed, started, finished = record.pushed_at, record.started_at, record.finished_at
    if started is None and "ignores the interrupt and is killed" in recorder.logs(record):
        assert name in ("timeout", "cancel"), "only such a task is interrupted"
        pytest.skip("its process was too slow to tell before it was killed")
    assert pushed is not None
    assert started is not None
    assert finished is not None
    assert {pushed.tzinfo, started.tzinfo, finished.tzinfo} == {timezone.utc}
    assert pushed <= started <= finished <= datetime.now(timezone.utc)
    assert record.seconds is not None
    assert record.seconds >= 0
    assert finished - started == timedelta(seconds=record.seconds)


def test_memory_is_measured_in_bytes(records: dict[str, crew.Record]) -> None:
    assert 2**20 < (records["success"].rss_peak or 0) < 2**40


# ── What a record can do ───────────────────────────────────────────────────────────────────────


def test_a_record_is_frozen(records: dict[str, crew.Record]) -> None:
    with pytest.raises(AttributeError):
        records["success"].status = "error"  # type: ignore[misc]  # what is tested


def test_value_returns_the_result_or_raises(records: dict[str, crew.Record]) -> None:
    assert records["success"].value() == records["success"].result
    with pytest.raises(Stubborn, match="1, 2"):
        records["error"].value()
    with pytest.raises(crew.WorkerCrashError, match=r"'crash'.*exit 3") as crashed:
        records["crash"].value()
    assert crashed.value.record is records["crash"]
    with pytest.raises(crew.TaskTimeoutError, match="seconds_timeout"):
        records["timeout"].value()
    with pytest.raises(TimeoutError):
        records["late in the queue"].value()
    with pytest.raises(CancelledError):
        records["cancel"].value()


def test_the_exception_itself_comes_back_when_it_pickles(records: dict[str, crew.Record]) -> None:
    exception = records["error"].exception
    assert isinstance(exception, Stubborn)
    assert (exception.args, exception.total) == ((1, 2), 3)
    assert records["success"].exception is None
    assert records["crash"].exception is None


def test_an_exception_that_does_not_pickle_is_a_task_error_with_its_words(
    recorder: crew.Controller,
) -> None:
    text = "e = ValueError('with a generator')\ne.g = (i for i in ())\nraise e"
    handle = recorder.push(text)
    with pytest.raises(crew.TaskError, match="ValueError: with a generator") as caught:
        handle.result(SECONDS)
    assert caught.value.record is handle.record
    assert handle.record is not None
    assert handle.record.exception is None


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_leaving_by_exception_is_an_error_like_any_other(
    recorder: crew.Controller, error: BaseException
) -> None:
    handle = recorder.push(raise_plain, (error,))
    with pytest.raises(crew.TaskError, match=type(error).__name__):
        handle.result(SECONDS)
    assert handle.record is not None
    assert handle.record.status == "error"


# ── Long and odd texts ─────────────────────────────────────────────────────────────────────────


def run(controller: crew.Controller, text: str, **data: Any) -> crew.Record:
    handle = controller.push(text, data=data)
    handle.exception(SECONDS)
    assert handle.record is not None
    return handle.record


def test_texts_are_clipped(recorder: crew.Controller) -> None:
    text = "import warnings\nwarnings.warn('first ' + long)\nraise ValueError(long + ' last')"
    record = run(recorder, text, long="x" * 9000)
    assert record.error is not None
    assert record.trace is not None
    assert record.warnings is not None
    assert [len(t) for t in (record.error, record.trace, record.warnings)] == [TEXT_LIMIT] * 3
    assert TEXT_LIMIT == 2048
    assert record.error.startswith("ValueError: xxx")
    assert record.trace.rstrip().endswith("xxx last")  # a traceback's useful part is its end
    assert record.warnings.startswith("first xxx")


def test_a_thousand_warnings_are_clipped(recorder: crew.Controller) -> None:
    text = "import warnings\nfor i in range(1000):\n    warnings.warn(f'{i:04} ' + 60 * 'x')"
    record = run(recorder, text)
    assert record.warnings is not None
    assert len(record.warnings) == 2048
    assert record.warnings.startswith("0000 xxx")


def test_text_of_just_the_limit_is_kept_whole(recorder: crew.Controller) -> None:
    long = "x" * (TEXT_LIMIT - len("ValueError: "))
    assert run(recorder, "raise ValueError(x)", x=long).error == f"ValueError: {long}"


def test_an_error_without_a_message_is_still_an_error(recorder: crew.Controller) -> None:
    assert run(recorder, "raise ValueError").error == "ValueError"
    assert run(recorder, "raise ValueError('')").error == "ValueError"
    assert run(recorder, "assert False").error == "AssertionError"


def test_a_warning_without_a_message_is_still_a_warning(recorder: crew.Controller) -> None:
    record = run(recorder, "import warnings\nwarnings.warn('', DeprecationWarning)")
    assert record.warnings == "DeprecationWarning"


def test_several_warnings_are_joined(recorder: crew.Controller) -> None:
    record = run(recorder, "import warnings\nwarnings.warn('one')\nwarnings.warn('two')")
    assert record.warnings == "one. two"


# ── Tables ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def emptied(recorder: crew.Controller) -> crew.Controller:
    """The controller, after all that was finished has been collected."""
    recorder.collect()
    return recorder


ODD_RESULTS: dict[str, Any] = {
    "list": [1, 2, 3],
    "empty list": [],
    "array": np.arange(6).reshape(2, 3),
    "frame": pd.DataFrame({"a": [1, 2]}),
    "series": pd.Series([1.0, 2.0]),
    "dict": {"a": [1]},
    "none": None,
    "tuple": (1, "two"),
    "string": "text",
}


def test_any_result_is_one_cell_of_a_table(emptied: crew.Controller) -> None:
    for name, value in ODD_RESULTS.items():
        emptied.push("value", data={"value": value}, name=name)
    assert emptied.wait(seconds_timeout=SECONDS)
    table = emptied.collect()
    assert table is not None
    assert len(table) == len(ODD_RESULTS)
    found = dict(zip(table["name"], table["result"], strict=True))
    for name, value in ODD_RESULTS.items():
        assert type(found[name]) is type(value)
        assert repr(found[name]) == repr(value)


@pytest.mark.parametrize("name", ["list", "array"])
def test_a_table_of_one_row_may_hold_a_list_or_an_array(
    emptied: crew.Controller, name: str
) -> None:
    emptied.push("value", data={"value": ODD_RESULTS[name]}).result(SECONDS)
    table = emptied.collect()
    assert table is not None
    assert len(table) == 1
    np.testing.assert_equal(table["result"].iloc[0], ODD_RESULTS[name])


def test_in_a_table_absent_numbers_are_nan_absent_times_nat_and_all_else_none(
    state_home: Path,
) -> None:
    table = table_with_a_late_task()
    done, late = table.loc["done"], table.loc["late"]
    for column in ("seconds", "seed", "worker", "pid", "rss_peak"):
        assert table[column].dtype == np.float64
        assert np.isnan(late[column])
        assert not np.isnan(done[column])
    for column in ("pushed_at", "started_at", "finished_at"):
        assert isinstance(table[column].dtype, pd.DatetimeTZDtype)
        assert str(table[column].dt.tz) == "UTC"
    assert late["started_at"] is pd.NaT
    assert late["finished_at"] is pd.NaT
    assert done["error"] is None
    for column in ("command", "result", "trace", "warnings", "algorithm", "instance", "cause"):
        assert late[column] is None
    assert [table[column].dtype for column in ("code", "attempts")] == [np.int64, np.int64]


def table_with_a_late_task() -> pd.DataFrame:
    """The table of a task that ran, and of one that waited for too long."""
    with crew.controller("local", name="late", workers=1) as controller:
        controller.push("1", name="done", seed=5).result(SECONDS)
        sleeper = controller.push(sleep, name="in the way")
        controller.push("1", name="late", seconds_queue=0.01).exception(SECONDS)
        sleeper.cancel()
        assert controller.wait(seconds_timeout=SECONDS)
        table = controller.collect()
        assert table is not None
        return table.set_index("name")


def test_in_a_table_where_nothing_is_absent_whole_numbers_stay_whole(
    emptied: crew.Controller,
) -> None:
    emptied.push("1", seed=2**62 + 1).result(SECONDS)
    table = emptied.collect()
    assert table is not None
    assert [table[c].dtype for c in ("seed", "worker", "pid", "rss_peak")] == [np.int64] * 4
    assert table["seed"].iloc[0] == 2**62 + 1


def test_a_large_seed_keeps_all_its_digits_beside_an_absent_one(
    emptied: crew.Controller,
) -> None:
    emptied.push("1", name="large", seed=2**62 + 1)
    emptied.push("1", name="none")
    assert emptied.wait(seconds_timeout=SECONDS)
    table = emptied.collect()
    assert table is not None
    assert table.set_index("name")["seed"]["large"] == 2**62 + 1


class Slow(LocalLauncher):
    """Its workers are up before the call that launches them returns."""

    def __init__(self, ran: Path) -> None:
        super().__init__()
        self._ran = ran

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        crew.retry(self._ran.exists, seconds_interval=0.01)
        return handles


def test_the_job_is_known_of_a_task_that_ended_before_its_workers_launch(
    controller_name: str, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    with crew.controller(Slow(ran), name=controller_name, workers=1) as controller:
        task = controller.push(ran.touch)
        task.result(SECONDS)
        assert task.record is not None
        assert task.record.job == str(psutil.Process(task.record.pid).ppid())
