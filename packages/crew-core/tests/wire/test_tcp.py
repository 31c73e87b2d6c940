"""TCP and TLS between dispatcher and workers: who proves himself gets in, nobody else, and soon."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from crew_core._wire import messages
from crew_core._wire.link import FRAME_LIMIT
from crew_core._wire.network.authority import Authority, digest_of
from crew_core._wire.network.dialer import TcpDialer
from crew_core._wire.network.door import PortError, make_url, open_door, split_url
from crew_core._wire.network.listener import (
    HELLO_LIMIT,
    LOOKS_UNTOLD,
    MUTE_SECONDS,
    PRESSED_SECONDS,
    STRANGER_SECONDS,
    STRANGERS_MAX,
    TcpListener,
)
from crew_core._wire.network.settings import ServerIdentity, WorkerIdentity
from crew_core._wire.network.tls import client_context, server_context

Address = tuple[str, int]

SECONDS = 60


def ready_of(listener: TcpListener) -> list[int]:
    """The pipes that have something to say now."""
    return [key.data for key, _ in listener.selector.select(0)]


def changes_of(dialer: TcpDialer) -> list[bool]:
    """What has happened to its connection until now."""
    return dialer.changes(bool(dialer.selector.select(0)))


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Stage:
    """A listener with TLS, its authority, and whoever dials."""

    authority: Authority
    server: tuple[bytes, bytes]
    listener: TcpListener
    address: Address
    clock: Clock

    def identity(self, instance: str = "w1", authority: Authority | None = None) -> WorkerIdentity:
        certificate, key = (authority or self.authority).issue_worker(instance)
        certificates = self.server[0]
        return WorkerIdentity(certificate, key, self.authority.certificate, digest_of(certificates))

    def dialer(self, identity: WorkerIdentity, *before: Address) -> TcpDialer:
        return TcpDialer(
            [*before, self.address], client_context(identity), identity.server_digest, self.clock
        )

    def receive(self) -> list[tuple[int, bytes]]:
        """What arrives next at the listener."""
        frames: list[tuple[int, bytes]] = []
        self.until(lambda: bool(frames), on_frames=frames.extend)
        return frames

    def until(
        self,
        met: Callable[[], bool],
        *dialers: TcpDialer,
        on_frames: Callable[[list[tuple[int, bytes]]], None] = lambda frames: None,
    ) -> None:
        """Serve all until something is so."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            on_frames(self.listener.receive(ready_of(self.listener)))
            if met():
                return
            for selector in (*(dialer.selector for dialer in dialers), self.listener.selector):
                selector.select(0.002)
        raise AssertionError("it did not come to pass")

    def connect(self, dialer: TcpDialer, hello: bytes = b"hello") -> int:
        """Dial, say hello, be admitted; the pipe."""
        arrived: list[tuple[int, bytes]] = []

        def met() -> bool:
            if True in changes_of(dialer):
                assert dialer.send(hello)
            return bool(arrived)

        self.until(met, dialer, on_frames=arrived.extend)
        ((pipe, frame),) = arrived
        assert frame == hello
        self.listener.admit(pipe)
        return pipe

    def refuses(self, knock: Callable[[], object]) -> str:
        """What the listener says of somebody that it turns away."""
        before = self.listener.refused
        knock()
        self.until(lambda: self.listener.refused > before)
        (text,) = self.listener.complaints()
        return text

    def raw(self) -> socket.socket:
        """A plain TCP connection."""
        return socket.create_connection(self.address, timeout=10)


@pytest.fixture
def stage() -> Iterator[Stage]:
    authority = Authority()
    server = authority.issue_server()
    context = server_context(ServerIdentity(*server, authority.certificate))
    door = open_door("127.0.0.1", 0, 0)
    clock = Clock()
    listener = TcpListener(door, context, clock)
    yield Stage(authority, server, listener, door.getsockname(), clock)
    listener.close()


def heard(stage: Stage, dialer: TcpDialer) -> list[bytes]:
    frames: list[bytes] = []

    def met() -> bool:
        changes_of(dialer)
        frames.extend(dialer.receive())
        return bool(frames)

    stage.until(met, dialer)
    return frames


# ── Those who belong here ───────────────────────────────────────────────────────────────────────


def test_a_worker_with_its_certificate_gets_in_and_frames_go_both_ways(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity("w7"))
    pipe = stage.connect(dialer)
    assert stage.listener.identity(pipe) == "w7"
    assert stage.listener.send(pipe, b"welcome")
    assert heard(stage, dialer) == [b"welcome"]
    dialer.send(b"outcome")
    assert stage.receive() == [(pipe, b"outcome")]
    assert stage.listener.refused == 0
    dialer.close()


def test_frames_of_the_largest_size_pass_in_both_directions(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())
    pipe = stage.connect(dialer)
    large = bytes(FRAME_LIMIT)
    dialer.send(large)
    arrived: list[tuple[int, bytes]] = []

    def met() -> bool:
        changes_of(dialer)
        dialer.receive()
        return bool(arrived)

    stage.until(met, dialer, on_frames=arrived.extend)
    assert arrived == [(pipe, large)]
    stage.listener.send(pipe, large)
    assert heard(stage, dialer) == [large]
    dialer.close()


def test_what_was_said_before_a_connection_broke_still_counts(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())
    pipe = stage.connect(dialer)
    dialer.send(b"last words")
    dialer.close()
    arrived: list[tuple[int, bytes]] = []
    lost: list[int] = []

    def met() -> bool:
        lost.extend(stage.listener.lost())
        return bool(lost)

    stage.until(met, on_frames=arrived.extend)
    assert (arrived, lost) == ([(pipe, b"last words")], [pipe])
    assert not stage.listener.send(pipe, b"too late")


def test_a_worker_tries_address_after_address(stage: Stage) -> None:
    with socket.socket() as nobody:  # has the port, so that nobody else gets it, and is deaf
        nobody.bind(("127.0.0.1", 0))
        dialer = stage.dialer(stage.identity(), nobody.getsockname())
        stage.connect(dialer)
        dialer.close()


def test_a_worker_goes_on_from_an_address_where_somebody_else_is(stage: Stage) -> None:
    other = Authority()
    context = server_context(ServerIdentity(*other.issue_server(), stage.authority.certificate))
    door = open_door("127.0.0.1", 0, 0)
    impostor = TcpListener(door, context)
    dialer = stage.dialer(stage.identity(), door.getsockname())
    told: list[str] = []

    def met() -> bool:
        impostor.receive(ready_of(impostor))
        told.extend(impostor.complaints())
        changes_of(dialer)
        return bool(told)

    stage.until(met, dialer)
    stage.connect(dialer)
    dialer.close()
    impostor.close()


def test_a_worker_accepts_no_other_certificate_than_its_dispatchers(stage: Stage) -> None:
    """Not even another one that the same authority has signed for a dispatcher."""
    certificate, _ = stage.authority.issue_server()
    context = client_context(stage.identity())
    dialer = TcpDialer([stage.address], context, digest_of(certificate), stage.clock)
    changes: list[bool] = []

    def refused() -> bool:
        changes.extend(changes_of(dialer))
        return bool(stage.listener.lost())

    def knock() -> None:
        stage.until(refused, dialer)

    stage.refuses(knock)
    assert changes == []
    dialer.close()


def test_a_workers_certificate_does_not_make_a_dispatcher(stage: Stage) -> None:
    certificate, key = stage.authority.issue_worker("traitor")
    door = open_door("127.0.0.1", 0, 0)
    context = server_context(ServerIdentity(certificate, key, stage.authority.certificate))
    traitor = Stage(
        stage.authority, stage.server, TcpListener(door, context), door.getsockname(), stage.clock
    )
    dialer = TcpDialer(
        [traitor.address], client_context(stage.identity()), digest_of(certificate), stage.clock
    )
    traitor.until(lambda: changes_of(dialer) != [] or traitor.listener.refused > 0, dialer)
    assert "certificate" in traitor.listener.complaints()[0].lower()
    dialer.close()
    traitor.listener.close()


def test_a_cut_connection_is_dialled_again(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())
    pipe = stage.connect(dialer)
    stage.listener.send(pipe, b"welcome")
    assert heard(stage, dialer) == [b"welcome"]
    stage.listener.hang_up(pipe)
    changes: list[bool] = []

    def so_far() -> list[bool]:
        changes.extend(changes_of(dialer))
        dialer.receive()
        return changes

    stage.until(lambda: so_far() == [False], dialer)
    stage.clock.now = dialer.next_time()
    stage.until(lambda: so_far() == [False, True], dialer)
    dialer.send(b"hello again")
    assert [frame for _, frame in stage.receive()] == [b"hello again"]
    dialer.close()


def test_a_connection_that_falls_silent_is_dialled_again(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())
    pipe = stage.connect(dialer)
    stage.listener.send(pipe, b"welcome")
    assert heard(stage, dialer) == [b"welcome"]
    assert changes_of(dialer) == []
    stage.clock.now = dialer.next_time()
    assert changes_of(dialer) == [False]
    dialer.close()


# ── Strangers ───────────────────────────────────────────────────────────────────────────────────


def shake(stage: Stage, context: ssl.SSLContext) -> None:
    """Shake hands as a client of this context, until that client thinks that it is done."""
    raw = stage.raw()
    raw.setblocking(False)

    def met() -> bool:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    with context.wrap_socket(raw, do_handshake_on_connect=False) as client:
        stage.until(met)


def insecure_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_without_a_certificate_nobody_gets_in(stage: Stage) -> None:
    text = stage.refuses(lambda: shake(stage, insecure_context()))
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in text
    assert "127.0.0.1" in text


def test_with_another_authoritys_certificate_nobody_gets_in(stage: Stage) -> None:
    foreign = stage.identity(authority=Authority())
    text = stage.refuses(lambda: shake(stage, client_context(foreign)))
    assert "certificate" in text.lower()


def test_the_dispatchers_own_certificate_is_none_for_a_worker(stage: Stage) -> None:
    certificate, key = stage.server
    identity = WorkerIdentity(certificate, key, stage.authority.certificate, b"")
    text = stage.refuses(lambda: shake(stage, client_context(identity)))
    assert "purpose" in text


def test_older_tls_is_refused(stage: Stage) -> None:
    context = insecure_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(stage, context)
    assert stage.listener.refused == 1


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.0\r\n\r\n", bytes(4096), b"\x16\x03\x01\xff\xff" + bytes(70000)]
)
def test_garbage_is_refused(stage: Stage, garbage: bytes) -> None:
    with stage.raw() as connection:
        assert "no TLS" in stage.refuses(lambda: connection.sendall(garbage))


def test_one_that_says_nothing_is_refused_in_time(stage: Stage) -> None:
    with stage.raw():
        stage.until(lambda: stage.listener.next_time() < float("inf"))
        assert stage.listener.next_time() == stage.clock.now + STRANGER_SECONDS
        stage.clock.now += STRANGER_SECONDS
        stage.until(lambda: stage.listener.refused == 1)
    assert "did not prove who it is within" in stage.listener.complaints()[0]
    assert stage.listener.next_time() == 0.0  # its end is news
    assert len(stage.listener.lost()) == 1
    assert stage.listener.next_time() == float("inf")


def test_one_that_only_wants_to_know_who_listens_is_no_news(stage: Stage) -> None:
    stage.raw().close()
    stage.until(lambda: stage.listener.lost() != [])
    assert stage.listener.complaints() == []
    assert stage.listener.next_time() == float("inf")


def test_very_many_who_want_to_know_it_are(stage: Stage) -> None:
    for _ in range(LOOKS_UNTOLD + 1):
        stage.raw().close()
        stage.until(lambda: stage.listener.lost() != [])
    (complaint,) = stage.listener.complaints()
    assert "(1 so far)" in complaint


def test_one_that_sends_a_byte_now_and_then_is_refused_in_time(stage: Stage) -> None:
    with stage.raw() as connection:
        stage.until(lambda: stage.listener.next_time() < float("inf"))
        outgoing = ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            insecure_context().wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
        for _ in range(int(STRANGER_SECONDS)):
            connection.sendall(outgoing.read(1))
            stage.clock.now += 1.0
            stage.listener.receive(ready_of(stage.listener))
        stage.until(lambda: stage.listener.refused == 1)


def test_one_with_a_certificate_that_says_no_hello_is_refused_in_time(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())
    stage.until(lambda: True in changes_of(dialer), dialer)
    stage.clock.now += STRANGER_SECONDS
    stage.until(lambda: stage.listener.refused == 1)
    dialer.close()


def test_a_hello_that_is_too_large_is_refused_before_it_is_kept(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())

    def met() -> bool:
        if True in changes_of(dialer):
            dialer.send(bytes(HELLO_LIMIT + 1))
        return stage.listener.refused == 1

    stage.until(met, dialer)
    assert f"{HELLO_LIMIT} are most" in stage.listener.complaints()[0]
    dialer.close()


def test_an_oversized_frame_costs_a_worker_its_connection(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())
    pipe = stage.connect(dialer)
    dialer.send(bytes(FRAME_LIMIT + 1))
    stage.until(lambda: stage.listener.lost() == [pipe], dialer)
    dialer.close()


def test_who_talks_before_being_let_in_is_heard_once(stage: Stage) -> None:
    dialer = stage.dialer(stage.identity())
    arrived: list[tuple[int, bytes]] = []

    def met() -> bool:
        if True in changes_of(dialer):
            for _ in range(100):
                dialer.send(b"hello")
        return stage.listener.refused == 1

    stage.until(met, dialer, on_frames=arrived.extend)
    assert [frame for _, frame in arrived] == [b"hello"]
    dialer.close()


def test_a_crowd_of_strangers_stays_outside_and_those_who_linger_make_room(stage: Stage) -> None:
    crowd = [stage.raw() for _ in range(STRANGERS_MAX + 20)]
    for connection in crowd:
        connection.sendall(b"\x16")  # so TLS begins
    stage.until(lambda: stage.listener.next_time() == stage.clock.now + PRESSED_SECONDS)
    stage.clock.now += PRESSED_SECONDS
    stage.until(lambda: stage.listener.refused >= STRANGERS_MAX)
    # Only some are told of one by one.
    assert 0 < len(stage.listener.complaints()) <= 30
    dialer = stage.dialer(stage.identity())
    stage.connect(dialer)
    dialer.close()
    for connection in crowd:
        connection.close()


def test_there_may_be_fewer_places_for_strangers(stage: Stage) -> None:
    door = open_door("127.0.0.1", 0, 0)
    listener = TcpListener(door, None, stage.clock, most=2)
    small = Stage(stage.authority, stage.server, listener, door.getsockname(), stage.clock)
    crowd = [small.raw() for _ in range(3)]
    small.until(lambda: listener.next_time() == stage.clock.now + MUTE_SECONDS)
    stage.clock.now += MUTE_SECONDS
    small.until(lambda: listener.refused == 2)
    for connection in crowd:
        connection.close()
    listener.close()


def test_in_a_crowd_the_silent_make_room_for_those_who_speak(stage: Stage) -> None:
    door = open_door("127.0.0.1", 0, 0)
    listener = TcpListener(door, None, stage.clock, most=3)
    small = Stage(stage.authority, stage.server, listener, door.getsockname(), stage.clock)
    with small.raw() as speaks, small.raw(), small.raw():
        came = stage.clock.now
        small.until(lambda: listener.next_time() == came + MUTE_SECONDS)
        speaks.sendall(b"\0")
        assert listener.selector.select(SECONDS)
        small.until(lambda: True)
        stage.clock.now += MUTE_SECONDS
        small.until(lambda: listener.refused == 2)
        assert len(listener.lost()) == 2
        assert listener.next_time() == came + STRANGER_SECONDS
        assert speaks.send(b"\0") == 1
    listener.close()


class Door(socket.socket):
    """A door of a process that may run out of file descriptors."""

    exhausted = False

    def accept(self) -> tuple[socket.socket, Address]:
        if self.exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def test_strangers_make_room_when_there_are_no_file_descriptors(stage: Stage) -> None:
    door = Door(fileno=open_door("127.0.0.1", 0, 0).detach())
    door.setblocking(False)
    listener = TcpListener(door, None, stage.clock)
    small = Stage(stage.authority, stage.server, listener, door.getsockname(), stage.clock)
    with small.raw():
        small.until(lambda: listener.next_time() < float("inf"))
        door.exhausted = True
        with small.raw():
            assert "Too many open files" in small.refuses(lambda: None)
            stage.clock.now += MUTE_SECONDS
            small.until(lambda: bool(listener.lost()))
            door.exhausted = False
            stage.clock.now += PRESSED_SECONDS
            small.until(lambda: listener.next_time() == stage.clock.now + STRANGER_SECONDS)
    listener.close()


def test_without_tls_a_length_without_end_is_refused() -> None:
    door = open_door("127.0.0.1", 0, 0)
    listener = TcpListener(door, None)
    stage = Stage(Authority(), (b"", b""), listener, door.getsockname(), Clock())
    with stage.raw() as connection:
        connection.sendall(struct.pack(">I", 0xFFFFFFFF))
        stage.until(lambda: listener.refused == 1)
    assert listener.identity(1) is None
    listener.close()


# ── Ports and addresses ─────────────────────────────────────────────────────────────────────────


def test_a_taken_port_is_an_error_that_says_so() -> None:
    with open_door("127.0.0.1", 0, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=rf"port {port} of 127.0.0.1: Address already in use"):
            open_door("127.0.0.1", port, port)


def test_of_a_range_the_first_free_port_is_taken() -> None:
    with open_door("127.0.0.1", 0, 0) as taken:
        port = taken.getsockname()[1]
        with open_door("127.0.0.1", port, min(port + 50, 65535)) as door:
            assert port < door.getsockname()[1] <= port + 50


def test_an_address_of_another_computer_is_an_error() -> None:
    with pytest.raises(PortError, match=r"192\.0\.2\.99"):
        open_door("192.0.2.99", 0, 0)


def test_urls_hold_all_addresses() -> None:
    url = make_url(("10.0.0.5", "::1", "login.example"), 5000, tls=True)
    assert url == "tls+tcp://10.0.0.5:5000,[::1]:5000,login.example:5000"
    assert split_url(url) == [("10.0.0.5", 5000), ("::1", 5000), ("login.example", 5000)]
    assert make_url(("lo",), 1, tls=False) == "tcp://lo:1"


@pytest.mark.parametrize("url", ["", "tcp://", "tcp://host", "tcp://host:x", "tcp://:5"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        split_url(url)


def test_an_identity_travels_as_plain_text_and_shows_nothing(stage: Stage) -> None:
    identity = stage.identity()
    text = identity.to_text()
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert WorkerIdentity.from_text(text) == identity
    server = ServerIdentity(*stage.server, stage.authority.certificate, "password")
    hello = messages.Hello(messages.PROTOCOL, "w1", "password", "life", 1, "host", "3.11")
    for shown in (repr(identity), repr(server), repr(hello)):
        assert "PRIVATE" not in shown
        assert "password" not in shown
    with pytest.raises(ValueError, match="not an identity"):
        WorkerIdentity.from_text(text[:-20])
