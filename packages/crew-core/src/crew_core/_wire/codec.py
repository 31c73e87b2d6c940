"""Messages to bytes and back, strictly: what does not decode raises, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from crew_core._wire import messages

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()

encode = _encoder.encode
"""A message or part as bytes."""


class MalformedMessageError(Exception):
    """Bytes that are not a message of the expected kind."""


class Decoder(Generic[T]):
    """Bytes to messages of one border's one direction."""

    def __init__(self, kind: object) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)

    def __call__(self, data: bytes | bytearray | memoryview) -> T:
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            raise MalformedMessageError(str(error)) from None


decode_to_dispatcher: Decoder[messages.ToDispatcher] = Decoder(messages.ToDispatcher)
decode_to_client: Decoder[messages.ToClient] = Decoder(messages.ToClient)
decode_to_worker: Decoder[messages.ToWorker] = Decoder(messages.ToWorker)
decode_from_worker: Decoder[messages.FromWorker] = Decoder(messages.FromWorker)
decode_to_task_process: Decoder[messages.ToTaskProcess] = Decoder(messages.ToTaskProcess)
decode_from_task_process: Decoder[messages.FromTaskProcess] = Decoder(messages.FromTaskProcess)
decode_body: Decoder[messages.TaskBody] = Decoder(messages.TaskBody)
decode_command: Decoder[messages.Command] = Decoder(messages.Command)
decode_detail: Decoder[messages.OutcomeDetail] = Decoder(messages.OutcomeDetail)

_decode_details: Decoder[list[messages.OutcomeDetail]] = Decoder(list[messages.OutcomeDetail])


def decode_details(encoded: Sequence[bytes]) -> list[messages.OutcomeDetail]:
    """As ``decode_detail`` for each, in one go: joined, they are the elements of an array."""
    header = b"\xdd" + len(encoded).to_bytes(4, "big")  # MessagePack's "array 32"
    return _decode_details(b"".join((header, *encoded)))
