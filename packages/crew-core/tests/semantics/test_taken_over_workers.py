"""Workers that were let in and then say anything: they lose their place, and others do their work.

With a real dispatcher, over its real sockets.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil
import pytest

import crew_core as crew
from crew_core._wire import codec, messages
from crew_core._wire.link import Link, is_opening, read_opening
from crew_core._wire.network.door import split_url
from crew_core._wire.network.settings import WorkerIdentity
from crew_core._wire.network.tls import client_context
from crew_core._wire.stream import FrameBuffer, frame
from crew_core.plugins import WorkerLaunch
from crew_core.testing import FakeLauncher

SECONDS = 60
OPEN, MORE, ACK = 4, 2, 3  # kinds of frames
T = TypeVar("T")

raw: Callable[[object], bytes] = msgspec.msgpack.encode


class Attacker:
    """Has what a worker was launched with, or all but the secret."""

    def __init__(
        self, launch: WorkerLaunch, secret: str | None = None, acknowledges: int = 0
    ) -> None:
        self._launch = launch
        self._socket = connect(launch)
        self._buffer = FrameBuffer()
        self.link = Link()
        self.say_hello(secret, acknowledges)

    def say_hello(self, secret: str | None = None, acknowledges: int = 0) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        hello = messages.Hello(
            messages.PROTOCOL,
            self._launch.instance,
            secret or self._launch.env["CREW_SECRET"],
            "life",
            1,
            "here",
            python,
        )
        self.send(struct.pack(">BQQ", OPEN, 0, acknowledges) + codec.encode(hello))

    def send(self, data: bytes) -> None:
        self.send_bytes(frame(data))

    def send_bytes(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._socket.sendall(data)

    def say(self, payload: bytes) -> None:
        self.link.post(payload)
        while (ready := self.link.next_frame()) is not None:
            self.send(ready)

    def __enter__(self) -> Attacker:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def hear(self, kind: type[T]) -> T:
        """Wait until it is told something of this kind."""
        while True:
            for data in self._buffer.feed(self._socket.recv(1 << 16)):
                for message in map(messages.decode_to_worker, self._payloads(data)):
                    if isinstance(message, kind):
                        return message

    def _payloads(self, data: bytes) -> list[bytes]:
        if not is_opening(data):
            return self.link.accept(data)
        acknowledged, payload = read_opening(data)
        self.link.restart(acknowledged)
        return [payload]

    def is_cut_off(self) -> bool:
        """Wait for the end of the connection, on which nothing is welcomed any more."""
        with contextlib.suppress(ConnectionError), self._socket:
            while data := self._socket.recv(1 << 16):
                for opening in filter(is_opening, self._buffer.feed(data)):
                    said = messages.decode_to_worker(read_opening(opening)[1])
                    assert not isinstance(said, messages.Welcome)
        return True


def connect(launch: WorkerLaunch) -> socket.socket:
    """As its worker would, over whatever it is."""
    url = launch.argv[launch.argv.index("--url") + 1]
    if url.startswith("unix://"):
        unix = socket.socket(socket.AF_UNIX)
        unix.settimeout(SECONDS)
        unix.connect(url.removeprefix("unix://"))
        return unix
    (address,) = split_url(url)
    identity = WorkerIdentity.from_text(launch.env["CREW_TLS"])
    plain = socket.create_connection(address, timeout=SECONDS)
    return client_context(identity).wrap_socket(plain)


class Bomb:
    """What nobody must unpickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.mkdir, (str(self.path),))


ATTACKS: dict[str, Callable[[Attacker], None]] = {
    "no frame": lambda a: a.send(b"\xff" * 50),
    "less than a header": lambda a: a.send(b"\x01"),
    "a frame of four gigabytes": lambda a: a.send_bytes(b"\xff\xff\xff\xff" + bytes(1000)),
    "a second hello": lambda a: a.send(a.link.opening(b"")),
    "what was never sent": lambda a: a.send(struct.pack(">BQQ", ACK, 0, 2**40)),
    "a small part": lambda a: a.send(struct.pack(">BQQ", MORE, 1, 0) + b"part"),
    "no message": lambda a: a.say(b"\xc1\xc1"),
    "nothing": lambda a: a.say(b""),
    "another border's message": lambda a: a.say(codec.encode(messages.Stop())),
    "nests": lambda a: a.say(b"\x92\xa8Returned" + b"\x91" * 100_000),
    "a list without end": lambda a: a.say(b"\x92\xa8Returned\xdd\xff\xff\xff\xff"),
    "columns of different lengths": lambda a: a.say(raw(["Outcomes", [0, 1], [0], [0.1], [b""]])),
    "no such status": lambda a: a.say(raw(["Outcomes", [0], [77], [0.1], [b""]])),
    "no time at all": lambda a: a.say(raw(["Outcomes", [0], [0], [float("nan")], [b""]])),
    "a death without words": lambda a: a.say(raw(["Outcomes", [0], [19], [None], [b"\xc1"]])),
}


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def launches_of(launcher: FakeLauncher) -> list[WorkerLaunch]:
    return [worker for request in launcher.requests for worker in request.workers]


def test_each_attack_costs_the_attacker_its_place_and_nobody_else_anything(
    controller_name: str, workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    launcher = FakeLauncher()
    with crew.controller(
        launcher,
        name=controller_name,
        workers=len(ATTACKS) + 2,
        seconds_launch=600,
        retry_tasks=True,
        crashes_max=100,
    ) as controller:
        controller.launch(len(ATTACKS) + 2)
        launches = launches_of(launcher)
        tasks: list[crew.Task[Any]] = []
        for attack, launch in zip(ATTACKS.values(), launches, strict=False):
            attacker = Attacker(launch)
            tasks.append(controller.push(sum, ([len(tasks), 1],)))
            attacker.hear(messages.Work)
            attack(attacker)
            assert attacker.is_cut_off()
        bomb = tmp_path / "unpickled"
        attacker = Attacker(launches[-2])
        attacker.hear(messages.Work)
        attacker.say(pickle.dumps(Bomb(bomb)))
        assert attacker.is_cut_off()

        dispatcher = psutil.Process(controller.client.pid)
        assert dispatcher.memory_info().rss < 200_000_000
        launch = launches[-1]
        workers.append(subprocess.Popen(launch.argv, env={**os.environ, **launch.env}))
        assert [task.result(SECONDS) for task in tasks] == [i + 1 for i in range(len(tasks))]
        assert not bomb.exists()
        assert dispatcher.is_running()


def test_over_a_network_too_it_cannot_come_back(controller_name: str) -> None:
    """Where a broken connection says nothing, and a worker may dial again."""
    launcher = FakeLauncher()
    with crew.controller(
        launcher, name=controller_name, host="127.0.0.1", seconds_launch=600
    ) as controller:
        controller.launch(1)
        (launch,) = launches_of(launcher)
        with Attacker(launch) as attacker:
            attacker.hear(messages.Welcome)
        assert Attacker(launch, acknowledges=1000).is_cut_off()  # for that it was never sent
        attacker = Attacker(launch)
        controller.push("1 + 1")
        attacker.hear(messages.Work)
        attacker.say(b"junk")
        assert attacker.is_cut_off()
        with Attacker(launch) as again:
            assert "given up before" in again.hear(messages.Refused).reason


@pytest.mark.parametrize("host", [None, "127.0.0.1"])
def test_what_it_says_of_shared_memory_harms_nobody(controller_name: str, host: str | None) -> None:
    """Over a network there is none."""
    launcher = FakeLauncher()
    with crew.controller(
        launcher, name=controller_name, host=host, seconds_launch=600
    ) as controller:
        controller.launch(1)
        (launch,) = launches_of(launcher)
        task = controller.push("1 + 1")
        with Attacker(launch) as attacker:
            attacker.hear(messages.Work)
            detail = codec.encode(messages.OutcomeDetail(value=pickle.dumps(2)))
            names = ("client.1.0", "a/b", "a\0b", "", "..", "free")
            attacker.say(codec.encode(messages.Outcomes([0], [0], [0.1], [detail], {0: names})))
            assert task.result(SECONDS) == 2
            assert controller.pop() is not None
        del task
        gc.collect()  # what would be raised here fails the test


def test_who_was_turned_away_is_heard_no_more(controller_name: str) -> None:
    launcher = FakeLauncher()
    with crew.controller(launcher, name=controller_name, seconds_launch=600) as controller:
        controller.launch(1)
        (launch,) = launches_of(launcher)
        guesser = Attacker(launch, secret="guess")
        assert "its secret is wrong" in guesser.hear(messages.Refused).reason
        guesser.say_hello()
        assert guesser.is_cut_off()
        with Attacker(launch) as worker:
            worker.hear(messages.Welcome)
