"""Strangers who come in crowds, or take their time, keep neither tasks nor workers waiting."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

import crew_core as crew
from attacks.crowd import DRIBBLE_SECONDS, Crowd
from attacks.scene import SECONDS, Scene, anybody, bounded, logged
from crew_core._wire.network.tls import client_context

MOST_GROWTH = 100_000_000
"""Bytes: all places taken by strangers that have begun a handshake."""


def test_handshakes_without_end_do_not_keep_tasks_from_being_done(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Each makes the dispatcher compute, and then shows no certificate."""
    over = threading.Event()
    attempts = [0]

    def attack() -> None:
        context = anybody()
        while not over.is_set():
            attempts[0] += 1
            with contextlib.suppress(OSError), scene.secured(context) as connection:
                connection.recv(1)

    threads = [threading.Thread(target=attack) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        scene.work_goes_on(200)
        scene.another_worker_gets_in()
        crew.retry(lambda: attempts[0] > 300, seconds_timeout=SECONDS)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    bounded(scene, caplog)


def test_a_crowd_that_dribbles_keeps_nobody_out(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    before = scene.dispatcher.memory_info().rss
    with Crowd(scene.address, 600, first_words()):
        scene.work_goes_on(200)
        scene.another_worker_gets_in()
        scene.work_goes_on(200)
        assert scene.dispatcher.memory_info().rss - before < MOST_GROWTH
        assert scene.dispatcher.num_fds() < 400
    bounded(scene, caplog)


def first_words() -> bytes:
    """What a client of TLS says first."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        anybody().wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


@pytest.mark.slow
def test_ten_thousand_connections_keep_nobody_out(
    scene: Scene, many_files: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = scene.dispatcher.memory_info().rss
    with Crowd(scene.address, min(10_000, many_files)):
        scene.work_goes_on(200)
        scene.another_worker_gets_in()
        scene.work_goes_on(200)
        assert scene.dispatcher.memory_info().rss - before < MOST_GROWTH
        assert scene.dispatcher.num_fds() < 400
    scene.work_goes_on()
    bounded(scene, caplog)


@pytest.fixture
def many_files() -> Iterator[int]:
    """How many connections this process may have for the moment."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard - 500 if hard != resource.RLIM_INFINITY else 1_000_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of another process")
def test_when_file_descriptors_run_out_strangers_make_room(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    limit = scene.dispatcher.num_fds() + 30
    scene.dispatcher.rlimit(psutil.RLIMIT_NOFILE, (limit, limit))
    with Crowd(scene.address, 60):
        logged(caplog, "cannot let anybody in for a moment")
        scene.work_goes_on()
        scene.another_worker_gets_in()
    scene.work_goes_on()


def test_the_places_of_strangers_leave_most_file_descriptors_to_workers() -> None:
    from crew_core._wire.network.listener import STRANGERS_MAX, strangers_most

    assert strangers_most(float("inf")) == STRANGERS_MAX
    assert strangers_most(256) == 64
    assert strangers_most(1) == 1


@pytest.mark.slow
def test_a_hello_that_dribbles_from_one_with_a_certificate_ends_in_time(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with scene.secured(client_context(scene.identity(1))) as connection:
        assert not dribble(connection, scene.hello(1))
    logged(caplog, "did not prove who it is within 15 s")
    scene.work_goes_on()
    scene.another_worker_gets_in()


def dribble(connection: socket.socket, words: bytes) -> bool:
    """Say little at a time, for long. False when the other end would not hear it all."""
    for i in range(len(words)):
        try:
            connection.sendall(words[i : i + 1])
        except OSError:
            return False
        time.sleep(DRIBBLE_SECONDS)
    return True
