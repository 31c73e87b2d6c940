"""How long a task takes through crew-ssh's tunnel, beside a bare forward: `nox -s bench_tunnels`.

A host of SSH comes up in a testbed. Three controllers have a worker there at the same time: one
comes back directly, one through a forward that OpenSSH's own client makes, one through crew's
tunnel. They are measured by turns.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import crew_core as crew
from benchmarks.environments import ROOT
from testbeds.places import free_ports
from testbeds.ssh import SshBed, SshBedOptions

PUBLISHED = ROOT / "docs" / "benchmarks" / "tunnels.md"

MOST_TIMES = 3.0
"""So many times the bare forward's round trip the tunnel's may take."""

WAYS = ("direct", "forward", "tunnel")

_HERE = "127.0.0.9"  # an address of the loopback that the forward does not listen on
_LOOPBACK = "127.0.0.1"
_SECONDS = 120.0
_TASKS = 50
_BYTES = 8 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write what came of it; 1 when the tunnel is too slow."""
    parser = argparse.ArgumentParser(prog="nox -s bench_tunnels --", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    options = parser.parse_args(arguments)
    bed = SshBed(SshBedOptions(count=1), "bench")
    missing = bed.lacks()
    if missing is not None:
        print(f"NOT MEASURED, it needs {missing}")
        return 0
    bed.up(while_we_live=True)
    try:
        trips, loads = measure(bed, options.rounds)
    finally:
        bed.down()
    options.out.write_text(page(trips, loads, options.rounds), encoding="utf-8")
    times = _median(trips["tunnel"]) / _median(trips["forward"])
    print(f"tunnel: {times:.2f} times the bare forward's round trip; {MOST_TIMES:g} are allowed")
    return 0 if times <= MOST_TIMES else 1


def measure(bed: SshBed, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of a round trip of a small task and of a large one, by way."""
    trips: dict[str, list[float]] = {way: [] for way in WAYS}
    loads: dict[str, list[float]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        controllers = {way: stack.enter_context(controller(bed, way)) for way in WAYS}
        load = random.Random(0).randbytes(_BYTES)
        for each in controllers.values():
            each.submit(len, load).result(_SECONDS)
        for number in range(rounds):
            for way in random.Random(number).sample(WAYS, len(WAYS)):
                trips[way].append(_trip(controllers[way]))
                loads[way].append(_load(controllers[way], load))
    return trips, loads


@contextmanager
def controller(bed: SshBed, way: str) -> Iterator[crew.Controller]:
    """One whose worker comes back this way."""
    with ExitStack() as stack:
        port = free_ports(1)[0]
        more: dict[str, Any] = {"tunnel": way == "tunnel"}
        if way != "tunnel":
            more |= {"host": _HERE, "port": port}
        if way == "forward":
            more["host_advertised"] = _LOOPBACK
            stack.enter_context(_forward(bed, port))
        path = os.environ.get("PYTHONPATH")
        made = crew.controller(
            "ssh",
            hosts=("h1",),
            slots=1,
            python=sys.executable,
            ssh_config=str(bed.ssh_config),
            run_directory=bed.run_directory,
            env={"PYTHONPATH": path} if path else {},
            **more,
        )
        yield stack.enter_context(made)


@contextmanager
def _forward(bed: SshBed, port: int) -> Iterator[None]:
    """OpenSSH's own reverse forward of a port."""
    argv = ["ssh", "-F", str(bed.ssh_config), "-N", "-o", "ExitOnForwardFailure=yes"]
    argv += ["-R", f"{_LOOPBACK}:{port}:{_HERE}:{port}", "h1"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as held:
        try:
            yield
        finally:
            held.terminate()


def _trip(one: crew.Controller) -> float:
    began = time.perf_counter()
    for _ in range(_TASKS):
        one.submit(abs, -1).result(_SECONDS)
    return (time.perf_counter() - began) / _TASKS


def _load(one: crew.Controller, load: bytes) -> float:
    began = time.perf_counter()
    one.submit(bytes, load).result(_SECONDS)
    return time.perf_counter() - began


# ── What came of it ────────────────────────────────────────────────────────────────────────────


def page(trips: dict[str, list[float]], loads: dict[str, list[float]], rounds: int) -> str:
    """The published page. Pure but for what it says of this Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    lines = [
        "# Time through tunnels",
        "",
        "Written by `nox -s bench_tunnels`. One host of SSH on the loopback, in a",
        "[testbed](../../testbeds/README.md), with a worker for each way back to the controller:",
        "directly, through a reverse forward of OpenSSH's own client, through crew-ssh's tunnel.",
        f"By turns; Python {version}, {os.cpu_count()} cores, medians of {rounds} rounds; in",
        "brackets times the bare forward's.",
        "",
        "| way | a small task, there and back | 8 MiB there and back |",
        "| --- | --- | --- |",
    ]
    for way in WAYS:
        trip, load = _median(trips[way]), _median(loads[way])
        lines.append(
            f"| {way} | {1000 * trip:.2f} ms ({trip / _median(trips['forward']):.2f}) | "
            f"{1000 * load:.0f} ms ({load / _median(loads['forward']):.2f}) |"
        )
    lines += ["", f"The tunnel's round trip may take {MOST_TIMES:g} times the bare forward's.", ""]
    return "\n".join(lines)


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    sys.exit(main())
