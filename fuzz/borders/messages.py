"""Bytes to messages, by every decoder that reads what another process has written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crew_core._wire import codec, messages
from crew_core._wire.network.settings import WorkerIdentity
from fuzz.draw import Draw

DECODERS: tuple[Callable[[bytes], object], ...] = (
    messages.decode_from_worker,
    messages.decode_to_worker,
    messages.decode_to_dispatcher,
    messages.decode_to_client,
    messages.decode_from_task_process,
    messages.decode_to_task_process,
    messages.decode_body,
    messages.decode_command,
    messages.decode_detail,
)
MANY = (messages.decode_details, messages.decode_tasks_done)


def check(data: bytes) -> None:
    """What decodes is a message like those that we send; all else is refused in one way."""
    draw = Draw(data)
    which = draw.number(len(DECODERS) + len(MANY) + 1)
    if which < len(DECODERS):
        _check_one(DECODERS[which], draw.rest())
    elif which < len(DECODERS) + len(MANY):
        _check_many(MANY[which - len(DECODERS)], draw)
    else:
        _check_identity(draw.rest())


def _check_one(decode: Callable[[bytes], object], data: bytes) -> None:
    try:
        message = decode(data)
    except codec.MalformedMessageError:
        return
    again = codec.encode(message)
    assert codec.encode(decode(again)) == again


def _check_many(decode: Callable[[list[bytes]], Sequence[object]], draw: Draw) -> None:
    parts = []
    while draw:
        parts.append(draw.take(255))
    try:
        assert len(decode(parts)) == len(parts)
    except codec.MalformedMessageError:
        return


def _check_identity(data: bytes) -> None:
    text = data.decode("latin-1")
    try:
        identity = WorkerIdentity.from_text(text)
    except ValueError:
        return
    assert WorkerIdentity.from_text(identity.to_text()) == identity
