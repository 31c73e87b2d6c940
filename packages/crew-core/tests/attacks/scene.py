"""What is attacked: a controller at work, and what an attacker says to it and hears."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

import crew_core as crew
from crew_core._wire import codec, messages
from crew_core._wire.link import Link, read_opening
from crew_core._wire.network.door import split_url
from crew_core._wire.network.settings import WorkerIdentity
from crew_core._wire.restraint import TOLD_ONE_BY_ONE
from crew_core._wire.stream import FrameBuffer, frame
from crew_core.plugins import WorkerLaunch
from crew_core.testing import FakeLauncher

SECONDS = 60
"""For whatever must come to pass, at most."""


class Scene:
    """A controller with one worker at work and others that nobody has started yet.

    Attributes:
        controller: it listens on loopback, with TLS.
        launcher: remembers all that it was given.
        launches: what it was given at first; the first of them is at work.
    """

    def __init__(self, controller: crew.Controller, launcher: FakeLauncher, workers: int) -> None:
        self.controller = controller
        self.launcher = launcher
        self._started: list[subprocess.Popen[str]] = []
        controller.launch(workers)
        self.launches = [worker for r in launcher.requests for worker in r.workers]
        (self.address,) = split_url(controller.client.url)
        self.dispatcher = psutil.Process(controller.client.pid)
        self.start(self.launches[0])
        self.work_goes_on()

    def start(
        self, launch: WorkerLaunch, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a worker with what its launch says, but for these variables."""
        process = subprocess.Popen(
            [*launch.argv[: launch.argv.index("--log")], "--grace", "30"],
            env={**os.environ, **launch.env, **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def work_goes_on(self, tasks: int = 20) -> None:
        """Tasks are done, and as they should be."""
        handles = [self.controller.submit(sum, [i, 1]) for i in range(tasks)]
        assert [handle.result(SECONDS) for handle in handles] == list(range(1, tasks + 1))

    def another_worker_gets_in(self) -> None:
        """One that was launched, and has not been started until now."""
        before = self.online()
        self.start(self.launches[-1])
        crew.retry(lambda: self.online() == before + 1, seconds_timeout=SECONDS)

    def online(self) -> int:
        """How many workers there are."""
        return int(self.controller.client.summary()["online"].sum())

    def log(self) -> str:
        """What the dispatcher has written."""
        folder = self.dispatcher.cmdline()[self.dispatcher.cmdline().index("--directory") + 1]
        return Path(folder, "dispatcher.log").read_text()

    def identity(self, number: int) -> WorkerIdentity:
        """The certificate of a launch."""
        return WorkerIdentity.from_text(self.launches[number].env["CREW_TLS"])

    def hello(self, number: int, secret: str | None = None) -> bytes:
        """The first words of this launch's worker, as an attacker could say them."""
        launch = self.launches[number]
        return greeting(launch.instance, secret or launch.env["CREW_SECRET"])

    def plain(self) -> socket.socket:
        """A TCP connection."""
        connection = socket.create_connection(self.address, timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def secured(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A connection with TLS, as far as the attacker's end can tell."""
        return context.wrap_socket(self.plain())

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


def greeting(instance: str, secret: str, python: str = "") -> bytes:
    """A hello, framed."""
    python = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    hello = messages.Hello(messages.PROTOCOL, instance, secret, "stolen", 1, "attacker", python)
    return frame(Link().opening(codec.encode(hello)))


def answer(connection: socket.socket) -> messages.ToWorker | None:
    """What the dispatcher says; None when it closes the connection instead."""
    buffer = FrameBuffer()
    try:
        while chunk := connection.recv(4096):
            for message in buffer.feed(chunk):
                return messages.decode_to_worker(read_opening(message)[1])
    except TimeoutError:
        raise
    except OSError:
        pass  # cut off
    return None


def anybody() -> ssl.SSLContext:
    """An attacker's side of TLS, that trusts all and shows nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    """Wait until the user was told of an attack."""
    crew.retry(lambda: words in caplog.text, seconds_interval=0.02, seconds_timeout=SECONDS)


def bounded(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Neither log grows with the number of strangers."""
    logged(caplog, "a worker was turned away")
    told = caplog.text.count("a worker was turned away")
    assert 0 < told <= 2 * TOLD_ONE_BY_ONE + 10
    assert len(scene.log()) < 20_000
