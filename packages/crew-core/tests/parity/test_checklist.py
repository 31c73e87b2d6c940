"""The checklist in README.md: every test that it names exists, and it leaves none of ours out."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
ROOT = HERE.parents[3]

NAMED = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)|^    (?:async )?def (test_\w+)", re.MULTILINE)


def file_of(name: str) -> Path:
    """A file beside the checklist, below the tests of crew-core, or below the repository."""
    places = [HERE / name, TESTS / name, ROOT / name]
    return next((place for place in places if place.is_file()), places[0])


def defined_in(file: Path) -> set[str]:
    return {first or second for first, second in DEFINED.findall(file.read_text("utf-8"))}


def named() -> list[tuple[str, str]]:
    return NAMED.findall((HERE / "README.md").read_text("utf-8"))


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{name}::{test}" if test else name
        for name, test in named()
        if not file_of(name).is_file() or (test and test not in defined_in(file_of(name)))
    ]
    assert named()
    assert missing == []


def test_every_test_here_is_named() -> None:
    listed = {test for name, test in named() if (HERE / name).is_file()}
    ours = {test for file in HERE.glob("test_*.py") for test in defined_in(file)}
    assert sorted(ours - listed - defined_in(Path(__file__))) == []
