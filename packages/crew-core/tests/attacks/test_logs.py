"""Strangers, however many and whatever they say, fill no log and write no lines into it."""

from __future__ import annotations

import contextlib

import pytest

import crew_core as crew
from attacks.scene import Scene, answer, bounded, greeting, logged
from crew_core._wire import codec, messages
from crew_core._wire.link import Link
from crew_core._wire.network.tls import client_context
from crew_core._wire.stream import frame
from crew_core.testing import FakeLauncher


def test_a_port_scanner_fills_no_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(2000):
        with contextlib.suppress(OSError):
            scene.plain().close()
        if i % 500 == 0:
            scene.work_goes_on()
    logged(caplog, "(20 so far)")
    scene.another_worker_gets_in()
    bounded(scene, caplog)


def test_a_worker_that_is_refused_for_ever_fills_no_log(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """As when its platform runs its job again and again, or somebody guesses."""
    context = client_context(scene.identity(1))
    for i in range(100):
        with scene.secured(context) as connection:
            connection.sendall(greeting(scene.launches[1].instance, f"guess {i}"))
            assert isinstance(answer(connection), messages.Refused)
    scene.work_goes_on()
    scene.another_worker_gets_in()
    bounded(scene, caplog)


def test_without_tls_a_stranger_writes_no_lines_of_its_own_into_a_log(
    controller_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    launcher = FakeLauncher()
    with pytest.warns(crew.InsecureWarning):
        controller = crew.controller(
            launcher, name=controller_name, host="127.0.0.1", tls="none", seconds_launch=600
        )
    evil = "\x1b[2J\ncrew: all is well\n" * 20
    kind = codec.encode({"type": evil})
    with controller:
        scene = Scene(controller, launcher, 3)
        for i in range(100):
            for words in (greeting(evil, f"guess {i}"), frame(Link().opening(kind))):
                with scene.plain() as connection:
                    connection.sendall(words)
                    answer(connection)
        scene.work_goes_on()
        with scene.plain() as connection:  # one who has overheard a secret
            stolen = scene.launches[1]
            connection.sendall(greeting(stolen.instance, stolen.env["CREW_SECRET"], evil))
            answer(connection)
        logged(caplog, "the worker runs Python")
        log = scene.log()
        bounded(scene, caplog)
    scene.close()
    for text in (log, *(record.getMessage() for record in caplog.records)):
        assert "\x1b" not in text
        assert "\ncrew: all is well" not in text
