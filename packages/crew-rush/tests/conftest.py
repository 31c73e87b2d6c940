"""Fixtures that several test files share: stores of every kind, networks, a Redis of our own."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))

import crew_rush
from crew_rush._store.base import Store
from crew_rush._store.opening import open_store
from rush_servers import serving

OpenNetwork = Callable[..., Store]


@pytest.fixture(scope="session", autouse=True)
def absolute_python_path() -> Iterator[None]:
    """Lets processes that start elsewhere find what a relative $PYTHONPATH names."""
    given = os.environ.get("PYTHONPATH")
    with pytest.MonkeyPatch.context() as patch:
        if given:
            folders = map(os.path.abspath, given.split(os.pathsep))
            patch.setenv("PYTHONPATH", os.pathsep.join(folders))
        yield


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the test's own, with a password, which ends with the tests."""
    with serving(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def memory_store() -> Iterator[crew_rush.EmbeddedStore]:
    with crew_rush.EmbeddedStore() as store:
        yield store


@pytest.fixture(scope="session")
def kept_store(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[crew_rush.EmbeddedStore]:
    with crew_rush.EmbeddedStore(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(params=["memory", "disk", "redis"])
def where(request: pytest.FixtureRequest) -> crew_rush.EmbeddedStore | str:
    """A store of each kind; the same one for all tests, which use networks of their own."""
    names = {"memory": "memory_store", "disk": "kept_store", "redis": "redis_url"}
    found: crew_rush.EmbeddedStore | str = request.getfixturevalue(names[request.param])
    return found


@pytest.fixture
def network() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connect(where: crew_rush.EmbeddedStore | str, network: str) -> Iterator[OpenNetwork]:
    """Open connections to one network; they and the network end with the test."""
    opened: list[Store] = []

    def open_one(name: str = network, *, create: bool = True, seconds: float = 60.0) -> Store:
        store = open_store(where, name, seconds)
        opened.append(store)
        store.attach(create=create)
        return store

    yield open_one
    if opened:
        opened[0].reset()
    for store in opened:
        store.close()


@pytest.fixture
def store(connect: OpenNetwork) -> Store:
    return connect()


@pytest.fixture(params=["disk", "redis"])
def place(request: pytest.FixtureRequest) -> crew_rush.EmbeddedStore | str:
    """A store of each implementation: the one on disk does all that the one in memory does."""
    names = {"disk": "kept_store", "redis": "redis_url"}
    found: crew_rush.EmbeddedStore | str = request.getfixturevalue(names[request.param])
    return found


@pytest.fixture
def rush(place: crew_rush.EmbeddedStore | str, network: str) -> Iterator[crew_rush.Rush]:
    """A manager of a network, whose workers end with the test."""
    with crew_rush.Rush(network, store=place) as manager:
        yield manager
        manager.reset()


@pytest.fixture
def rush_here(memory_store: crew_rush.EmbeddedStore, network: str) -> Iterator[crew_rush.Rush]:
    """The same for what has nothing to do with the kind of store."""
    with crew_rush.Rush(network, store=memory_store) as manager:
        yield manager
        manager.reset()
