"""Fuzzing without seeing what is reached: random changes of what is known."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from fuzz.borders import Check, beginnings

_MOST = 4096  # bytes
_ODD = (b"\x00", b"\xff", b"\x7f", b"\xdd\xff\xff\xff\xff", b"\xcf" + b"\xff" * 8, b"\xcb\x7f\xf8")


def mutated(known: Sequence[bytes], draw: random.Random) -> bytes:
    """Something like one of these."""
    data = bytearray(draw.choice(known))
    for _ in range(draw.randint(1, 8)):
        _change(data, known, draw)
    return bytes(data[:_MOST])


def fuzz(name: str, check: Check, seconds: float, seed: int) -> int:
    """Try what comes to mind for so long; how often.

    Raises:
        Exception: what was found. The bytes that lead to it are printed.
    """
    draw, known, tried = random.Random(seed), beginnings(name), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(known, draw)
        try:
            check(data)
        except BaseException:
            print(f"{name} does not hold against {data.hex()}")
            raise
        tried += 1
    return tried


def _change(data: bytearray, known: Sequence[bytes], draw: random.Random) -> None:
    at = draw.randint(0, len(data))
    end = min(len(data), at + draw.randint(1, 16))
    kind = draw.randrange(5)
    if kind == 0:
        data[at:end] = b""
    elif kind == 1:
        data[at:end] = draw.randbytes(draw.randint(1, 16))
    elif kind == 2:
        data[at:at] = draw.choice(_ODD)
    elif kind == 3:
        other = draw.choice(known)
        start = draw.randint(0, len(other))
        data[at:at] = other[start : start + draw.randint(1, 64)]
    elif data:
        data[at % len(data)] ^= 1 << draw.randrange(8)
