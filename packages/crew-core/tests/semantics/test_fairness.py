"""Tasks travel in batches, and yet no worker keeps what another could run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import crew_core as crew

SECONDS = 60
TEACHERS, BACKLOG = 300, 5000


def step(role: str, folder: str) -> float:
    """A quick task, or one that ends when its counterpart has begun; when that was."""
    if role in ("one", "other"):
        Path(folder, role).touch()
        end = time.monotonic() + SECONDS
        while not met(folder):
            if time.monotonic() > end:
                raise TimeoutError(f"{role} is alone")
            time.sleep(0.01)
    elif not met(folder):
        time.sleep(0.001)
    return time.monotonic()


def met(folder: str) -> bool:
    return Path(folder, "one").exists() and Path(folder, "other").exists()


def test_two_that_wait_for_each_other_in_a_batch_of_quick_ones_meet_at_once(
    make: Callable[..., crew.Controller], tmp_path: Path
) -> None:
    roles = ["quick"] * TEACHERS + ["one", "other"] + ["quick"] * BACKLOG
    controller = make(workers=2)
    ended = controller.map(step, {"role": roles}, data={"folder": str(tmp_path)})["result"]
    pair, backlog = ended[TEACHERS : TEACHERS + 2], ended[TEACHERS + 2 :]
    assert max(pair) < max(backlog)


def test_two_that_wait_for_each_other_at_the_very_end_meet(
    make: Callable[..., crew.Controller], tmp_path: Path
) -> None:
    roles = ["quick"] * TEACHERS + ["one", "other"]
    controller = make(workers=2)
    controller.map(step, {"role": roles}, data={"folder": str(tmp_path)})
    assert met(str(tmp_path))
