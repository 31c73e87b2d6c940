"""A release takes its changelog from the fragments, and its tag from the version."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    # scripts/ is no package, and should not become one for a test.
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a repository with one package."""
    package = tmp_path / "packages" / "crew-core"
    (package / "changelog.d").mkdir(parents=True)
    (package / "pyproject.toml").write_text('[project]\nname = "crew-core"\nversion = "0.1.0"\n')
    (package / "changelog.d" / "README.md").write_text("how to\n")
    (package / "changelog.d" / "doctor.added.md").write_text("`crew doctor`\nsays what fails.\n")
    (package / "changelog.d" / "logs.fixed.md").write_text("Logs end with a line.\n")
    module = load("release")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_a_release_takes_its_changes_from_fragments(release: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "packages" / "crew-core"
    assert release.release(package, "0.2.0", "2030-01-02") == "crew-core-v0.2.0"
    assert (package / "CHANGELOG.md").read_text() == (
        "# Changes of crew-core\n\n## 0.2.0 (2030-01-02)\n\n### Added\n\n"
        "- `crew doctor`\n  says what fails.\n\n### Fixed\n\n- Logs end with a line.\n"
    )
    assert 'version = "0.2.0"' in (package / "pyproject.toml").read_text()
    assert [path.name for path in (package / "changelog.d").iterdir()] == ["README.md"]
    assert release.check("crew-core-v0.2.0") == "package=crew-core\nversion=0.2.0"


def test_the_next_release_comes_before_the_last(release: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "packages" / "crew-core"
    release.release(package, "0.2.0", "2030-01-02")
    (package / "changelog.d" / "more.changed.md").write_text("More.\n")
    release.release(package, "0.3.0", "2030-02-02")
    text = (package / "CHANGELOG.md").read_text()
    assert text.index("## 0.3.0") < text.index("## 0.2.0")
    assert text.count("# Changes of crew-core") == 1


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("crew-core-v0.2.0", "has version 0.1.0"),
        ("crew-core-v0.1.0", "still has fragments"),
        ("crew-other-v0.1.0", "no package 'crew-other'"),
        ("v0.1.0", "no package"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused(release: ModuleType, tag: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        release.check(tag)


def test_a_fragment_of_an_unknown_kind_is_refused(release: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "packages" / "crew-core"
    (package / "changelog.d" / "odd.thing.md").write_text("?")
    with pytest.raises(SystemExit, match="must end with"):
        release.release(package, "0.2.0", "2030-01-02")


def test_every_lower_bound_is_tried() -> None:
    bounds = load("lowest").lowest(ROOT / "packages" / "crew-core" / "pyproject.toml")
    assert {"click", "pandas", "rich"} <= set(bounds)
    assert bounds["numpy"] == Version("1.26" if sys.version_info < (3, 13) else "2.1")
