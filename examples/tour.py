"""A tour of crew in under a minute: workers come and go, one task fails, one worker is killed.

Run it with `python3 dev.py tour` from a clone, or with `python examples/tour.py` where crew-core is
installed. Everything is real: the workers are processes of this computer, and none is left at the
end.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time

import pandas as pd

import crew_core as crew

TASKS = 400
WORKERS = 4
_BAR = "█"


def estimate_pi(throws: int) -> float:
    """Throw darts at a square and count those in the circle. Seeded by crew, so repeatable."""
    hits = sum(random.random() ** 2 + random.random() ** 2 < 1.0 for _ in range(throws))
    return 4.0 * hits / throws


def slow_answer(seconds: float) -> str:
    """Take a while, as the task whose worker is killed has to."""
    time.sleep(seconds)
    return f"the answer, from process {os.getpid()}"


def broken() -> float:
    """Fail, as tasks sometimes do."""
    return 1 / 0


class Watcher:
    """Prints a line whenever the number of workers changes."""

    def __init__(self, controller: crew.Controller) -> None:
        self._controller = controller
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    def online(self) -> int:
        """How many workers are connected."""
        return int(self._controller.launcher.summary()["online"].sum())

    def _watch(self) -> None:
        before = 0
        while not self._over.wait(0.05):
            now = self.online()
            if now != before:
                waiting = self._controller.unresolved
                self.say(f"workers: {_BAR * now:{WORKERS}} {now}   unfinished tasks: {waiting}")
            before = now


def kill_worker_of(controller: crew.Controller, watcher: Watcher) -> None:
    """Kill the one worker that is online, with SIGKILL, while it runs a task."""
    workers = crew.monitor("local").workers()
    ours = workers[workers["controller"] == controller.name]
    pid = int(ours["pid"].iloc[0])
    watcher.say(f"killing worker process {pid} while it runs the slow task")
    os.kill(pid, signal.SIGKILL)


def wait_until_online(watcher: Watcher, count: int) -> None:
    """Wait until so many workers are online."""
    crew.retry(lambda: watcher.online() == count, seconds_interval=0.05, seconds_timeout=30)


def main() -> int:
    """Show everything; 0 when all went as it should."""
    print(f"crew tour: {TASKS} tasks on up to {WORKERS} workers of this computer\n", flush=True)
    with (
        crew.controller("local", name="tour", workers=WORKERS, seconds_idle=1.0) as controller,
        Watcher(controller) as watcher,
    ):
        watcher.say("pushing one slow task: one worker is enough")
        slow = controller.push(slow_answer, (1.0,), name="slow")
        wait_until_online(watcher, 1)
        crew.retry(lambda: is_assigned(controller), seconds_interval=0.05)
        kill_worker_of(controller, watcher)
        watcher.say(f"the task was tried again: {slow.result()}")
        record = slow.record
        assert record is not None
        attempts = record.attempts

        watcher.say(f"pushing {TASKS} tasks and one that fails: more workers come")
        table = controller_run(controller)
        failed = table[table["status"] == "error"]
        estimate = float(pd.to_numeric(table[table["status"] == "success"]["result"]).mean())
        watcher.say(f"all done: pi is about {estimate:.4f}")
        watcher.say(f"task {failed['name'].iloc[0]!r} failed: {failed['error'].iloc[0]}")

        watcher.say("nothing is left to do: the workers leave when they were idle for a second")
        wait_until_online(watcher, 0)
        controller.pop()
        summary = controller.summary()
        launches = int(controller.launcher.summary()["launches"].sum())
    print("\nWhat each worker did:\n")
    print(summary.to_string(index=False))
    print(f"\n{launches} launches; the killed task took {attempts} attempts.")
    left = crew.monitor("local").workers()
    print(f"Processes left behind: {len(left[left['controller'] == 'tour'])}")
    as_expected = attempts == 2 and len(failed) == 1 and abs(estimate - 3.1416) < 0.02
    return 0 if as_expected else 1


def is_assigned(controller: crew.Controller) -> bool:
    """True once a worker has a task."""
    return bool(controller.client.summary()["assigned"].sum())


def controller_run(controller: crew.Controller) -> pd.DataFrame:
    """Push the many tasks and the failing one, wait, and collect their records."""
    controller.pop()  # the slow task's record
    controller.walk(estimate_pi, iterate={"throws": [60_000] * TASKS})
    controller.push(broken, name="division")
    controller.wait()
    table = controller.collect()
    assert table is not None
    return table


if __name__ == "__main__":
    sys.exit(main())
