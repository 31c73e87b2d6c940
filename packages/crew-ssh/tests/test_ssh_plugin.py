"""Checks that crew-ssh registers what it brings, and is cheap to list."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from crew_core.plugins import CommandRunner, ConfigError, Launcher, Monitor
from crew_ssh._launcher.launcher import SshLauncher
from crew_ssh._options.options import SshOptions

LAUNCHERS = {"ssh": "crew_ssh._launcher.launcher:SshLauncher"}
MONITORS = {"ssh": "crew_ssh._monitor.monitor:SshMonitor"}
RUNNERS = {"ssh": "crew_ssh._via.runner:SshRunner"}


def found_class(target: str) -> type:
    module, _, name = target.partition(":")
    found: type = getattr(import_module(module), name)
    return found


def modules_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return set(told.stdout.split())


def test_entry_point_is_found() -> None:
    (entry,) = entry_points(group="crew", name="ssh")
    assert entry.value == "crew_ssh._plugin"
    assert entry.load().crew_launchers() == LAUNCHERS
    assert entry.load().crew_monitors() == MONITORS
    assert entry.load().crew_runners() == RUNNERS
    assert issubclass(found_class(LAUNCHERS["ssh"]), Launcher)
    assert issubclass(found_class(MONITORS["ssh"]), Monitor)
    assert issubclass(found_class(RUNNERS["ssh"]), CommandRunner)


def test_naming_the_launcher_imports_neither_it_nor_paramiko() -> None:
    assert not {"crew_ssh._launcher.launcher", "paramiko"} & modules_after(
        "import crew_ssh._plugin"
    )


def test_the_users_own_process_never_imports_paramiko() -> None:
    assert "paramiko" not in modules_after("import crew_ssh._launcher.launcher")
    assert "paramiko" not in modules_after("import crew_ssh._monitor.monitor")
    assert "paramiko" not in modules_after("import crew_ssh._via.runner")


def test_a_launcher_needs_hosts() -> None:
    with pytest.raises(ConfigError, match=r"hosts=\[\].*name the hosts"):
        SshLauncher(SshOptions())
