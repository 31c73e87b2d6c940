"""The examples of what people call run as they stand."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

import crew_core as crew
from crew_cluster._cluster import launcher, monitor


@pytest.mark.parametrize("module", [launcher, monitor])
def test_examples_run(module: ModuleType) -> None:
    done = doctest.testmod(module, extraglobs={"crew": crew})
    assert done.attempted > 0
    assert done.failed == 0
