"""Bytes of a pipe to frames, as a supervisor reads what its task process wrote."""

from __future__ import annotations

import os

from crew_core._worker.framing import FrameReader
from fuzz.draw import Draw

_MOST = 1 << 15  # less than any pipe holds, as nobody else reads it


def check(data: bytes) -> None:
    """Whole frames come out as they are, whatever the pieces; the rest is waited for."""
    draw = Draw(data)
    size = 1 + draw.number(256)
    stream = draw.rest()[:_MOST]
    out, into = os.pipe()
    try:
        reader = FrameReader(out)
        frames: list[bytes] = []
        for start in range(0, len(stream), size):
            os.write(into, stream[start : start + size])
            frames += reader.read_available()
        joined = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
        assert stream.startswith(joined)
        rest = stream[len(joined) :]
        assert len(rest) < 4 or len(rest) < 4 + int.from_bytes(rest[:4], "big")
    finally:
        os.close(into)
        os.close(out)
