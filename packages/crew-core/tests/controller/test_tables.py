"""The tables of a controller, its launcher and its client; the logs of its workers."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import crew_core as crew
from crew_core._launcher.local import LocalLauncher

Make = Callable[..., crew.Controller]

SECONDS = 30

CONTROLLER_COLUMNS = [
    *("controller", "worker", "tasks", "seconds", "success", "error", "crash", "cancel", "timeout"),
    "warnings",
]
LAUNCHER_COLUMNS = [
    *("worker", "launches", "online", "discovered", "assigned", "complete", "state", "instance"),
    *("job", "host"),
]
CLIENT_COLUMNS = ["worker", "online", "instances", "assigned", "complete", "socket"]
RESOURCE_COLUMNS = ["name", "pid", "status", "rss", "time"]


def warn() -> None:
    import warnings

    warnings.warn("careful", UserWarning, stacklevel=1)


def push_one_of_each(controller: crew.Controller) -> None:
    """A success with a warning, an error, a crash, a timeout."""
    controller.push(warn).result(SECONDS)
    controller.push("1 / 0").exception(SECONDS)
    controller.push("import os\nos._exit(1)").exception(SECONDS)
    controller.push(time.sleep, (60,), seconds_timeout=0.05).exception(SECONDS)


# ── controller.summary() ───────────────────────────────────────────────────────────────────────


def test_before_the_start_there_are_no_rows(make: Make) -> None:
    controller = make(workers=2)
    assert list(controller.summary().columns) == CONTROLLER_COLUMNS
    assert list(controller.launcher.summary().columns) == LAUNCHER_COLUMNS
    assert len(controller.summary()) == len(controller.launcher.summary()) == 0
    assert not controller.started


def test_a_worker_has_a_row_with_what_its_tasks_came_to(make: Make, gate: Any) -> None:
    controller = make(workers=1, crashes_max=1)
    push_one_of_each(controller)
    held = controller.push(gate.hold)
    gate.wait_for(1)
    held.cancel()
    assert controller.wait(seconds_timeout=SECONDS)
    summary = controller.summary()
    assert list(summary.columns) == CONTROLLER_COLUMNS
    assert len(summary) == 1
    row = summary.iloc[0].to_dict()
    seconds = row.pop("seconds")
    table = controller.collect()
    assert table is not None
    assert seconds == pytest.approx(table["seconds"].sum())
    assert row == {
        "controller": controller.name,
        "worker": 1,
        "tasks": 5,
        "success": 1,
        "error": 1,
        "crash": 1,
        "cancel": 1,
        "timeout": 1,
        "warnings": 1,
    }
    pd.testing.assert_frame_equal(controller.summary(), summary)  # popping changes nothing


def test_seconds_add_up_although_some_tasks_have_none(make: Make) -> None:
    controller = make(workers=1, crashes_max=1)
    push_one_of_each(controller)
    assert controller.summary()["seconds"].iloc[0] >= 0  # and not NaN


def test_submitted_tasks_count_in_the_summary(make: Make) -> None:
    controller = make(workers=1)
    controller.submit(warn).result(SECONDS)
    assert controller.summary()["tasks"].sum() == 1


def test_a_task_that_reached_no_worker_is_in_a_row_without_one(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    controller.push(gate.hold)
    gate.wait_for(1)
    controller.push("1", name="queued")
    controller.cancel("queued")
    controller.push("1", seconds_queue=0.01)
    crew.retry(lambda: controller.resolved == 2, seconds_interval=0.01)
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    summary = controller.summary()
    assert len(summary) == 2
    assert summary["worker"].isna().tolist() == [False, True]
    nowhere = summary.iloc[1]
    assert (nowhere["tasks"], nowhere["cancel"], nowhere["timeout"]) == (2, 1, 1)


# ── launcher.summary() ─────────────────────────────────────────────────────────────────────────


def test_the_launcher_tells_of_the_workers_life(make: Make, gate: Any) -> None:
    controller = make(workers=2, tasks_max=1)
    controller.start()
    assert len(controller.launcher.summary()) == 0
    handle = controller.push(gate.hold)
    gate.wait_for(1)
    summary = controller.launcher.summary()
    assert list(summary.columns) == LAUNCHER_COLUMNS
    assert len(summary) == 1  # a row for each slot used so far
    row = summary.iloc[0]
    assert (row["worker"], row["launches"]) == (1, 1)
    assert row[["online", "discovered"]].tolist() == [True, True]
    assert (row["assigned"], row["complete"], row["state"]) == (1, 0, "online")
    assert psutil.pid_exists(int(row["job"]))

    gate.open()
    handle.result(SECONDS)
    assert handle.record is not None
    assert (row["instance"], row["host"]) == (handle.record.instance, handle.record.host)
    crew.retry(lambda: not controller.launcher.summary()["online"].any(), seconds_interval=0.01)
    after = controller.launcher.summary().iloc[0]
    assert (after["assigned"], after["complete"], after["state"]) == (1, 1, "exited")
    assert after[["online", "discovered"]].tolist() == [False, True]


def test_a_slot_that_is_used_again_counts_its_launches(make: Make) -> None:
    controller = make(workers=1, tasks_max=1)
    for _ in range(3):
        controller.push("1").result(SECONDS)
    summary = controller.launcher.summary()
    assert summary[["worker", "launches"]].to_numpy().tolist() == [[1, 3]]
    assert summary["complete"].tolist() == [3]
    assert controller.summary()["tasks"].tolist() == [3]


# ── client.summary() and client.resources() ────────────────────────────────────────────────────


def test_the_client_tells_of_the_workers_that_connected(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    assert list(controller.client.summary().columns) == CLIENT_COLUMNS
    assert len(controller.client.summary()) == 0
    controller.push(gate.hold)
    gate.wait_for(1)
    row = controller.client.summary().iloc[0].to_dict()
    assert row.pop("socket").startswith("unix://")
    assert row == {"worker": 1, "online": True, "instances": 1, "assigned": 1, "complete": 0}
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    row = controller.client.summary().iloc[0].to_dict()
    assert (row["assigned"], row["complete"]) == (1, 1)


def test_resources_lists_the_processes_of_the_controller(
    make: Make, tmp_path: Path, gate: Any
) -> None:
    controller = make(workers=1)
    handle = controller.push(os.getpid)
    pid = handle.result(SECONDS)
    assert handle.record is not None
    table = controller.client.resources()
    assert list(table.columns) == RESOURCE_COLUMNS
    assert str(table["time"].dt.tz) == "UTC"
    assert (table["rss"] > 2**20).all()
    found = {row.name: row.pid for row in table.itertuples(index=False)}
    assert found["client"] == os.getpid()
    assert found["dispatcher"] == controller.client.pid
    assert str(found["worker"]) == handle.record.job
    assert found["task process"] == pid


def test_log_resources_writes_the_same_to_a_file(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "resources.csv"
    controller = make(workers=1, log_resources=path)
    controller.start()
    crew.retry(lambda: path.read_text().count("\n") >= 3, seconds_interval=0.05)
    rows = list(csv.DictReader(path.read_text().splitlines()))  # while all of them live
    controller.terminate()
    assert list(rows[0]) == RESOURCE_COLUMNS
    assert {"client", "dispatcher"} <= {row["name"] for row in rows}
    assert all(int(row["rss"]) > 0 for row in rows)
    before = path.read_text().count("\n")

    controller.start()
    crew.retry(lambda: path.read_text().count("\n") > before, seconds_interval=0.05)
    assert path.read_text().count("name,pid") == 1  # continued, with one heading


def test_a_resource_log_that_cannot_be_written_is_a_config_error(
    make: Make, tmp_path: Path
) -> None:
    controller = make(workers=1, log_resources=tmp_path)
    with pytest.raises(crew.ConfigError, match="log_resources"):
        controller.start()
    assert not controller.started


# ── Logs ───────────────────────────────────────────────────────────────────────────────────────


def test_logs_by_worker_name_handle_and_record_also_after_the_pop(make: Make) -> None:
    controller = make(workers=1)
    text = "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)"
    handle = controller.push(text, name="talker")
    handle.result(SECONDS)
    record = handle.record
    assert record is not None
    for turn in range(2):
        for of in (1, "talker", handle, record):
            log = controller.logs(of)
            assert "to stdout\n" in log, (turn, of)
            assert "to stderr\n" in log
        controller.pop()
    controller.terminate()
    assert "to stdout" in controller.logs(record)
    assert "to stdout" in controller.logs("talker")


def test_logs_after_collect_and_map(make: Make) -> None:
    controller = make(workers=1)
    controller.push("print('collected')", name="collected").result(SECONDS)
    controller.collect()
    controller.map("print('mapped', x)", {"x": [1]}, names=["mapped"])
    assert "collected" in controller.logs("collected")
    assert "mapped 1" in controller.logs("mapped")


class ElsewhereLauncher(LocalLauncher):
    """Its platform keeps what workers print, and shows it by the worker's name there."""

    def log_place(self, handle: Any) -> str | None:
        return f"archive:{handle.pid}"

    def read_log(self, place: str) -> str | None:
        return f"printed by {place}"


class SecretiveLauncher(LocalLauncher):
    """Fails to say where that is."""

    def log_place(self, handle: Any) -> str | None:
        raise RuntimeError(handle)


@pytest.mark.parametrize("processes", [None, 1])
def test_logs_that_a_platform_keeps(state_home: Path, processes: int | None) -> None:
    with crew.controller(ElsewhereLauncher(), workers=1, processes=processes) as controller:
        handle = controller.push("import os; os.getppid()", name="talker")
        place = f"archive:{handle.result(SECONDS)}"
        record = handle.record
        assert record is not None
        assert record.log == place
        for of in (1, "talker", handle, record):
            assert controller.logs(of) == f"printed by {place}"
    assert controller.logs(record) == f"printed by {place}"


def test_a_launcher_that_cannot_say_where_it_keeps_logs_works_all_the_same(
    state_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with crew.controller(SecretiveLauncher(), workers=1) as controller:
        assert controller.push("6 * 7").result(SECONDS) == 42
    assert "failed in log_place()" in caplog.text


@pytest.mark.parametrize("of", [3, "nobody"])
def test_logs_of_what_is_not_there(controller: crew.Controller, of: Any) -> None:
    with pytest.raises(crew.ConfigError, match="knows no such worker or finished task"):
        controller.logs(of)


def test_logs_of_a_task_that_is_not_finished(controller: crew.Controller, gate: Any) -> None:
    handle = controller.push(gate.hold, name="running")
    for of in (handle, "running"):
        with pytest.raises(crew.ConfigError, match="finished task"):
            controller.logs(of)


@pytest.mark.parametrize("of", [None, 1.5, True, ["a"]])
def test_logs_of_something_else(controller: crew.Controller, of: Any) -> None:
    with pytest.raises(TypeError, match="logs"):
        controller.logs(of)


def test_log_directory_says_where(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "logs"
    controller = make(workers=1, log_directory=folder)
    handle = controller.push("print('written')")
    handle.result(SECONDS)
    assert handle.record is not None
    assert handle.record.log is not None
    path = Path(handle.record.log)
    assert path.parent == folder
    controller.terminate()
    assert "written" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0  # others may not read it


def test_a_log_directory_that_cannot_be_made_is_named(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    controller = make(workers=1, log_directory=tmp_path / "file" / "logs")
    with pytest.raises(crew.CrewError, match="log_directory"):
        controller.start()
    assert not controller.started


def test_by_default_logs_are_in_the_users_state_directory(make: Make, state_home: Path) -> None:
    controller = make(workers=1)
    handle = controller.push("1")
    handle.result(SECONDS)
    assert handle.record is not None
    assert Path(str(handle.record.log)).parent == state_home / "crew" / "logs" / controller.name


class Unreadable:
    """Pickles, and does not come back."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (int, ("not a number",))


def test_a_result_that_cannot_be_read_here_is_counted_as_the_error_that_its_record_says(
    make: Callable[..., crew.Controller],
) -> None:
    controller = make()
    handle = controller.push(Unreadable)
    assert controller.wait(seconds_timeout=30)
    assert handle.status == "error"
    summary = controller.summary()
    assert (summary["success"].sum(), summary["error"].sum()) == (0, 1)
