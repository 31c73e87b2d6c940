"""What is asked of the embedded store's process, and what it answers."""

from __future__ import annotations

from typing import Any

import msgspec

from crew_rush._model.facts import LogEvent, Worker

PROTOCOL = 1
"""Version of this file, and of the journals on disk, which hold such messages."""

PAGE_BYTES = 16 << 20
"""About as much as one message should carry: others wait meanwhile."""

Outcomes = list[tuple[str, dict[str, bytes]]]


class Request(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of what is asked; each concerns one network."""

    network: str


class Change(Request, frozen=True):
    """Base of what changes something: kept in the journal."""


class Attach(Change, frozen=True):
    """As ``Store.attach``."""

    protocol: int
    create: bool


class ResetData(Change, frozen=True):
    """As ``Store.reset_data``."""

    call: str


class Reset(Change, frozen=True):
    """As ``Store.reset``."""


class SetValue(Change, frozen=True):
    """As ``Store.set_value``."""

    name: str
    value: bytes


class GetValue(Request, frozen=True):
    """As ``Store.get_value``."""

    name: str


class Push(Change, frozen=True):
    """As ``Store.push``."""

    tasks: Outcomes
    state: str
    worker: tuple[str, str] | None


class Pop(Change, frozen=True):
    """As ``Store.pop``."""

    worker_id: str
    life: str


class Begin(Change, frozen=True):
    """As ``Store.begin``."""

    worker_id: str
    life: str
    key: str


class Decide(Change, frozen=True):
    """As ``Store.decide``."""

    state: str
    attempt: str
    outcomes: Outcomes


class EmptyQueue(Change, frozen=True):
    """As ``Store.empty_queue``."""

    condition: bytes


class CountAll(Request, frozen=True):
    """As ``Store.counts``."""


class Keys(Request, frozen=True):
    """As ``Store.keys``."""

    state: str | None


class Read(Request, frozen=True):
    """As ``Store.read``."""

    keys: list[str]


class States(Request, frozen=True):
    """As ``Store.states``."""

    keys: list[str]


class ReadFinished(Request, frozen=True):
    """As ``Store.read_finished``."""

    era: str
    start: int
    most: int


class Register(Change, frozen=True):
    """As ``Store.register``."""

    worker: Worker
    seconds_expire: float


class Beat(Request, frozen=True):
    """As ``Store.beat``."""

    worker_id: str
    life: str


class EndWorker(Change, frozen=True):
    """As ``Store.end_worker``."""

    worker_id: str
    life: str
    state: str
    reason: str


class Order(Change, frozen=True):
    """As ``Store.order``."""

    worker_ids: list[str]
    order: str


class Workers(Request, frozen=True):
    """As ``Store.workers``."""


class AddLog(Change, frozen=True):
    """As ``Store.add_log``."""

    batch: str
    events: list[LogEvent]


class ReadLog(Request, frozen=True):
    """As ``Store.read_log``."""

    start: int
    most: int


AnyRequest = (
    Attach
    | ResetData
    | Reset
    | SetValue
    | GetValue
    | Push
    | Pop
    | Begin
    | Decide
    | EmptyQueue
    | CountAll
    | Keys
    | Read
    | States
    | ReadFinished
    | Register
    | Beat
    | EndWorker
    | Order
    | Workers
    | AddLog
    | ReadLog
)


class Good(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The answer."""

    value: msgspec.Raw


class Bad(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Why there is none: the name of an error, and its text."""

    error: str
    text: str


_request_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyRequest)
_answer_decoder: msgspec.msgpack.Decoder[Good | Bad] = msgspec.msgpack.Decoder(Good | Bad)
encode = msgspec.msgpack.Encoder().encode
read_request = _request_decoder.decode
read_answer = _answer_decoder.decode
