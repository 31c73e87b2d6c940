"""Bytes of a stream, cut anywhere, to whole messages."""

from __future__ import annotations

from crew_core._wire.stream import FrameBuffer, OversizedMessageError
from fuzz.draw import Draw

LIMIT = 1 << 10


def check(data: bytes) -> None:
    """However a stream is cut, it brings the same messages, or the same refusal."""
    draw = Draw(data)
    size = 1 + draw.number(64)
    stream = draw.rest()
    assert _read(stream, size) == _read(stream, max(len(stream), 1))


def _read(stream: bytes, size: int) -> tuple[list[bytes], bool]:
    """The messages up to one that is too large, and whether there was such a one."""
    buffer = FrameBuffer(LIMIT)
    messages: list[bytes] = []
    for start in range(0, len(stream), size):
        try:
            messages += buffer.feed(stream[start : start + size])
        except OversizedMessageError:
            # What came in the same piece before it is lost with the connection.
            return _before_too_large(stream), True
    assert all(len(message) <= LIMIT for message in messages)
    return messages, False


def _before_too_large(stream: bytes) -> list[bytes]:
    messages, at = [], 0
    while (length := int.from_bytes(stream[at : at + 4], "big")) <= LIMIT:
        messages.append(stream[at + 4 : at + 4 + length])
        at += 4 + length
    return messages
