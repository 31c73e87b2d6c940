from __future__ import annotations

import os
import sys

import pytest

from crew_core._launcher.command import worker_environment
from crew_core._worker.search_path import adopt_callers_path


@pytest.mark.parametrize(
    "path",
    [[], [""], ["/a", "/b c"], ["/line\nbreak", "/back\\slash", "/ü", "/not \udcff text", "/\\n"]],
)
def test_the_callers_search_path_arrives_whatever_is_in_it(
    path: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, value in worker_environment("secret", path).items():
        monkeypatch.setenv(name, value)
    assert adopt_callers_path()
    assert sys.path == path
    assert "CREW_SYS_PATH" not in os.environ
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_search_path_of_its_own_stays_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = [*sys.path]
    assert not adopt_callers_path()
    assert sys.path == before
