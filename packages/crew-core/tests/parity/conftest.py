"""What the specifications share: run one task from the push to the pop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew

Run = Callable[..., crew.Record]


def finished(controller: crew.Controller, *args: Any, **options: Any) -> crew.Record:
    """Push one task to an empty controller, wait, and pop its record."""
    controller.push(*args, **options)
    assert controller.wait(seconds_timeout=60)
    record = controller.pop()
    assert record is not None
    assert controller.pop() is None
    return record


@pytest.fixture
def run(controller: crew.Controller) -> Run:
    """Runs one task on the module's controller."""
    return lambda *args, **options: finished(controller, *args, **options)


@pytest.fixture
def run_on() -> Run:
    """Runs one task on the controller that comes first."""
    return finished
