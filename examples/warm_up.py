"""Warm up workers: each loads a model once, and every task finds it there.

Run it with `python examples/warm_up.py` where crew-core is installed. The "model" is a table that
takes a second to load; a task that brings its worker's process down shows that the next one is
warm again before it gets a task.
"""

from __future__ import annotations

import os
import time
from typing import Any

import crew_core as crew

model: Any = None


def load_model(size: int) -> str:
    """Take a while, as loading a model does, and leave it in a global name."""
    global model  # noqa: PLW0603 - this is how a warm-up leaves something
    time.sleep(1)
    model = {"squares": [n * n for n in range(size)], "process": os.getpid()}
    return f"loaded in process {os.getpid()}"


def predict(number: int) -> int:
    """Use what the warm-up of this process left."""
    assert model["process"] == os.getpid()
    return int(model["squares"][number])


def bring_down() -> None:
    """End the process at once, as a segmentation fault would."""
    os._exit(1)


def main() -> None:
    """Predict, crash, predict again."""
    with crew.controller("local", workers=2, crashes_max=1) as controller:
        warm_up = controller.everywhere(load_model, (1000,), name="load the model")
        start = time.monotonic()
        table = controller.map(predict, iterate={"number": range(500)})
        print(f"{len(table)} predictions in {time.monotonic() - start:.1f} s, loading included")
        print(f"sum: {table['result'].sum()}")

        print(f"a task that crashes: {controller.push(bring_down).exception()}")
        print(f"the next prediction: {controller.push(predict, (30,)).result()}")
        for record in warm_up.results.values():
            print(f"worker {record.worker}: {record.result}")


if __name__ == "__main__":
    main()
