"""The profiles of sites that are shown as examples can be submitted as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from scripted.shell import complaints

PROFILES = Path(__file__).parents[3] / "examples" / "clusters" / "crew.toml"

pytestmark = pytest.mark.skipif(not PROFILES.is_file(), reason="only in a clone")


def names() -> list[str]:
    """Those in the file; a text search, as the oldest Python reads no TOML by itself."""
    text = PROFILES.read_text(encoding="utf-8") if PROFILES.is_file() else ""
    return re.findall(r"(?m)^\[controllers\.(\w+)\]$", text)


@pytest.mark.parametrize("name", names())
def test_bash_accepts_its_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREW_CONFIG", str(PROFILES))
    launcher: Any = crew.controller(name).launcher
    script = launcher.script(3)
    assert complaints(script) == ""
    assert f"#!{launcher.options.shell}" in script
