"""A network on Redis: which keys it has there, and how often it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from crew_rush._model.facts import LogEvent, Worker
from crew_rush._store.base import Store
from crew_rush._store.opening import open_store
from rush_servers import serving

if TYPE_CHECKING:
    import redis

ONE = ("one", "life")
KEYS = [f"k{number}" for number in range(800)]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for these tests alone: others' workers may still ask theirs, and here all counts."""
    with serving(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    import redis

    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def store(redis_url: str, network: str) -> Iterator[Store]:
    store = open_store(redis_url, network)
    store.attach(create=True)
    store.register(Worker(*ONE, 1, "here", False, "local", "start"), 60.0)
    yield store
    store.reset()
    store.close()


def do_all(store: Store) -> None:
    store.set_value("start", b"value")
    store.push([(key, {"xs": b"x"}) for key in KEYS], "queued", None)
    task = store.pop(*ONE)
    assert task is not None
    store.begin(*ONE, task.key)
    store.pop(*ONE)
    store.push([("own", {"xs": b"x"}), ("more", {"xs": b"x"})], "running", ONE)
    store.decide("finished", "try-1", [("own", {"ys": b"y"})])
    store.decide("failed", "try-2", [("more", {"condition": b"t"})])
    store.add_log("batch", [LogEvent("one", 1.0, 20, "log", "text")])


def keys_of(server: redis.Redis, network: str) -> set[str]:
    return {str(key) for key in server.scan_iter(f"*{network}*")}


def test_all_keys_are_under_the_networks_id_and_go_with_it(
    store: Store, server: redis.Redis, network: str
) -> None:
    before = server.dbsize() - len(keys_of(server, network))
    do_all(store)
    assert len(keys_of(server, network)) > len(KEYS)
    assert server.dbsize() - len(keys_of(server, network)) == before
    store.reset()
    assert keys_of(server, network) == set()


def test_data_that_is_reset_leaves_only_what_workers_need(
    store: Store, server: redis.Redis, network: str
) -> None:
    do_all(store)
    store.reset_data()
    left = {key.partition("}:")[2] for key in keys_of(server, network)}
    assert left == {"meta", "values", "workers", "w:one", "leases"}


def test_what_concerns_many_tasks_is_one_round_trip(store: Store, server: redis.Redis) -> None:
    def trips(call: Callable[[], object]) -> int:
        server.config_resetstat()
        call()
        stats = server.info("commandstats")
        asked = (stats.get(f"cmdstat_{name}", {"calls": 0}) for name in ("evalsha", "eval"))
        return sum(int(found["calls"]) for found in asked)

    def read_new() -> None:
        store.read_finished("", 0)

    store.push([("warm", {"xs": b"x"})], "running", ONE)  # scripts are sent once
    store.decide("finished", "try-0", [("warm", {"ys": b"y"})])
    for call in (store.counts, lambda: store.states(["warm"]), lambda: store.read(["warm"])):
        call()
    tasks = [(key, {"xs": b"x"}) for key in KEYS]
    done = [(key, {"ys": b"y"}) for key in KEYS]
    assert trips(lambda: store.push(tasks, "running", ONE)) == 1
    assert trips(lambda: store.decide("finished", "try-1", done)) == 1
    assert trips(lambda: store.states(KEYS)) == 1
    assert trips(lambda: store.read(KEYS)) == 1
    assert trips(store.counts) == 1
    read_new()
    assert trips(read_new) == 2  # the second finds that there is no more
