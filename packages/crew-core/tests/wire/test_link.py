"""The link: nothing is lost, doubled or reordered, whatever connections do."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crew_core._wire.link import FRAGMENT, Link, LinkBrokenError, is_opening, read_opening


def connect(a: Link, b: Link) -> None:
    """Open a connection between two links, as hello and welcome do."""
    acknowledged_by_a, hello = read_opening(a.opening(b"hello"))
    assert hello == b"hello"
    b.restart(acknowledged_by_a)
    acknowledged_by_b, welcome = read_opening(b.opening(b"welcome"))
    assert welcome == b"welcome"
    a.restart(acknowledged_by_b)


def deliver(sender: Link, receiver: Link) -> list[bytes]:
    """Carry over all frames that may be sent now."""
    return [payload for frame in sender.outgoing() for payload in receiver.accept(frame)]


def tell(sender: Link, receiver: Link) -> None:
    """Carry over an acknowledgement."""
    frame = sender.acknowledgement()
    assert frame is not None
    assert receiver.accept(frame) == []


def test_payloads_arrive_in_order() -> None:
    a, b = Link(window=4), Link(window=4)
    connect(a, b)
    for payload in (b"1", b"", b"3"):
        a.post(payload)
    assert deliver(a, b) == [b"1", b"", b"3"]


def test_a_silent_peer_is_never_sent_more_than_its_window() -> None:
    a, b = Link(window=2), Link(window=2)
    connect(a, b)
    for i in range(10):
        a.post(b"%d" % i)
    assert len(a.outgoing()) == 2
    assert a.outgoing() == []


def test_an_acknowledgement_makes_room_again() -> None:
    a, b = Link(window=2), Link(window=2)
    connect(a, b)
    for i in range(3):
        a.post(b"%d" % i)
    assert deliver(a, b) == [b"0", b"1"]
    tell(b, a)
    assert deliver(a, b) == [b"2"]


def test_acknowledgements_leave_room_for_data() -> None:
    a, b = Link(window=2), Link(window=2)
    connect(a, b)
    assert a.acknowledgement() is not None
    assert a.acknowledgement() is None
    a.post(b"data")
    assert len(a.outgoing()) == 1


def test_what_was_not_acknowledged_is_sent_again_on_the_next_connection_and_arrives_once() -> None:
    a, b = Link(window=4), Link(window=4)
    connect(a, b)
    a.post(b"arrived")
    a.post(b"lost")
    first, _ = a.outgoing()
    assert b.accept(first) == [b"arrived"]
    connect(a, b)
    assert deliver(a, b) == [b"lost"]


def test_a_gap_is_noticed() -> None:
    a, b = Link(window=4), Link(window=4)
    connect(a, b)
    a.post(b"1")
    a.post(b"2")
    _, second = a.outgoing()
    with pytest.raises(LinkBrokenError, match="one was lost"):
        b.accept(second)


def test_a_large_payload_travels_in_fragments_and_arrives_whole() -> None:
    a, b = Link(window=2), Link(window=2)
    connect(a, b)
    payload = bytes(range(256)) * (FRAGMENT // 64)
    a.post(payload)
    arrived: list[bytes] = []
    while not arrived:
        frames = a.outgoing()
        assert all(len(frame) <= FRAGMENT + 64 for frame in frames)
        for frame in frames:
            arrived += b.accept(frame)
        tell(b, a)
    assert arrived == [payload]
    assert a.idle


@pytest.mark.parametrize("frame", [b"", b"x", bytes(21), b"\x09" + bytes(20), bytes(2 << 20)])
def test_malformed_frames_are_refused(frame: bytes) -> None:
    link = Link(window=2)
    with pytest.raises(LinkBrokenError):
        link.accept(frame)


def test_a_peer_that_claims_what_was_never_sent_is_refused() -> None:
    a, b, stranger = Link(window=2), Link(window=2), Link(window=8)
    connect(a, b)
    other = Link(window=8)
    connect(other, stranger)
    for _ in range(3):
        other.post(b"x")
    deliver(other, stranger)
    claim = stranger.acknowledgement()
    assert claim is not None
    with pytest.raises(LinkBrokenError, match="never sent"):
        a.accept(claim)


def test_openings_are_told_from_other_frames() -> None:
    link = Link(window=2)
    assert is_opening(link.opening(b"hello"))
    link.post(b"x")
    (frame,) = link.outgoing()
    assert not is_opening(frame)
    with pytest.raises(LinkBrokenError, match="does not begin"):
        read_opening(frame)


class Wire:
    """Frames on their way in one direction."""

    def __init__(self, sender: Link, receiver: Link) -> None:
        self.sender, self.receiver = sender, receiver
        self.frames: deque[bytes] = deque()
        self.got: list[bytes] = []
        self.most = 0

    def send(self) -> None:
        self.frames.extend(self.sender.outgoing())
        self.most = max(self.most, len(self.frames))

    def receive(self) -> None:
        if self.frames:
            self.got += self.receiver.accept(self.frames.popleft())

    def tell(self) -> None:
        frame = self.sender.acknowledgement()
        if frame is not None:
            self.frames.append(frame)
            self.most = max(self.most, len(self.frames))


STEPS = st.sampled_from(["post", "send", "receive", "tell", "cut"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(STEPS, st.booleans()), max_size=120))
def test_whatever_happens_each_side_gets_all_the_other_said_in_order(
    steps: list[tuple[str, bool]],
) -> None:
    a, b = Link(window=2), Link(window=None)
    connect(a, b)
    there, back = Wire(a, b), Wire(b, a)
    posted: dict[bool, list[bytes]] = {True: [], False: []}
    for step, forward in steps:
        wire = there if forward else back
        match step:
            case "post":
                payload = b"%d" % len(posted[forward])
                posted[forward].append(payload)
                wire.sender.post(payload)
            case "cut":
                there.frames.clear()
                back.frames.clear()
                connect(a, b)
            case _:
                getattr(wire, step)()
    assert there.most <= 2
    for _ in range(len(steps) + 8):
        for wire in (there, back):
            wire.send()
            wire.tell()
            while wire.frames:
                wire.receive()
    assert there.got == posted[True]
    assert back.got == posted[False]
