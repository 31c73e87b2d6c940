"""Who has a certificate, and not the right hello, is turned away; the launch is not harmed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

import crew_core as crew
from attacks.scene import SECONDS, Scene, answer, greeting, logged
from crew_core._wire import messages
from crew_core._wire.network.tls import client_context
from crew_core.plugins import WorkerLaunch
from crew_core.testing import FakeLauncher


def test_a_wrong_secret_is_refused_and_does_not_spoil_the_launch(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for guess in ("guessed", "", scene.launches[2].env["CREW_SECRET"]):
        with scene.secured(client_context(scene.identity(1))) as connection:
            connection.sendall(greeting(scene.launches[1].instance, guess))
            refused = answer(connection)
        assert isinstance(refused, messages.Refused)
        assert "its secret is wrong" in refused.reason
    logged(caplog, "its secret is wrong")
    scene.work_goes_on()
    scene.start(scene.launches[1])
    crew.retry(lambda: scene.online() == 2, seconds_timeout=SECONDS)
    assert list(scene.controller.launcher.errors) == []


def test_a_used_secret_is_refused_and_its_worker_works_on(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """By one that has all that the worker was given."""
    with scene.secured(client_context(scene.identity(0))) as connection:
        connection.sendall(scene.hello(0))
        refused = answer(connection)
    assert isinstance(refused, messages.Refused)
    assert "already used" in refused.reason
    logged(caplog, "already used")
    assert scene.online() == 1
    scene.work_goes_on()


def test_who_was_turned_away_is_heard_no_more(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Lest one connection can guess and guess."""
    with scene.secured(client_context(scene.identity(1))) as connection:
        connection.sendall(greeting(scene.launches[1].instance, "guessed"))
        assert isinstance(answer(connection), messages.Refused)
        connection.sendall(scene.hello(1))
        assert answer(connection) is None
    logged(caplog, "it talks before it was let in")
    assert scene.online() == 1
    scene.work_goes_on()


def test_on_one_computer_too_who_was_turned_away_is_heard_no_more(controller_name: str) -> None:
    launcher = FakeLauncher()
    with crew.controller(launcher, name=controller_name, seconds_launch=600) as controller:
        controller.launch(1)
        (launch,) = launcher.requests[0].workers
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(controller.client.url.removeprefix("unix://"))
            connection.sendall(greeting(launch.instance, "guessed"))
            assert isinstance(answer(connection), messages.Refused)
            connection.sendall(greeting(launch.instance, launch.env["CREW_SECRET"]))
            assert answer(connection) is None
        assert not controller.client.summary()["online"].any()


def test_one_worker_cannot_say_the_hello_of_another(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with scene.secured(client_context(scene.identity(2))) as connection:
        connection.sendall(scene.hello(1))
        assert answer(connection) is None
    logged(caplog, "under another instance's hello")
    scene.work_goes_on()
    scene.start(scene.launches[1])
    crew.retry(lambda: scene.online() == 2, seconds_timeout=SECONDS)


def test_what_was_recorded_of_a_workers_connection_is_of_no_use(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Its bytes, said again to the same port."""
    recorded = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as tap:
        port = tap.getsockname()[1]
        launch = scene.launches[1]
        argv = tuple(a.replace(f":{scene.address[1]}", f":{port}") for a in launch.argv)
        scene.start(WorkerLaunch(**{**vars(launch), "argv": argv}))
        near, _ = tap.accept()
        with near, scene.plain() as far, passing(near, far, recorded):
            crew.retry(lambda: scene.online() == 2, seconds_timeout=SECONDS)
            assert len(recorded) > 500
            with scene.plain() as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(bytes(recorded))
                    connection.shutdown(socket.SHUT_WR)
                assert answer(connection) is None
            logged(caplog, "turned a stranger away")
            scene.work_goes_on()
            scene.controller.terminate()  # or nobody could tell its worker to leave


@contextlib.contextmanager
def passing(near: socket.socket, far: socket.socket, recorded: bytearray) -> Iterator[None]:
    """Pass bytes both ways, and keep those that come from near."""

    def pass_on(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                kept += chunk
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)

    threads = [
        threading.Thread(target=pass_on, args=(near, far, recorded)),
        threading.Thread(target=pass_on, args=(far, near, bytearray())),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
