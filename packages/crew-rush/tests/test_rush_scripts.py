"""Workers that a person starts by a script, and those whose supervisor dies."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
import crew_rush
from rush_loops import SECONDS, pid_of, runs, state_of, stuck_loop, until

QUICK: dict[str, Any] = {"heartbeat_period": 0.2, "heartbeat_expire": 8.0}
"""Seconds: a worker that dies is soon missed, and one on a busy computer is not."""

Run = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs lines of a shell, each until the end of the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def run_one(line: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["sh", "-c", f"exec env {line}"], stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run_one
    for process in started:
        process.kill()
        process.communicate()


def test_script_worker_is_killed_from_afar_and_only_a_person_restarts_it(
    rush: crew_rush.Rush, run: Run
) -> None:
    process = run(rush.worker_script(stuck_loop(), local=True, heartbeat_period=0.2))
    until(lambda: rush.n_running_tasks == 1)
    (worker_id,) = rush.worker_ids
    loop = pid_of(rush, worker_id)
    assert rush.stop_workers("kill") == [worker_id]
    assert rush.n_failed_tasks == 1
    assert process.wait(SECONDS) == 0
    until(lambda: not runs(loop))
    assert state_of(rush, worker_id) == "killed"
    assert rush.restart_workers() == []
    with pytest.raises(crew.ConfigError, match="by a script"):
        rush.restart_workers([worker_id])


def test_script_that_is_run_twice_is_two_workers(rush_here: crew_rush.Rush, run: Run) -> None:
    line = rush_here.worker_script(stuck_loop(), local=True)
    run(line)
    run(line)
    until(lambda: rush_here.n_running_tasks == 2)
    assert rush_here.n_workers == 2


def test_worker_whose_supervisor_dies_is_lost_and_those_who_wait_are_told(
    rush: crew_rush.Rush, run: Run
) -> None:
    process = run(rush.worker_script(stuck_loop(), local=True, **QUICK))
    until(lambda: rush.n_running_tasks == 1)
    (worker_id,), keys = rush.worker_ids, rush.tasks_with_state("running")
    loop = pid_of(rush, worker_id)
    process.kill()
    assert rush.wait_for_tasks(keys, timeout=SECONDS)
    assert "not heard of" in rush.fetch_failed_tasks()["condition"].iloc[0]
    assert rush.detect_lost_workers() == [worker_id]
    until(lambda: not runs(loop))


def test_several_lost_workers_are_told_once(rush_here: crew_rush.Rush) -> None:
    ids = rush_here.start_local_workers(stuck_loop(), n_workers=3)
    until(lambda: rush_here.n_running_tasks == 3)
    for worker_id in ids[:2]:
        os.kill(pid_of(rush_here, worker_id), signal.SIGSEGV)
    until(lambda: rush_here.n_running_workers == 1)
    assert sorted(rush_here.detect_lost_workers()) == sorted(ids[:2])
    assert rush_here.detect_lost_workers() == []
    assert state_of(rush_here, ids[2]) == "running"
    reasons = set(rush_here.fetch_failed_tasks()["condition"])
    assert reasons == {"its worker was lost: signal 11"}


def test_script_is_shown_and_logged_without_its_secrets(
    rush: crew_rush.Rush, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="crew_rush")
    words = shlex.split(rush.worker_script(stuck_loop(), local=True))
    secret = next(word for word in words if word.startswith("CREW_SECRET=")).partition("=")[2]
    assert secret
    assert "worker" in caplog.text
    assert secret not in caplog.text
    assert secret not in rush.worker_script(stuck_loop(), local=True, redacted=True)


def test_worker_with_a_wrong_secret_says_so_and_leaves(rush: crew_rush.Rush, run: Run) -> None:
    line = rush.worker_script(stuck_loop(), local=True, redacted=True)
    process = run(line)
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 4
    assert "secret is not the one" in told or "does not let us in" in told
    assert "Traceback" not in told
    assert rush.n_workers == 0


def test_worker_with_a_wrong_network_says_so_and_leaves(rush: crew_rush.Rush, run: Run) -> None:
    line = rush.worker_script(stuck_loop(), local=True)
    process = run(line.replace(rush.network_id, "not-there"))
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 3
    assert "no network 'not-there'" in told
    assert "Traceback" not in told


def test_logs_of_old_workers_are_removed_and_fresh_ones_kept(
    rush_here: crew_rush.Rush, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    old = tmp_path / "crew" / "logs" / "rush-long-ago" / "calm_cat_1.log"
    old.parent.mkdir(parents=True)
    old.touch()
    os.utime(old, (0, 0))
    (worker_id,) = rush_here.start_local_workers(stuck_loop(), n_workers=1)
    assert rush_here.wait_for_workers(timeout=SECONDS)
    assert not old.exists()
    fresh = tmp_path / "crew" / "logs" / f"rush-{rush_here.network_id}"
    assert [path.stem for path in fresh.iterdir()] == [worker_id]
