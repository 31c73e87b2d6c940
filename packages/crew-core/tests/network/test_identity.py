"""Who gets in over the network, and who does not, whatever it has got hold of."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

import crew_core as crew
from crew_core._launcher.local import LocalLauncher
from crew_core.plugins import WorkerLaunch
from crew_core.testing import FakeLauncher

SECONDS = 60
REFUSED, NO_DISPATCHER = 3, 4
"""Exit codes of a worker."""

IN_VAIN_SECONDS = 15
"""How long one tries that is never let in: enough for an answer, however busy this machine is."""

Worker = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launcher() -> FakeLauncher:
    return FakeLauncher(FakeLauncher.Options())


@pytest.fixture
def controller(launcher: FakeLauncher, controller_name: str) -> Iterator[crew.Controller]:
    """A controller whose workers the tests start, with what the launcher was given."""
    with crew.controller(
        launcher, name=controller_name, host="127.0.0.1", workers=2, seconds_launch=10 * SECONDS
    ) as controller:
        yield controller


@pytest.fixture
def start() -> Iterator[Worker]:
    """Starts a worker with the command line and the environment of a launch, or other ones."""
    started: list[subprocess.Popen[str]] = []

    def start(
        launch: WorkerLaunch, env: Mapping[str, str] | None = None, grace: int = SECONDS
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*launch.argv, "--grace", str(grace)],
            env={**os.environ, **launch.env, **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def launches(controller: crew.Controller, launcher: FakeLauncher) -> list[WorkerLaunch]:
    """Two launches that nobody has used yet."""
    controller.launch(2)
    return [worker for request in launcher.requests for worker in request.workers]


def test_a_worker_needs_no_more_than_its_launch(
    controller: crew.Controller, launcher: FakeLauncher, start: Worker
) -> None:
    first, _ = launches(controller, launcher)
    start(first)
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3


def test_a_certificate_without_the_secret_is_refused(
    controller: crew.Controller, launcher: FakeLauncher, start: Worker
) -> None:
    first, _ = launches(controller, launcher)
    process = start(first, {"CREW_SECRET": "guessed"})
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == REFUSED
    assert "its secret is wrong" in told


def test_a_secret_without_the_certificate_is_refused(
    controller: crew.Controller,
    launcher: FakeLauncher,
    start: Worker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = launches(controller, launcher)
    process = start(first, {"CREW_TLS": second.env["CREW_TLS"]}, IN_VAIN_SECONDS)
    process.communicate(timeout=SECONDS)
    assert process.returncode == NO_DISPATCHER
    crew.retry(lambda: f"the certificate of '{second.instance}' under another" in caplog.text)
    start(first)
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3


def test_a_launch_works_once(
    controller: crew.Controller, launcher: FakeLauncher, start: Worker
) -> None:
    first, _ = launches(controller, launcher)
    start(first)
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
    again = start(first)
    _, told = again.communicate(timeout=SECONDS)
    assert again.returncode == REFUSED
    assert "already used" in told
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3


def test_another_controllers_worker_does_not_get_in(
    controller: crew.Controller, launcher: FakeLauncher, start: Worker, controller_name: str
) -> None:
    first, _ = launches(controller, launcher)
    other = FakeLauncher(FakeLauncher.Options())
    with crew.controller(other, name=f"{controller_name}-other", host="127.0.0.1") as stranger:
        foreign, *_ = launches(stranger, other)
    process = start(first, {"CREW_TLS": foreign.env["CREW_TLS"]}, IN_VAIN_SECONDS)
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == NO_DISPATCHER
    assert "certificate" in told.lower()  # it does not trust this dispatcher, either


def test_a_worker_without_its_certificate_says_so(
    controller: crew.Controller, launcher: FakeLauncher, start: Worker
) -> None:
    first, _ = launches(controller, launcher)
    process = start(first, {"CREW_TLS": ""})
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert "CREW_TLS is not set" in told


def test_what_a_launcher_is_given_shows_no_secret(
    controller: crew.Controller, launcher: FakeLauncher
) -> None:
    for launch in launches(controller, launcher):
        assert set(launch.env) >= {"CREW_SECRET", "CREW_TLS"}
        shown = repr(launch) + json.dumps(launch.argv) + launch.name
        assert launch.env["CREW_SECRET"] not in shown
        assert launch.env["CREW_TLS"] not in shown


class Elsewhere(LocalLauncher):
    """Starts its workers on this computer, but does not say so."""

    local: ClassVar[bool] = False


def test_workers_of_a_launcher_that_is_not_local_come_over_tls_unasked(
    controller_name: str,
) -> None:
    with crew.controller(Elsewhere(), name=controller_name) as controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
        assert controller.client.url.startswith("tls+tcp://")


# ── Modes of TLS ────────────────────────────────────────────────────────────────────────────────


def make_controller(name: str, **options: Any) -> crew.Controller:
    return crew.controller("local", name=name, host="127.0.0.1", **options)


@pytest.mark.parametrize("password", [None, "of the key"])
def test_a_certificate_of_ones_own_serves(
    controller_name: str,
    make_certificate: Callable[..., tuple[Path, Path]],
    password: str | None,
) -> None:
    key, certificate = make_certificate(password=password)
    tls = crew.TlsOptions(mode="custom", key=key, certificates=certificate, password=password)
    with make_controller(controller_name, tls=tls) as controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3


def test_without_tls_tasks_run_and_a_warning_is_given(controller_name: str) -> None:
    with pytest.warns(crew.InsecureWarning, match="run code as you"):
        controller = make_controller(controller_name, tls="none")
    with controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
        assert controller.client.url.startswith("tcp://127.0.0.1:")


# ── Hosts ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["lo", lambda: "127.0.0.1"], ids=["interface", "function"])
def test_a_host_is_an_interface_or_what_a_function_returns(
    controller_name: str, host: str | Callable[[], str]
) -> None:
    with crew.controller("local", name=controller_name, host=host) as controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
        assert "//127.0.0.1:" in controller.client.url


def test_workers_try_one_advertised_host_after_the_other(controller_name: str) -> None:
    # Nobody listens on the first two: one is refused at once, one never answers.
    hosts = ["127.0.0.9", "192.0.2.1", "127.0.0.1"]
    with make_controller(controller_name, host_advertised=hosts) as controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
        assert controller.client.url.count(",") == 2


def test_all_interfaces_mean_that_workers_are_told_of_each(controller_name: str) -> None:
    with crew.controller("local", name=controller_name, host="0.0.0.0") as controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
        assert "0.0.0.0" not in controller.client.url


def test_a_function_that_returns_no_host_is_named(controller_name: str) -> None:
    controller = crew.controller("local", name=controller_name, host=lambda: "")
    with pytest.raises(crew.ConfigError, match=r"host: the function .* returned ''"):
        controller.start()
