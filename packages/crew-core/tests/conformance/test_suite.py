"""The suite is whole: every check says what it is for, and has a broken launcher that fails it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from crew_core.testing import LauncherConformance
from crew_core.testing.conformance.base import Checks
from crew_core.testing.conformance.platforms import PlatformChecks

GROUPS = [PlatformChecks, *(k for k in LauncherConformance.__bases__ if issubclass(k, Checks))]
CHECKS = {
    name: getattr(kind, name) for kind in GROUPS for name in vars(kind) if name.startswith("test_")
}


def test_no_check_hides_another() -> None:
    names = [name for kind in GROUPS for name in vars(kind) if name.startswith("test_")]
    assert len(names) == len(set(names)) > 100


@pytest.mark.parametrize("name", CHECKS)
def test_check_says_what_a_launcher_must_do(name: str) -> None:
    doc = inspect.getdoc(CHECKS[name])
    assert doc is not None
    assert doc.startswith("A launcher")
    assert doc.endswith(".")


@pytest.mark.parametrize("kind", GROUPS, ids=lambda kind: kind.__name__)
def test_each_group_has_its_file_of_broken_launchers(kind: type) -> None:
    file = Path(__file__).with_name(f"test_broken_{kind.__module__.rpartition('.')[2]}.py")
    # It is parametrised by the checks of the group, so that none is without a launcher.
    assert f"checks_of({kind.__name__})" in file.read_text()
