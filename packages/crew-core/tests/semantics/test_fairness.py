"""Tasks travel in batches, and yet no worker keeps what another could run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import crew_core as crew

SECONDS = 60
TEACHERS, BACKLOG = 300, 10_000


def step(role: str, folder: str) -> bool:
    """A quick task, or one that ends when its counterpart has begun. Had they met before?"""
    before = met(folder)
    if role in ("one", "other"):
        Path(folder, role).touch()
        end = time.monotonic() + SECONDS
        while not met(folder):
            if time.monotonic() > end:
                raise TimeoutError(f"{role} is alone")
            time.sleep(0.01)
    elif not before:
        time.sleep(0.001)  # the backlog is long as long as they have not met, and soon done then
    return before


def met(folder: str) -> bool:
    return Path(folder, "one").exists() and Path(folder, "other").exists()


def test_two_that_wait_for_each_other_in_a_batch_of_quick_ones_meet_at_once(
    make: Callable[..., crew.Controller], tmp_path: Path
) -> None:
    roles = ["quick"] * TEACHERS + ["one", "other"] + ["quick"] * BACKLOG
    controller = make(workers=2)
    saw_them = controller.map(step, {"role": roles}, data={"folder": str(tmp_path)})["result"]
    assert any(saw_them[TEACHERS + 2 :])  # or they met only when all else was done


def test_two_that_wait_for_each_other_at_the_very_end_meet(
    make: Callable[..., crew.Controller], tmp_path: Path
) -> None:
    roles = ["quick"] * TEACHERS + ["one", "other"]
    controller = make(workers=2)
    controller.map(step, {"role": roles}, data={"folder": str(tmp_path)})
    assert met(str(tmp_path))
