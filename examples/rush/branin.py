"""Random search on the Branin function by workers that come, go, die and return, as in rush for R.

Run it: ``python examples/rush/branin.py``. It draws how the best value falls, and saves that as a
picture where matplotlib is installed and a file is named.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable

import pandas as pd

import crew_rush


def branin_search(rush: crew_rush.RushWorker) -> None:
    """Evaluate random points until told to end."""
    import math
    import random

    while not rush.terminated:
        x1, x2 = random.uniform(-5, 10), random.uniform(0, 15)
        keys = rush.push_running_tasks([{"x1": x1, "x2": x2}])
        bowl = x2 - 5.1 / (4 * math.pi**2) * x1**2 + 5 / math.pi * x1 - 6
        y = bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x1) + 10
        time.sleep(0.02)  # a real one takes longer
        rush.finish_tasks(keys, [{"y": y}])


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come about")
        time.sleep(0.05)


def show(rush: crew_rush.Rush, what: str) -> None:
    """Say what was done, and who runs now."""
    states = rush.worker_info["state"].value_counts().to_dict()
    print(f"{what}: {states}, {rush.n_finished_tasks} tasks finished")


def search(rush: crew_rush.Rush) -> pd.DataFrame:
    """The walk-through; all finished tasks."""
    first = rush.start_local_workers(branin_search, n_workers=4)
    rush.wait_for_workers(worker_ids=first)
    show(rush, "four workers")

    rush.wait_for_workers(worker_ids=rush.start_local_workers(branin_search, n_workers=2))
    until(lambda: rush.n_finished_tasks >= 50)
    show(rush, "two more")

    rush.stop_workers("terminate", first[:1])
    until(lambda: first[0] not in rush.running_worker_ids)
    show(rush, "one asked to end")

    pids = dict(zip(rush.worker_info["worker_id"], rush.worker_info["pid"], strict=True))
    os.kill(pids[first[1]], signal.SIGKILL)
    until(lambda: first[1] in rush.detect_lost_workers())
    show(rush, "one killed, and found lost")

    rush.restart_workers(first[1:2])
    until(lambda: first[1] in rush.running_worker_ids)
    show(rush, "the same one again")

    until(lambda: rush.n_finished_tasks >= 200)
    rush.stop_workers()
    until(lambda: not rush.running_worker_ids)
    show(rush, "all asked to end")
    return rush.fetch_finished_tasks()


def draw(best: pd.Series[float], rows: int = 12, columns: int = 70) -> str:
    """The best value so far, as a picture of characters, on a scale of powers of ten."""
    values = [math.log10(best.iloc[i * (len(best) - 1) // (columns - 1)]) for i in range(columns)]
    top, bottom = max(values), min(values)
    heights = [round((value - bottom) / ((top - bottom) or 1) * (rows - 1)) for value in values]
    lines = ["".join("*" if h == row else " " for h in heights) for row in reversed(range(rows))]
    scale = f"best so far: {best.iloc[0]:.3g} at first, {best.iloc[-1]:.3g} in the end"
    return "\n".join([*lines, "-" * columns, scale])


def save(best: pd.Series[float], path: str) -> None:
    """The same as a picture in a file."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.step(range(1, len(best) + 1), best, where="post")
    axes.set(xlabel="finished tasks", ylabel="best value so far", title="Branin", yscale="log")
    figure.savefig(path)


def main(arguments: list[str]) -> None:
    """Search, and draw."""
    with crew_rush.Rush("branin") as rush:
        best = search(rush)["y"].cummin()
    print(draw(best))
    if arguments:
        save(best, arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
