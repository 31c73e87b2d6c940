"""``crew bench``: measures in some seconds what tasks cost with a launcher, from here."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import click

from crew_core._cli.names import complete_controllers, make_controller
from crew_core._cli.tables import as_json, show

if TYPE_CHECKING:
    from crew_core._controller.controller import Controller

_ROUND_TRIPS = 200
_TASKS = 5_000
_MEGABYTES = 32


@click.command()
@click.argument("name", default="local", shell_complete=complete_controllers)
@click.option("--workers", type=click.IntRange(min=1), default=2, help="How many to launch.")
@as_json
def bench(name: str, workers: int, as_json: bool) -> None:
    """Measure what tasks cost with NAME.

    That is the first one, a round trip, many, and large ones.

    NAME is a controller of the configuration, with its options, or a launcher. Takes some seconds
    once workers have come. How crew compares with its peers is in the documentation.
    """
    with make_controller(name, workers=workers) as controller:
        rows = _measure(controller, workers)
    show(rows, ("measure", "value", "unit"), as_json=as_json)


def _measure(controller: Controller, workers: int) -> list[dict[str, Any]]:
    begin = time.perf_counter()
    controller.submit(int).result()
    first = time.perf_counter() - begin
    controller.map(_nothing, {"x": range(100 * workers)}, progress=False)  # all have come
    trips = [_seconds(controller, int) for _ in range(_ROUND_TRIPS)]
    begin = time.perf_counter()
    controller.map(_nothing, {"x": range(_TASKS)}, progress=False)
    rate = _TASKS / (time.perf_counter() - begin)
    load = bytes(_MEGABYTES << 20)
    loaded = min(_seconds(controller, len, load) for _ in range(3))
    return [
        _row("from nothing to the first result", round(first, 3), "s"),
        _row("round trip of one task, median", round(statistics.median(trips) * 1e6), "us"),
        _row("tasks that do nothing", round(rate), "tasks/s"),
        _row(f"{_MEGABYTES} MiB to a worker", round(_MEGABYTES / loaded), "MiB/s"),
    ]


def _seconds(controller: Controller, *call: Any) -> float:
    begin = time.perf_counter()
    controller.submit(*call).result()
    return time.perf_counter() - begin


def _nothing(x: int) -> int:
    return x


def _row(measure: str, value: float, unit: str) -> dict[str, Any]:
    return {"measure": measure, "value": value, "unit": unit}
