"""The examples of what people call run as they stand."""

from __future__ import annotations

import doctest

import crew_core as crew
from crew_ssh._monitor import monitor


def test_examples_run() -> None:
    done = doctest.testmod(monitor, extraglobs={"crew": crew})
    assert done.attempted > 0
    assert done.failed == 0
