"""What all tests of wires share: room for segments, however full this machine's disk is."""

from __future__ import annotations

import pytest

from crew_core._wire.segments import store

PLENTY = 1 << 40


@pytest.fixture(autouse=True)
def room_for_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are written to files of a test here, on a disk that others fill."""
    monkeypatch.setattr(store, "_memory", lambda _directory: (PLENTY, PLENTY))
