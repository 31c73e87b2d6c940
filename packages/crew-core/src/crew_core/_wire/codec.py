"""Messages to bytes and back, strictly: what does not decode raises, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

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
        except (msgspec.DecodeError, RecursionError, MemoryError, UnicodeError) as error:
            raise MalformedMessageError(str(error)) from None


class ManyDecoder(Generic[T]):
    """As ``Decoder`` for each of many, in one go: joined, they are the elements of an array."""

    def __init__(self, kind: object) -> None:
        self._decode: Decoder[list[T]] = Decoder(list[kind])  # type: ignore[valid-type]

    def __call__(self, encoded: Sequence[bytes]) -> list[T]:
        header = b"\xdd" + len(encoded).to_bytes(4, "big")  # MessagePack's "array 32"
        return self._decode(b"".join((header, *encoded)))
