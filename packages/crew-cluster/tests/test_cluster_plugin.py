"""Checks that crew-cluster registers its launchers without importing them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from crew_core.plugins import Launcher

LAUNCHERS = {
    "slurm": "crew_cluster._slurm.launcher:SlurmLauncher",
    "sge": "crew_cluster._sge.launcher:SgeLauncher",
    "lsf": "crew_cluster._lsf.launcher:LsfLauncher",
    "pbs": "crew_cluster._pbs.launcher:PbsLauncher",
    "torque": "crew_cluster._torque.launcher:TorqueLauncher",
}


def launcher_class(target: str) -> type[Launcher]:
    module, _, name = target.partition(":")
    found: type[Launcher] = getattr(import_module(module), name)
    assert issubclass(found, Launcher)
    return found


def test_entry_point_is_found() -> None:
    (entry,) = entry_points(group="crew", name="cluster")
    assert entry.value == "crew_cluster._plugin"
    assert entry.load().crew_launchers() == LAUNCHERS


def test_naming_launchers_imports_none_of_them() -> None:
    listing = "import sys, crew_cluster._plugin; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", listing], check=True, capture_output=True, text=True
    ).stdout.split()
    targets = {target.partition(":")[0] for target in LAUNCHERS.values()}
    assert not {*targets, "boto3", "paramiko"} & set(modules)


@pytest.mark.parametrize("name", sorted(LAUNCHERS))
def test_launch_time_limit_is_the_platforms(name: str) -> None:
    assert launcher_class(LAUNCHERS[name]).seconds_launch_default == 86400
