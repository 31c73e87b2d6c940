"""The link: nothing is lost, doubled or reordered, whatever connections do."""

from __future__ import annotations

import struct
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crew_core._wire.link import (
    FRAGMENT,
    FRAME_LIMIT,
    KEPT_BYTES,
    KEPT_FRAMES,
    PARTS_MAX,
    TELL_BYTES,
    FrameLostError,
    Link,
    LinkBrokenError,
    is_opening,
    read_opening,
)


def connect(a: Link, b: Link) -> None:
    """Open a connection between two links, as hello and welcome do."""
    acknowledged_by_a, hello = read_opening(a.opening(b"hello"))
    assert hello == b"hello"
    b.restart(acknowledged_by_a)
    acknowledged_by_b, welcome = read_opening(b.opening(b"welcome"))
    assert welcome == b"welcome"
    a.restart(acknowledged_by_b)


def frames_of(sender: Link) -> list[bytes]:
    """All frames that wait to be sent."""
    return list(iter(sender.next_frame, None))


def deliver(sender: Link, receiver: Link) -> list[bytes]:
    """Carry over all frames that wait to be sent."""
    return [payload for frame in frames_of(sender) for payload in receiver.accept(frame)]


def test_payloads_arrive_in_order() -> None:
    a, b = Link(), Link()
    connect(a, b)
    for payload in (b"1", b"", b"3"):
        a.post(payload)
    assert deliver(a, b) == [b"1", b"", b"3"]


def test_what_was_acknowledged_is_kept_no_longer() -> None:
    a, b = Link(), Link()
    connect(a, b)
    a.post(b"1")
    assert deliver(a, b) == [b"1"]
    assert not a.idle
    assert a.accept(b.acknowledgement()) == []
    assert a.idle


def test_data_that_go_the_other_way_acknowledge_as_well() -> None:
    a, b = Link(), Link()
    connect(a, b)
    a.post(b"1")
    deliver(a, b)
    b.post(b"2")
    assert deliver(b, a) == [b"2"]
    assert a.idle


def test_who_was_sent_much_is_to_tell_at_once() -> None:
    a, b = Link(), Link()
    connect(a, b)
    owed = []
    for payload in (b"little", bytes(TELL_BYTES)):
        a.post(payload)
        deliver(a, b)
        owed.append(b.owes)
    b.acknowledgement()
    owed.append(b.owes)
    assert owed == [False, True, False]


def test_what_was_not_acknowledged_is_sent_again_on_the_next_connection_and_arrives_once() -> None:
    a, b = Link(), Link()
    connect(a, b)
    a.post(b"arrived")
    a.post(b"lost")
    first, _ = frames_of(a)
    assert b.accept(first) == [b"arrived"]
    connect(a, b)
    assert deliver(a, b) == [b"lost"]


def test_a_gap_is_noticed() -> None:
    a, b = Link(), Link()
    connect(a, b)
    a.post(b"1")
    a.post(b"2")
    _, second = frames_of(a)
    with pytest.raises(FrameLostError, match="one was lost"):
        b.accept(second)


def test_a_large_payload_travels_in_fragments_and_arrives_whole() -> None:
    a, b = Link(), Link()
    connect(a, b)
    payload = bytes(range(256)) * (FRAGMENT // 64)
    a.post(payload)
    frames = frames_of(a)
    assert len(frames) == 4
    assert all(len(frame) <= FRAME_LIMIT for frame in frames)
    assert [payload for frame in frames for payload in b.accept(frame)] == [payload]


@pytest.mark.parametrize("frame", [b"", b"x", bytes(21), b"\x09" + bytes(20), bytes(2 << 20)])
def test_malformed_frames_are_refused(frame: bytes) -> None:
    link = Link()
    with pytest.raises(LinkBrokenError):
        link.accept(frame)


def test_a_peer_that_claims_what_was_never_sent_is_refused() -> None:
    a, stranger, other = Link(), Link(), Link()
    connect(other, stranger)
    other.post(b"x")
    deliver(other, stranger)
    with pytest.raises(LinkBrokenError, match="never sent"):
        a.accept(stranger.acknowledgement())


def test_openings_are_told_from_other_frames() -> None:
    link = Link()
    assert is_opening(link.opening(b"hello"))
    link.post(b"x")
    (frame,) = frames_of(link)
    assert not is_opening(frame)
    with pytest.raises(LinkBrokenError, match="does not begin"):
        read_opening(frame)


class Wire:
    """Frames on their way in one direction."""

    def __init__(self, sender: Link, receiver: Link) -> None:
        self.sender, self.receiver = sender, receiver
        self.frames: deque[bytes] = deque()
        self.got: list[bytes] = []

    def send(self) -> None:
        frame = self.sender.next_frame()
        if frame is not None:
            self.frames.append(frame)

    def receive(self) -> None:
        if self.frames:
            self.got += self.receiver.accept(self.frames.popleft())

    def tell(self) -> None:
        self.frames.append(self.sender.acknowledgement())


STEPS = st.sampled_from(["post", "send", "receive", "tell", "cut"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(STEPS, st.booleans()), max_size=120))
def test_whatever_happens_each_side_gets_all_the_other_said_in_order(
    steps: list[tuple[str, bool]],
) -> None:
    a, b = Link(), Link()
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
    for _ in range(len(steps) + 8):
        for wire in (there, back):
            wire.send()
            wire.tell()
            while wire.frames:
                wire.receive()
    assert a.idle
    assert b.idle
    assert there.got == posted[True]
    assert back.got == posted[False]


# ── What a peer may not make us keep ────────────────────────────────────────────────────────────

MORE = 2


def part(number: int, payload: bytes) -> bytes:
    """A frame that announces more of the same payload."""
    return struct.pack(">BQQ", MORE, number, 0) + payload


@pytest.mark.parametrize("size", [0, 1, FRAGMENT - 1, FRAGMENT + 1])
def test_parts_of_a_payload_have_the_one_size_that_peers_make(size: int) -> None:
    with pytest.raises(LinkBrokenError, match="in parts"):
        Link().accept(part(1, bytes(size)))


def test_a_payload_in_parts_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crew_core._wire.link.PARTS_MAX", 3)
    link = Link()
    for number in (1, 2, 3):
        assert link.accept(part(number, bytes(FRAGMENT))) == []
    with pytest.raises(LinkBrokenError, match="in parts"):
        link.accept(part(4, bytes(FRAGMENT)))


def test_the_largest_payload_is_as_large_as_a_message_may_be_elsewhere() -> None:
    assert PARTS_MAX * FRAGMENT >= (1 << 32) - 1


def test_who_acknowledges_nothing_is_refused_before_it_costs_much_memory() -> None:
    link, peer = Link(), Link()
    payload = bytes(FRAGMENT)
    for _ in range(KEPT_BYTES // FRAGMENT):
        link.post(payload)
    frames_of(link)
    assert link.accept(peer.acknowledgement()) == []
    link.post(payload)
    frames_of(link)
    with pytest.raises(LinkBrokenError, match="does not take"):
        link.accept(peer.acknowledgement())


@pytest.mark.parametrize("sent", [True, False])
def test_who_takes_or_acknowledges_no_small_frames_is_refused_as_well(sent: bool) -> None:
    link, peer = Link(), Link()
    for _ in range(KEPT_FRAMES):
        link.post(b"")
    if sent:
        frames_of(link)
    assert link.accept(peer.acknowledgement()) == []
    link.post(b"")
    with pytest.raises(LinkBrokenError, match="does not take"):
        link.accept(peer.acknowledgement())


def test_what_was_acknowledged_or_goes_out_again_counts_no_more() -> None:
    a, b = Link(), Link()
    connect(a, b)
    payload = bytes(FRAGMENT)
    for _ in range(2):
        for _ in range(KEPT_BYTES // FRAGMENT):
            a.post(payload)
        deliver(a, b)
        assert a.accept(b.acknowledgement()) == []
    connect(a, b)
    assert a.idle


def test_nobody_can_have_what_was_never_sent() -> None:
    link = Link()
    link.post(b"x")
    assert [link.has_sent(number) for number in (0, 1, 2, 2**64 - 1)] == [True, True, False, False]
