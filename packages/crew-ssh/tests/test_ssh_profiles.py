"""The profiles that are shown as examples are taken as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import crew_core as crew

PROFILES = Path(__file__).parents[3] / "examples" / "hosts" / "crew.toml"

pytestmark = pytest.mark.skipif(not PROFILES.is_file(), reason="only in a clone")


def names(launcher: str) -> list[str]:
    """Those of a launcher; a text search, as the oldest Python reads no TOML by itself."""
    text = PROFILES.read_text(encoding="utf-8") if PROFILES.is_file() else ""
    return re.findall(rf'(?m)^\[controllers\.(\w+)\]\nlauncher = "{launcher}"$', text)


@pytest.mark.parametrize("name", names("ssh"))
def test_a_controller_with_hosts_can_be_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREW_CONFIG", str(PROFILES))
    assert crew.controller(name).launcher.name == "ssh"


@pytest.mark.parametrize("name", names("slurm"))
def test_a_controller_by_way_of_a_login_node_can_be_made(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("crew_cluster", reason="NOT TESTED with crew-cluster: not installed")
    monkeypatch.setenv("CREW_CONFIG", str(PROFILES))
    launcher = crew.controller(name).launcher
    assert launcher.name == "slurm"
    assert launcher.host_default == ("127.0.0.1" if name == "cluster_modules" else None)
