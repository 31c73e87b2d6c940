from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from crew_core._plugins.presence import DISABLE_VARIABLE, may_have_plugins


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place for packages: one of which has entry points, but none of crew's."""
    monkeypatch.delenv(DISABLE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "meta_path", [*_plain_finders()])
    site = tmp_path / "site"
    monkeypatch.setattr(sys, "path", [str(site), str(tmp_path / "missing")])
    declare(site, "other-1.0.dist-info", "[console_scripts]\ncrew = other:main\n")
    (site / "old-1.0.egg-info").write_text("a file, not a folder")
    return site


def _plain_finders() -> list[object]:
    return [f for f in sys.meta_path if getattr(f, "__module__", "").startswith("_frozen")]


def declare(site: Path, folder: str, text: str) -> None:
    (site / folder).mkdir(parents=True)
    (site / folder / "entry_points.txt").write_text(text)


def test_no_plugin_is_looked_for_where_none_is_declared(site: Path) -> None:
    assert not may_have_plugins()


@pytest.mark.parametrize("folder", ["more-1.0.dist-info", "More-1.0.egg-info"])
def test_a_declared_plugin_is_looked_for(folder: str, site: Path) -> None:
    declare(site, folder, "[crew]\nmore = more.plugin\n")
    assert may_have_plugins()


def test_none_is_looked_for_when_all_are_disabled(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(site, "more-1.0.dist-info", "[crew]\nmore = more.plugin\n")
    monkeypatch.setenv(DISABLE_VARIABLE, "some, ALL")
    assert not may_have_plugins()
    monkeypatch.setenv(DISABLE_VARIABLE, "some")
    assert may_have_plugins()


def test_an_archive_may_hold_one(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = site / "packages.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("more-1.0.dist-info/entry_points.txt", "[crew]\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(archive)])
    assert may_have_plugins()


def test_a_finder_of_somebody_elses_may_know_one(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        def find_distributions(self) -> None: ...

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert may_have_plugins()
