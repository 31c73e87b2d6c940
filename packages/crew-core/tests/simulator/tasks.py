"""What virtual tasks do: said in their bodies, which nobody but a virtual task process reads."""

from __future__ import annotations

import enum

import msgspec


class Kind(enum.IntEnum):
    """How a task ends when nothing befalls it."""

    RETURNS = 0
    RAISES = 1
    EXITS = 2  # each time, and its process with it
    EXITS_ONCE = 3
    HANGS = 4  # until it is stopped
    STUBBORN = 5  # hangs, and ignores the interrupt


class Body(msgspec.Struct, frozen=True, array_like=True):
    """One task."""

    seconds: float
    kind: int = int(Kind.RETURNS)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Body).decode
