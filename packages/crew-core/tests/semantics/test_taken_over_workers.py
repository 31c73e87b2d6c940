"""Workers that were let in and then say anything: they lose their place, and others do their work.

With a real dispatcher, over its real sockets.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

import crew_core as crew
from crew_core._wire import codec, messages
from crew_core._wire.link import Link, is_opening, read_opening
from crew_core._wire.stream import FrameBuffer, frame
from crew_core.plugins import WorkerLaunch
from crew_core.testing import FakeLauncher

SECONDS = 60
raw: Callable[[object], bytes] = msgspec.msgpack.encode


class Attacker:
    """Has what a worker was launched with, and is let in."""

    def __init__(self, launch: WorkerLaunch) -> None:
        path = launch.argv[launch.argv.index("--url") + 1].removeprefix("unix://")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(path)
        self._buffer = FrameBuffer()
        self.link = Link()
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        secret = launch.env["CREW_SECRET"]
        hello = messages.Hello(
            messages.PROTOCOL, launch.instance, secret, "life", 1, "here", python
        )
        self.send(self.link.opening(codec.encode(hello)))

    def send(self, data: bytes) -> None:
        self.send_bytes(frame(data))

    def send_bytes(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._socket.sendall(data)

    def say(self, payload: bytes) -> None:
        self.link.post(payload)
        while (ready := self.link.next_frame()) is not None:
            self.send(ready)

    def wait_for_work(self) -> None:
        while True:
            for data in self._buffer.feed(self._socket.recv(1 << 16)):
                if is_opening(data):
                    self.link.restart(read_opening(data)[0])
                    continue
                for payload in self.link.accept(data):
                    if isinstance(messages.decode_to_worker(payload), messages.Work):
                        return

    def is_cut_off(self) -> bool:
        with contextlib.suppress(ConnectionError), self._socket:
            while self._socket.recv(1 << 16):
                pass
        return True


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
    "what was never sent": lambda a: a.send(struct.pack(">BQQ", 3, 0, 2**40)),
    "a small part": lambda a: a.send(struct.pack(">BQQ", 2, 1, 0) + b"part"),
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
        launches = [worker for request in launcher.requests for worker in request.workers]
        tasks = []
        for attack, launch in zip(ATTACKS.values(), launches, strict=False):
            attacker = Attacker(launch)
            tasks.append(controller.push(sum, ([len(tasks), 1],)))
            attacker.wait_for_work()
            attack(attacker)
            assert attacker.is_cut_off()
        bomb = tmp_path / "unpickled"
        attacker = Attacker(launches[-2])
        attacker.wait_for_work()
        attacker.say(pickle.dumps(Bomb(bomb)))
        assert attacker.is_cut_off()

        dispatcher = psutil.Process(controller.client.pid)
        assert dispatcher.memory_info().rss < 200_000_000
        launch = launches[-1]
        workers.append(subprocess.Popen(launch.argv, env={**os.environ, **launch.env}))
        assert [task.result(SECONDS) for task in tasks] == [i + 1 for i in range(len(tasks))]
        assert not bomb.exists()
        assert dispatcher.is_running()
