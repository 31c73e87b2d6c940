"""Checks that crew-aws-batch registers its launchers."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from crew_core.plugins import Launcher

LAUNCHERS = {
    "aws_batch": "crew_aws_batch._launcher.launcher:AwsBatchLauncher",
}


def launcher_class(target: str) -> type[Launcher]:
    module, _, name = target.partition(":")
    found: type[Launcher] = getattr(import_module(module), name)
    assert issubclass(found, Launcher)
    return found


def test_entry_point_is_found() -> None:
    (entry,) = entry_points(group="crew", name="aws_batch")
    assert entry.value == "crew_aws_batch._plugin"
    assert entry.load().crew_launchers() == LAUNCHERS


def test_naming_launchers_imports_none_of_them() -> None:
    listing = "import sys, crew_aws_batch._plugin; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", listing], check=True, capture_output=True, text=True
    ).stdout.split()
    targets = {target.partition(":")[0] for target in LAUNCHERS.values()}
    assert not {*targets, "boto3", "paramiko"} & set(modules)


@pytest.mark.parametrize("name", sorted(LAUNCHERS))
def test_launch_time_limit_is_the_platforms(name: str) -> None:
    assert launcher_class(LAUNCHERS[name]).seconds_launch_default == 1800
