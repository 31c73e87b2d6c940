"""How fast crew-rush's stores are: ``nox -s bench_rush``.

Four loops without work make and finish tasks of their own, then take them from the queue; a manager
fetches many finished tasks, at first and again. On Redis, its own benchmark stands beside: what
the server can do with commands as small as these, by as many clients.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import crew_rush

LOOPS = 4
PUBLISHED = Path(__file__).parents[1] / "docs" / "benchmarks" / "rush.md"
_SERVERS = ("redis-server", "valkey-server")
_BENCHMARKS = ("redis-benchmark", "valkey-benchmark")

Where = crew_rush.EmbeddedStore | str


class Figures(NamedTuple):
    """What was measured of a store: tasks per second, and seconds of fetches."""

    own: float
    queued: float
    first: float
    nothing: float
    some: float


def own_tasks(rush: crew_rush.RushWorker, count: int) -> None:
    """Make and finish tasks one by one, without work."""
    for number in range(count):
        keys = rush.push_running_tasks([{"x": number}])
        rush.finish_tasks(keys, [{"y": number}])


def queued_tasks(rush: crew_rush.RushWorker) -> None:
    """Take and finish tasks until there is none."""
    while (task := rush.pop_task(timeout=0.5)) is not None:
        rush.finish_tasks([task.key], [{"y": task.xs["x"]}])


def rate(
    where: Where, loop: Callable[..., None], arguments: dict[str, int], count: int, queued: int = 0
) -> float:
    """Tasks per second, from the tenth part to the last, so that starts do not count."""
    with contextlib.closing(crew_rush.Rush(store=where)) as rush:
        rush.push_tasks([{"x": number} for number in range(queued)])
        rush.start_local_workers(loop, arguments, n_workers=LOOPS)
        marks: list[tuple[float, int]] = []
        while not marks or marks[-1][1] < count:
            time.sleep(0.02)
            done = rush.n_finished_tasks
            if done >= count // 10:
                marks.append((time.perf_counter(), done))
        (began, first), (ended, last) = marks[0], marks[-1]
        rush.reset()
    return (last - first) / (ended - began)


def fetches(where: Where, count: int) -> tuple[float, float, float]:
    """Seconds of the first fetch of so many, of one that brings nothing, of one that brings 100."""
    with contextlib.closing(crew_rush.Rush(store=where)) as rush:
        for start in range(0, count, 10_000):
            points = [{"x": number} for number in range(start, min(start + 10_000, count))]
            rush.push_finished_tasks(points, [{"y": -point["x"]} for point in points])
        seconds = [timed(rush.fetch_finished_tasks), timed(rush.fetch_finished_tasks)]
        rush.push_finished_tasks([{"x": 0}] * 100, [{"y": 0}] * 100)
        seconds.append(timed(rush.fetch_finished_tasks))
        assert len(rush.fetch_finished_tasks()) == rush.n_finished_tasks == count + 100
        rush.reset()
    return seconds[0], seconds[1], seconds[2]


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


@contextmanager
def redis_server() -> Iterator[int | None]:
    """The port of a server of our own, with its default settings; None: there is no Redis."""
    server = next((path for name in _SERVERS if (path := shutil.which(name))), None)
    if server is None:
        yield None
        return
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = int(door.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        argv = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        try:
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait()


def server_limits(port: int, count: int) -> dict[str, float]:
    """Commands per second by as many clients as there are loops, as Redis's benchmark says."""
    tool = next((path for name in _BENCHMARKS if (path := shutil.which(name))), None)
    if tool is None:
        return {}
    argv = [tool, "-p", str(port), "-c", str(LOOPS), "-n", str(count), "--csv", "-t", "hset,rpush"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return {row["test"]: float(row["rps"]) for row in csv.DictReader(io.StringIO(told))}


def measure(where: Where, tasks: int, rows: int) -> Figures:
    """Measure one store."""
    own = rate(where, own_tasks, {"count": tasks // LOOPS}, tasks // LOOPS * LOOPS)
    queued = rate(where, queued_tasks, {}, tasks, queued=tasks)
    return Figures(own, queued, *fetches(where, rows))


def main() -> int:
    """Measure every store that can be had here; publish what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    found: dict[str, Figures] = {}
    with crew_rush.EmbeddedStore() as store:
        found["in memory"] = measure(store, options.tasks, options.rows)
    with (
        tempfile.TemporaryDirectory() as folder,
        crew_rush.EmbeddedStore(Path(folder, "store")) as store,
    ):
        found["on disk"] = measure(store, options.tasks, options.rows)
    with redis_server() as port:
        if port is None:
            print("no Redis here: nothing is published", file=sys.stderr)
            return 1
        found["Redis"] = measure(f"redis://127.0.0.1:{port}/0", options.tasks, options.rows)
        limits = server_limits(port, options.tasks)
    text = page(found, limits, options.rows)
    print(text)
    PUBLISHED.write_text(text, encoding="utf-8")
    return 0


def page(found: dict[str, Figures], limits: dict[str, float], rows: int) -> str:
    """What is published."""
    about = f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, one run"
    lines = [
        "# Time of loops that share tasks",
        "",
        f"Written by `nox -s bench_rush`. {LOOPS} loops without work; {about}.",
        "*Own* tasks are begun and finished by their loop, *queued* ones are taken from the queue",
        "and finished: tasks per second. Then the seconds of a manager's first fetch of",
        f"{rows:,} finished tasks, and the milliseconds of one that brings nothing new, and of",
        "one that brings 100.",
        "",
        "| store | own | queued | first fetch | nothing new | 100 new |",
        "| --- | --- | --- | --- | --- | --- |",
        *(row(name, figures) for name, figures in found.items()),
        "",
        f"What Redis itself can do with commands by {LOOPS} clients, by its own benchmark:",
        ", ".join(f"{name} {many:,.0f}/s" for name, many in limits.items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def row(name: str, figures: Figures) -> str:
    """A line of the table."""
    rates = f"{figures.own:,.0f} | {figures.queued:,.0f} | {figures.first:.2f}"
    return f"| {name} | {rates} | {figures.nothing * 1000:.1f} | {figures.some * 1000:.1f} |"


if __name__ == "__main__":
    sys.exit(main())
