"""Frames of a peer to payloads, at either end of a conversation."""

from __future__ import annotations

from crew_core._wire.link import Link, LinkBrokenError, read_opening
from fuzz.draw import Draw


def check(data: bytes) -> None:
    """A frame is taken or refused; what is taken counts once, and in order."""
    draw = Draw(data)
    link = Link()
    while draw:
        kind = draw.number(4)
        if kind == 0:
            link.post(draw.take(40))
        elif kind == 1:
            link.next_frame()
        elif not _take(link, kind, draw.take(255)):
            return


def _take(link: Link, kind: int, frame: bytes) -> bool:
    before = link.received
    try:
        if kind == 2:
            acknowledged, _ = read_opening(frame)
            if link.has_sent(acknowledged):
                link.restart(acknowledged)
        else:
            payloads = link.accept(frame)
            assert len(payloads) <= 1
            assert link.received - before in (0, 1)
    except LinkBrokenError:
        return False
    return True
