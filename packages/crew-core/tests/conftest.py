"""Fixtures that several test files share: distributions, processes, folders of one's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from crew_core._plugins.discovery import DISABLE_VARIABLE
from crew_core._plugins.registry import fresh

Spawn = Callable[..., "subprocess.Popen[bytes]"]
Install = Callable[..., Path]

SLEEPER = "print(flush=True); import time; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a Python that prints a line when it is ready; its end comes with the test's."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(
        *argv: str, stubborn: bool = False, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN if stubborn else SLEEPER, *argv],
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield spawn
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not psutil.pid_exists(process.pid)
    return process.pid


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private $XDG_RUNTIME_DIR with a short path."""
    base = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    return base


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages that are installed for this test only."""
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    fresh()
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and name.startswith("plugin_"):
            del sys.modules[name]
    monkeypatch.undo()
    fresh()


@pytest.fixture
def install(site: Path) -> Install:
    """Install a distribution: its entry points of group "crew" and its modules."""

    def install(
        package: str,
        entry_points: Mapping[str, str],
        modules: Mapping[str, str],
        version: str = "1.0",
    ) -> Path:
        info = site / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        lines = [f"{name} = {target}" for name, target in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[crew]", *lines, ""]))
        for name, text in modules.items():
            (site / f"{name}.py").write_text(textwrap.dedent(text))
        fresh()
        return site

    return install


def launchers_hook(names: Mapping[str, str]) -> str:
    """A plugin's module that registers these launchers."""
    return (
        "from crew_core.plugins import hookimpl\n\n"
        f"@hookimpl\ndef crew_launchers():\n    return {dict(names)!r}\n"
    )


@pytest.fixture
def registering() -> Callable[[Mapping[str, str]], str]:
    """Writes a plugin's module that registers launchers."""
    return launchers_hook


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, two levels below a folder that tests may fill too."""
    folder = tmp_path / "work" / "project"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CREW_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder
