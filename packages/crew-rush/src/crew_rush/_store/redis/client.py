"""A network on a server of Redis or Valkey: every method is one script there, or a few pages."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec
import redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - redis-py's own
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - redis-py's own
)

from crew_rush._model.errors import NetworkNotFoundError, StoreError, WorkerGoneError
from crew_rush._model.facts import Counts, LogEvent, Orders, Task, Worker, WorkerRow
from crew_rush._store.base import Outcome, Store
from crew_rush._store.redis.scripts import NAMES, prefix, script

PROTOCOL = 1
"""Version of the keys that the scripts use."""

_PAGE_BYTES = 16 << 20
_TASKS_AT_ONCE = 1000
_KEYS_AT_ONCE = 2000
_EVENTS_AT_ONCE = 10000
_PAUSE_SECONDS = 0.1
_CONNECT_SECONDS = 5.0
_AWAY = (ConnectionError, TimeoutError, BusyLoadingError)

_encode = msgspec.msgpack.Encoder().encode
_WORKER = msgspec.msgpack.Decoder(Worker)
_EVENT = msgspec.msgpack.Decoder(LogEvent)


class RedisConnection(Store):
    """One network on a server.

    Args:
        url: of the server, with its password.
        network: its id.
        shown: the url without the password.
        seconds_store: how long to wait for a server that is away.
    """

    def __init__(self, url: str, network: str, shown: str, seconds_store: float) -> None:
        self.url = shown
        self._network = network
        self._prefix = prefix(network)
        self._seconds_store = seconds_store
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_connect_timeout=_CONNECT_SECONDS,
                socket_timeout=max(seconds_store, _CONNECT_SECONDS),
            )
        except (ValueError, RedisError) as error:
            raise StoreError(f"store {shown}: {error}") from None
        self._scripts = {name: self._client.register_script(script(name)) for name in NAMES}
        self._closed = False

    # ── The network ────────────────────────────────────────────────────────────────────────────

    def attach(self, *, create: bool) -> None:
        theirs = int(self._run("attach", PROTOCOL, int(create), secrets.token_hex(8)))
        if theirs != PROTOCOL:
            raise StoreError(
                f"network {self._network!r} was made by another version of crew-rush (its protocol "
                f"is {theirs}, ours {PROTOCOL}): install one version everywhere"
            )

    def reset_data(self) -> None:
        self._run("reset_data", secrets.token_hex(8))

    def reset(self) -> None:
        self._run("reset")

    def close(self) -> None:
        self._closed = True
        self._client.close()

    def set_value(self, name: str, value: bytes) -> None:
        self._run("set_value", name, value)

    def get_value(self, name: str) -> bytes | None:
        return cast("bytes | None", self._run("get_value", name))

    # ── Tasks ──────────────────────────────────────────────────────────────────────────────────

    def push(self, tasks: Sequence[Outcome], state: str, worker: tuple[str, str] | None) -> None:
        for some in _pages(tasks):
            self._run("push", *(worker or ("", "")), state, *_flat(some))

    def pop(self, worker_id: str, life: str) -> Task | None:
        found = self._run("pop", worker_id, life)
        return None if found is None else _task(found[0].decode(), found[1])

    def begin(self, worker_id: str, life: str, key: str) -> bool:
        return bool(self._run("begin", worker_id, life, key))

    def decide(self, state: str, attempt: str, outcomes: Sequence[Outcome]) -> list[bool]:
        decided: list[bool] = []
        for some in _pages(outcomes):
            decided += map(bool, self._run("decide", state, attempt, *_flat(some)))
        return decided

    def empty_queue(self, condition: bytes) -> int:
        return int(self._run("empty_queue", condition))

    def counts(self) -> Counts:
        return Counts(*self._run("counts"))

    def keys(self, state: str | None) -> list[str]:
        return [key.decode() for key in self._run("keys", state or "")]

    def read(self, keys: Sequence[str]) -> list[Task | None]:
        found: list[Task | None] = []
        for some in _parts(keys, _KEYS_AT_ONCE):
            tasks = zip(some, self._run("read", *some), strict=True)
            found += [_task(key, fields) if fields else None for key, fields in tasks]
        return found

    def states(self, keys: Sequence[str]) -> list[str | None]:
        states: list[str | None] = []
        for some in _parts(keys, _KEYS_AT_ONCE):
            found = self._run("states", *some)
            states += [None if state is None else state.decode() for state in found]
        return states

    def read_finished(self, era: str, start: int) -> tuple[str, list[Task]]:
        tasks: list[Task] = []
        while True:
            answer = self._run("read_finished", era, start + len(tasks), _PAGE_BYTES)
            found, more = answer[0].decode(), answer[1]
            if found != era:
                era, start, tasks = found, 0, []
            tasks += [_task(key.decode(), fields) for key, fields in more]
            if not more:
                return era, tasks

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def register(self, worker: Worker, seconds_expire: float) -> None:
        says = _encode(worker)
        self._run("register", worker.worker_id, worker.life, says, f"{seconds_expire:g}")

    def beat(self, worker_id: str, life: str) -> Orders:
        return Orders(*map(bool, self._run("beat", worker_id, life)))

    def end_worker(self, worker_id: str, life: str, state: str, reason: str) -> None:
        self._run("end_worker", worker_id, life, state, reason)

    def order(self, worker_ids: Sequence[str], order: str) -> list[str]:
        return [worker_id.decode() for worker_id in self._run("order", order, *worker_ids)]

    def workers(self) -> list[WorkerRow]:
        return [
            WorkerRow(_WORKER.decode(says), state.decode(), float(heard), reason.decode())
            for says, state, heard, reason in self._run("workers")
        ]

    # ── Logs ───────────────────────────────────────────────────────────────────────────────────

    def add_log(self, batch: str, events: Sequence[LogEvent]) -> None:
        self._run("add_log", batch, *map(_encode, events))

    def read_log(self, start: int) -> list[LogEvent]:
        events: list[LogEvent] = []
        while True:
            more = self._run("read_log", start + len(events), _EVENTS_AT_ONCE)
            events += map(_EVENT.decode, more)
            if not more:
                return events

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _run(self, name: str, *arguments: object) -> Any:
        """Run a script, again while the server is away."""
        if self._closed:
            raise StoreError(f"the connection to store {self.url} has been closed here")
        deadline = time.monotonic() + self._seconds_store
        while True:
            try:
                return self._scripts[name](args=cast("Any", [self._prefix, *arguments]))
            except AuthenticationError as error:
                raise StoreError(f"store {self.url} does not let us in: {error}") from None
            except _AWAY as error:
                if time.monotonic() >= deadline:
                    raise StoreError(
                        f"store {self.url} is away for {self._seconds_store:g} s: {error}. Is the "
                        "server running, and can this computer reach it?"
                    ) from error
                time.sleep(_PAUSE_SECONDS)
            except ResponseError as error:
                raise self._error(name, str(error), arguments) from None

    def _error(self, name: str, text: str, arguments: Sequence[object]) -> Exception:
        if "NONETWORK" in text:
            return NetworkNotFoundError(
                f"the store has no network {self._network!r}: it was never made here, or was "
                "reset. Is the id right, and is it the right store?"
            )
        if "GONE" in text:
            return WorkerGoneError(
                f"worker {arguments[0]} is no longer one of the running workers of network "
                f"{self._network!r}: it was killed, given up or started anew. Its loop should end"
            )
        return StoreError(f"store {self.url} refused {name}: {text}")


def _task(key: str, flat: Sequence[bytes]) -> Task:
    parts = dict(zip(flat[::2], flat[1::2], strict=True))
    fields = {name[2:].decode(): value for name, value in parts.items() if name[:2] == b"f:"}
    return Task(key, fields, parts[b"state"].decode(), parts[b"worker"].decode())


def _flat(tasks: Iterable[Outcome]) -> Iterator[object]:
    """As scripts read them: the key, how many fields, their names and values."""
    for key, fields in tasks:
        yield key
        yield len(fields)
        for name, value in fields.items():
            yield name
            yield value


def _pages(tasks: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """In parts of a bearable size; each task is whole."""
    page: list[Outcome] = []
    size = 0
    for task in tasks:
        length = sum(map(len, task[1].values()))
        if page and (size + length > _PAGE_BYTES or len(page) == _TASKS_AT_ONCE):
            yield page
            page, size = [], 0
        page.append(task)
        size += length
    if page:
        yield page


def _parts(keys: Sequence[str], most: int) -> Iterator[list[str]]:
    for start in range(0, len(keys), most):
        yield list(keys[start : start + most])
