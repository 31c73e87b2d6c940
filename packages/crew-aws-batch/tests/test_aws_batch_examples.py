"""The examples of what people call run as they stand, without AWS."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

import crew_core as crew

MODULES = [
    "crew_aws_batch._definition.definition",
    "crew_aws_batch._launcher.doctor",
    "crew_aws_batch._launcher.launcher",
    "crew_aws_batch._monitor.monitor",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    done = doctest.testmod(import_module(name), extraglobs={"crew": crew})
    assert done.attempted > 0
    assert done.failed == 0
