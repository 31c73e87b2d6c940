"""The embedded store's process: who may join, and what becomes of its data and its callers."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

import crew_core as crew
import crew_rush
from crew_core.services import Pass
from crew_rush._store.embedded import owner
from crew_rush._store.embedded.client import EmbeddedConnection
from crew_rush._store.embedded.home import SCHEME, Home
from crew_rush._store.opening import access_for, join_store, open_store
from rush_loops import kill_store, until


def home_of(store: crew_rush.EmbeddedStore) -> Home:
    return Home(Path(store.url[len(SCHEME) :]))


def has(some: list[str], count: int) -> bool:
    return len(some) >= count


def test_kept_store_is_there_again_for_the_next_process(tmp_path: Path) -> None:
    with crew_rush.EmbeddedStore(tmp_path) as store:
        keys = crew_rush.Rush("n", store=store).push_tasks([{"x": 1}, {"x": 2}])
    with crew_rush.EmbeddedStore(tmp_path) as store:
        rush = crew_rush.Rush("n", store=store, create=False)
        assert rush.tasks_with_state("queued") == keys
        assert rush.fetch_queued_tasks()["x"].tolist() == [1, 2]


def test_killed_store_comes_back_and_callers_go_on(tmp_path: Path) -> None:
    with crew_rush.EmbeddedStore(tmp_path) as store:
        rush = crew_rush.Rush("n", store=store)
        pushed: list[str] = []
        over = threading.Event()

        def push() -> None:
            while not over.is_set():
                pushed.extend(rush.push_tasks([{"x": len(pushed)}]))

        pusher = threading.Thread(target=push)
        pusher.start()
        try:
            for _ in range(3):
                enough = len(pushed) + 5
                kill_store(store)
                until(partial(has, pushed, enough))
        finally:
            over.set()
            pusher.join()
        assert rush.tasks_with_state("queued") == pushed


def test_killed_store_in_memory_says_what_is_gone() -> None:
    with crew_rush.EmbeddedStore() as store, crew_rush.Rush("n", store=store) as rush:
        os.kill(store.pid, signal.SIGKILL)
        with pytest.raises(crew_rush.StoreError, match=r"signal 9.*in memory only"):
            rush.push_tasks([{"x": 1}])


def test_second_process_on_one_folder_is_refused(tmp_path: Path) -> None:
    with crew_rush.EmbeddedStore(tmp_path) as store:
        with pytest.raises(crew_rush.StoreError, match="in use by another store"):
            crew_rush.EmbeddedStore(tmp_path)
        store.check()


def test_wrong_secret_is_refused_at_once() -> None:
    with crew_rush.EmbeddedStore() as store:
        here = home_of(store).read_address().here
        connection = EmbeddedConnection(Pass(url=here, secret="guess"), "n", store.url, 30.0)
        with pytest.raises(crew_rush.StoreError, match="secret is not the one"):
            connection.attach(create=True)


def test_files_with_secrets_are_private() -> None:
    with crew_rush.EmbeddedStore() as store:
        home = home_of(store)
        assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
        for path in (home.keys, home.address):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_store_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_END_SECONDS", 60.0)  # one that is killed cannot tidy up
    store = crew_rush.EmbeddedStore()
    home, here = home_of(store), home_of(store).read_address().here
    store.close()
    assert not home.path.exists()
    assert not Path(here.removeprefix("unix://")).exists()


def test_call_after_close_says_so() -> None:
    with crew_rush.EmbeddedStore() as store:
        rush = crew_rush.Rush("n", store=store)
        rush.close()
        with pytest.raises(crew_rush.StoreError, match="closed"):
            rush.push_tasks([{"x": 1}])


def test_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(crew_rush.StoreError, match=str(tmp_path)):
        crew_rush.Rush("n", store=f"{SCHEME}{tmp_path}")


def test_workers_elsewhere_need_a_store_on_the_network() -> None:
    with (
        crew_rush.EmbeddedStore() as store,
        pytest.raises(crew.ConfigError, match="NetworkOptions"),
    ):
        access_for(store, local=False)


def test_store_on_the_network_is_reached_with_proof_and_comes_back_at_its_port(
    tmp_path: Path,
) -> None:
    options = crew.NetworkOptions(host="127.0.0.1")
    with crew_rush.EmbeddedStore(tmp_path, network=options) as store:
        access = access_for(store, local=False)
        assert access.url.startswith("tls+tcp://127.0.0.1:")
        assert not any(secret in access.url for secret in access.environment.values())
        manager = open_store(store, "n", 10.0)
        manager.attach(create=True)
        worker = join_store(access.url, "n", access.environment, 60.0)
        worker.push([("a", {"xs": b"1"})], "queued", None)
        os.kill(store.pid, signal.SIGKILL)
        assert worker.keys("queued") == ["a"]
        assert access_for(store, local=False).url == access.url
        worker.close()
        manager.close()


FIRST_MANAGER = """
import time
import crew_rush

def loop(rush):
    while not rush.terminated:
        keys = rush.push_running_tasks([{"x": 1}])
        time.sleep(0.02)
        rush.finish_tasks(keys, [{"y": 1}])

rush = crew_rush.Rush("n")
rush.start_local_workers(loop, n_workers=1)
rush.wait_for_workers()
print(rush.store.url, flush=True)
time.sleep(600)
"""


def test_workers_and_store_outlive_their_manager_and_another_takes_over() -> None:
    first = subprocess.Popen([sys.executable, "-c", FIRST_MANAGER], stdout=subprocess.PIPE)
    assert first.stdout is not None
    url = first.stdout.readline().decode().strip()
    first.kill()
    first.wait()
    first.stdout.close()
    rush = crew_rush.Rush("n", store=url, create=False)
    rush.fetch_new_tasks()
    assert len(rush.fetch_new_tasks(timeout=60))
    assert len(rush.stop_workers()) == 1
    until(lambda: rush.n_running_workers == 0)
    home = Home(Path(url[len(SCHEME) :]))
    os.kill(home.read_address().pid, signal.SIGTERM)
    until(lambda: not home.path.exists())
    rush.close()


def test_process_that_nobody_needs_any_more_is_told_by_its_maker(tmp_path: Path) -> None:
    store = crew_rush.EmbeddedStore(tmp_path)
    pid = store.pid
    store.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
