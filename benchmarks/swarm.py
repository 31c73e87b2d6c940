"""Thousands of workers on one dispatcher: how fast tasks pass, and what a worker costs it.

Run it by its path: ``python benchmarks/swarm.py``. The dispatcher is a real one, in a process of
its own. The workers speak the real protocol over real sockets and run nothing: all of them live in
one other process, which answers each order at once. The same tasks go through two of them as well,
in turns, as a measure of what is lost to their number. Prints one line of JSON; ends by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crew_core._client.client import PYTHON, Client
from crew_core._wire import codec, messages
from crew_core._wire.link import FRAME_LIMIT, Link, is_opening, read_opening
from crew_core._wire.local import SCHEME
from crew_core._wire.peer import Peer

SECONDS = 120
"""Nothing here takes longer: a round that does is ended and fails."""

SECRET = "swarm"
COMMAND = messages.Blob(b"no-op", codec.encode(messages.Command(text="None")))
SPARE_FILES = 200
TASK_SECONDS = 5e-6  # what a no-op takes


# ── The workers ─────────────────────────────────────────────────────────────────────────────────


class Worker:
    """One that finishes whatever it is given at once."""

    def __init__(self, number: int, path: str) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        self.peer = Peer(connection, FRAME_LIMIT)
        self.link = Link()
        hello = messages.Hello(
            messages.PROTOCOL, f"w{number}", SECRET, "life", os.getpid(), "here", PYTHON
        )
        self.peer.send(self.link.opening(codec.encode(hello)))

    def listen(self) -> int:
        """Read and answer. How often it was welcomed."""
        welcomes = 0
        self.peer.flush()
        for frame in self.peer.read():
            if is_opening(frame):
                acknowledged, _ = read_opening(frame)
                self.link.restart(acknowledged)
                welcomes += 1
                continue
            for payload in self.link.accept(frame):
                self._obey(messages.decode_to_worker(payload))
        while self.peer.has_room and (answer := self.link.next_frame()) is not None:
            self.peer.send(answer)
        return welcomes

    def _obey(self, order: messages.ToWorker) -> None:
        if isinstance(order, messages.Work):
            ids = [number for batch in order.batches for number in batch.ids]
            count = len(ids)
            done = messages.Outcomes(ids, [0] * count, [TASK_SECONDS] * count, [DETAIL] * count)
            self.link.post(codec.encode(done))
        elif isinstance(order, messages.Recall):
            self.link.post(codec.encode(messages.Returned([])))
        elif isinstance(order, messages.Leave):
            self.peer.over = "told to leave"


DETAIL = codec.encode(messages.OutcomeDetail(b"value", pid=1, started_at=0.0, rss_peak=1))


def be_workers(path: str, count: int) -> None:
    """Connect so many workers, say so, and serve until the dispatcher has gone."""
    signal.alarm(SECONDS)
    selector = selectors.DefaultSelector()
    workers = set()
    missing = count
    for number in range(count):
        worker = Worker(number, path)
        worker.peer.watched = worker.peer.interest
        workers.add(worker)
        selector.register(worker.peer.socket, worker.peer.watched, worker)
    while workers:
        for key, _ in selector.select():
            worker = key.data
            missing -= worker.listen()
            if worker.peer.over is not None:
                selector.unregister(worker.peer.socket)
                worker.peer.close()
                workers.discard(worker)
            elif worker.peer.watched != worker.peer.interest:
                worker.peer.watched = worker.peer.interest
                selector.modify(worker.peer.socket, worker.peer.watched, worker)
        if missing == 0:
            print("CONNECTED", flush=True)
            missing = -1


# ── One round ───────────────────────────────────────────────────────────────────────────────────


class Round:
    """A dispatcher, its workers, and a client that counts."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._unfinished = 0
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._client = Client(
            settings=messages.WorkerSettings("swarm", "1"),
            retry=messages.RetryPolicy(),
            seconds_heartbeat=10.0 * SECONDS,
            object_bytes=1 << 20,
            seconds_timeout=SECONDS,
            listener=self._note,
            on_lost=self._stop_waiting,
        )

    def connect(self) -> dict[str, float]:
        """Let the workers come; what that took."""
        digest = hashlib.sha256(SECRET.encode()).digest()
        names = [f"w{number}" for number in range(self.workers)]
        self._client.expect([messages.ExpectedWorker(name, 1, digest) for name in names])
        before, began = resident_bytes(self._client.pid), time.perf_counter()
        path = self._client.url.removeprefix(SCHEME)
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--be", path, str(self.workers)], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"CONNECTED\n":
            raise RuntimeError("the workers did not get in")
        seconds = time.perf_counter() - began
        grown = resident_bytes(self._client.pid) - before
        return {"connect_seconds": seconds, "bytes_per_worker": grown / self.workers}

    def run(self, tasks: int, first: int) -> float:
        """Pass so many tasks through them; tasks per second."""
        body = codec.encode(messages.TaskBody(b"x" * 20))
        items = [
            messages.Batch(number, [f"t{number}"], COMMAND.digest, [body])
            for number in range(first, first + tasks)
        ]
        self._unfinished = tasks
        began = time.perf_counter()
        self._client.submit(COMMAND, *items)
        with self._changed:
            met = self._changed.wait_for(lambda: self._unfinished <= 0, SECONDS)
        if self._error is not None or not met:
            raise RuntimeError(f"{self._unfinished} tasks did not come back: {self._error}")
        return tasks / (time.perf_counter() - began)

    def end(self) -> None:
        """End all of it."""
        self._client.stop()
        self._process.wait(SECONDS)

    def _note(self, message: messages.ToClient) -> None:
        if isinstance(message, messages.Finished):
            self._unfinished -= len(message.ids)
            if self._unfinished <= 0:
                self._stop_waiting(None)

    def _stop_waiting(self, error: Exception | None) -> None:
        with self._changed:
            self._error = error
            if error is not None:
                self._unfinished = 0
            self._changed.notify()


@contextmanager
def swarm(workers: int) -> Iterator[Round]:
    """A round that is ended whatever happens."""
    current = Round(workers)
    try:
        yield current
    finally:
        current.end()


def resident_bytes(pid: int) -> int:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def allow_files(count: int) -> None:
    """Raise the limit of open files.

    Raises:
        SystemExit: the system does not let us.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < count:
        raise SystemExit(
            f"{count} open files are needed and {most} allowed: raise the hard limit "
            "(ulimit -Hn) or give a smaller --workers"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, most))


def measure(workers: int, tasks: int, rounds: int) -> dict[str, float]:
    """All rounds; medians."""
    rates: dict[int, list[float]] = {2: [], workers: []}
    costs: list[dict[str, float]] = []
    for _ in range(rounds):
        for count in (2, workers):
            with swarm(count) as current:
                cost = current.connect()
                current.run(1000, first=1)  # how long tasks take is known from here on
                rates[count].append(current.run(tasks, first=2000))
            if count == workers:
                costs.append(cost)
    two, many = statistics.median(rates[2]), statistics.median(rates[workers])
    ratios = [mine / theirs for mine, theirs in zip(rates[workers], rates[2], strict=True)]
    return {
        "workers": workers,
        "tasks": tasks,
        "rounds": rounds,
        "tasks_per_second": round(many),
        "tasks_per_second_of_two_workers": round(two),
        "ratio": round(statistics.median(ratios), 3),
        "dispatcher_bytes_per_worker": round(
            statistics.median(cost["bytes_per_worker"] for cost in costs)
        ),
        "connect_seconds": round(statistics.median(cost["connect_seconds"] for cost in costs), 3),
        "ratio_spread": round(max(ratios) - min(ratios), 3),
    }


def main() -> None:
    """Measure, or be the workers of a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=5000)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--be", nargs=2, metavar=("PATH", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.be is not None:
        be_workers(options.be[0], int(options.be[1]))
        return
    allow_files(options.workers + SPARE_FILES)
    print(json.dumps(measure(options.workers, options.tasks, options.rounds)))


if __name__ == "__main__":
    main()
