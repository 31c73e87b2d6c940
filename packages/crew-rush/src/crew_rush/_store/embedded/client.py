"""An embedded store as its users see it: requests go to its process, answers come back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from crew_core.services import Caller, Pass, ServiceError
from crew_rush._model import errors
from crew_rush._model.facts import Counts, LogEvent, Orders, Task, Worker, WorkerRow
from crew_rush._store.base import Outcome, Store
from crew_rush._store.embedded import messages as m

_KEYS_AT_ONCE = 2000
_EVENTS_AT_ONCE = 10000
_COUNTS = msgspec.msgpack.Decoder(Counts)
_ORDERS = msgspec.msgpack.Decoder(Orders)
_TASK = msgspec.msgpack.Decoder(Task | None)
_TASKS = msgspec.msgpack.Decoder(list[Task | None])
_FINISHED = msgspec.msgpack.Decoder(tuple[str, list[Task]])
_WORKERS = msgspec.msgpack.Decoder(list[WorkerRow])
_EVENTS = msgspec.msgpack.Decoder(list[LogEvent])
_ANY: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder()


class EmbeddedConnection(Store):
    """One network of an embedded store.

    Args:
        key: lets us in.
        network: its id.
        url: to tell people.
        seconds_store: how long to wait for a store that is away.
        check: raises when it will not come back.
    """

    def __init__(
        self,
        key: Pass,
        network: str,
        url: str,
        seconds_store: float,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.url = url
        self._check = check
        self._caller = Caller(key)
        self._network = network
        self._seconds_store = seconds_store

    # ── The network ────────────────────────────────────────────────────────────────────────────

    def attach(self, *, create: bool) -> None:
        self._ask(m.Attach(self._network, m.PROTOCOL, create))

    def reset_data(self) -> None:
        self._ask(m.ResetData(self._network, secrets.token_hex(8)))

    def reset(self) -> None:
        try:
            self._ask(m.Reset(self._network))
        except errors.NetworkNotFoundError:
            return  # gone already

    def close(self) -> None:
        self._caller.close()

    def set_value(self, name: str, value: bytes) -> None:
        self._ask(m.SetValue(self._network, name, value))

    def get_value(self, name: str) -> bytes | None:
        value: bytes | None = self._ask(m.GetValue(self._network, name))
        return value

    # ── Tasks ──────────────────────────────────────────────────────────────────────────────────

    def push(self, tasks: Sequence[Outcome], state: str, worker: tuple[str, str] | None) -> None:
        for some in _pages(tasks):
            self._ask(m.Push(self._network, some, state, worker))

    def pop(self, worker_id: str, life: str) -> Task | None:
        task: Task | None = self._ask(m.Pop(self._network, worker_id, life), _TASK)
        return task

    def begin(self, worker_id: str, life: str, key: str) -> bool:
        return bool(self._ask(m.Begin(self._network, worker_id, life, key)))

    def decide(self, state: str, attempt: str, outcomes: Sequence[Outcome]) -> list[bool]:
        decided: list[bool] = []
        for some in _pages(outcomes):
            decided += self._ask(m.Decide(self._network, state, attempt, some))
        return decided

    def empty_queue(self, condition: bytes) -> int:
        return int(self._ask(m.EmptyQueue(self._network, condition)))

    def counts(self) -> Counts:
        counts: Counts = self._ask(m.CountAll(self._network), _COUNTS)
        return counts

    def keys(self, state: str | None) -> list[str]:
        keys: list[str] = self._ask(m.Keys(self._network, state))
        return keys

    def read(self, keys: Sequence[str]) -> list[Task | None]:
        found: list[Task | None] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = list(keys[start : start + _KEYS_AT_ONCE])
            found += self._ask(m.Read(self._network, some), _TASKS)
        return found

    def states(self, keys: Sequence[str]) -> list[str | None]:
        states: list[str | None] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = list(keys[start : start + _KEYS_AT_ONCE])
            states += self._ask(m.States(self._network, some))
        return states

    def read_finished(self, era: str, start: int) -> tuple[str, list[Task]]:
        tasks: list[Task] = []
        while True:
            request = m.ReadFinished(self._network, era, start + len(tasks), m.PAGE_BYTES)
            found, more = self._ask(request, _FINISHED)
            if found != era:
                era, start, tasks = found, 0, []
            tasks += more
            if not more:
                return era, tasks

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def register(self, worker: Worker, seconds_expire: float) -> None:
        self._ask(m.Register(self._network, worker, seconds_expire))

    def beat(self, worker_id: str, life: str) -> Orders:
        orders: Orders = self._ask(m.Beat(self._network, worker_id, life), _ORDERS)
        return orders

    def end_worker(self, worker_id: str, life: str, state: str, reason: str) -> None:
        self._ask(m.EndWorker(self._network, worker_id, life, state, reason))

    def order(self, worker_ids: Sequence[str], order: str) -> list[str]:
        running: list[str] = self._ask(m.Order(self._network, list(worker_ids), order))
        return running

    def workers(self) -> list[WorkerRow]:
        rows: list[WorkerRow] = self._ask(m.Workers(self._network), _WORKERS)
        return rows

    # ── Logs ───────────────────────────────────────────────────────────────────────────────────

    def add_log(self, batch: str, events: Sequence[LogEvent]) -> None:
        self._ask(m.AddLog(self._network, batch, list(events)))

    def read_log(self, start: int) -> list[LogEvent]:
        events: list[LogEvent] = []
        while True:
            at = start + len(events)
            more = self._ask(m.ReadLog(self._network, at, _EVENTS_AT_ONCE), _EVENTS)
            events += more
            if not more:
                return events

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _ask(self, request: m.Request, decoder: msgspec.msgpack.Decoder[Any] = _ANY) -> Any:
        try:
            encoded = self._caller.call(
                m.encode(request), timeout=self._seconds_store, check=self._check
            )
        except ServiceError as error:
            raise errors.StoreError(f"store {self.url}: {error}") from error
        answer = m.read_answer(encoded)
        if isinstance(answer, m.Bad):
            kind: type[errors.RushError] = getattr(errors, answer.error, errors.StoreError)
            raise kind(answer.text)
        return decoder.decode(answer.value)


def _pages(tasks: Sequence[Outcome]) -> list[list[Outcome]]:
    """In parts of a bearable size; each task is whole."""
    pages: list[list[Outcome]] = []
    size = m.PAGE_BYTES
    for key, fields in tasks:
        length = sum(map(len, fields.values())) + len(key)
        if size + length > m.PAGE_BYTES:
            pages.append([])
            size = 0
        pages[-1].append((key, dict(fields)))
        size += length
    return pages
