"""The user's script of one session: pushes tasks, pops records, and writes down what it got.

``python -m chaos.client`` with a ``Plan`` as JSON on standard input. It is as careful as a user who
wants every task done: when its dispatcher dies, it starts anew with what is not done.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import crew_core as crew
from chaos import clock, tasks
from chaos.launcher import Under

RECORDS = "records.jsonl"
EVENTS = "events.jsonl"

_WINDOW = 400  # tasks that are pushed and not popped, at most
_OBJECT_BYTES = 300_000
_OBJECTS_KEPT = 12
_KEPT = ("name", "status", "attempts", "cause", "pid", "instance", "error")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one run of the script does.

    Attributes:
        name: of the controller.
        folder: where the records go.
        numbers: the tasks, as pairs of first and stop.
        run: how often they were pushed before.
        workers: how many.
        per_second: push no more than so many.
        seconds_heartbeat: after so long a silent worker is lost.
        host: listen there, for workers over the network.
        processes: launch daemons.
    """

    name: str
    folder: str
    numbers: list[tuple[int, int]]
    run: int
    workers: int
    per_second: float
    seconds_heartbeat: float
    host: str | None = None
    processes: int | None = None


class Session:
    """Pushes and pops until all is done."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._run = plan.run
        self._todo = collections.deque(n for pair in plan.numbers for n in range(*pair))
        self._pushed: dict[str, int] = {}
        self._objects: collections.deque[Any] = collections.deque(maxlen=_OBJECTS_KEPT)
        self._began = time.monotonic()
        self._count = 0
        # Opened now: there may be no descriptors later.
        self._files = {name: _open(plan.folder, name) for name in (RECORDS, EVENTS)}
        self._controller = crew.controller(
            Under(Under.Options(prefix_file=str(Path(plan.folder, "prefix.json")))),
            name=plan.name,
            workers=plan.workers,
            seconds_heartbeat=plan.seconds_heartbeat,
            host=plan.host,
            processes=plan.processes,
            # Workers die all the time here, and that is nobody's fault.
            crashes_max=10_000,
            launch_max=1_000_000,
            put_memory_gigabytes=0.001,
            log_directory=Path(plan.folder, "disk", "logs"),
            **({} if plan.host is None else {"tls": "automatic"}),
        )

    def run(self) -> None:
        """Do all tasks, with as many dispatchers as it takes."""
        while not self._finished():
            try:
                self._start()
                while not self._finished():
                    self._push()
                    if not self._controller.wait("one", seconds_timeout=0.2):
                        time.sleep(0.01)  # it returns at once when nothing is pushed
                    self._pop()
            except crew.DispatcherError as error:
                self._begin_anew(error)
        self._controller.terminate()

    def _finished(self) -> bool:
        return not self._todo and not self._pushed

    def _start(self) -> None:
        """Start the dispatcher, and no other process, by a clock of its own."""
        own = clock.Clock(Path(self._plan.folder, "clock-dispatcher")).environment()
        os.environ.update(own)
        try:
            self._controller.start()
        finally:
            for name in clock.VARIABLES:
                os.environ.pop(name, None)
        self._tell("started", pid=self._controller.client.pid)

    def _push(self) -> None:
        due = (time.monotonic() - self._began) * self._plan.per_second - self._count
        while self._todo and due >= 1 and len(self._pushed) < _WINDOW:
            number = self._todo[0]
            name = f"{number}.{self._run}"
            arguments = (number, self._run, self._plan.folder, self._large(number))
            self._controller.push(tasks.work, arguments, name=name)
            self._todo.popleft()
            self._pushed[name] = number
            self._count += 1
            due -= 1

    def _large(self, number: int) -> Any:
        kind = tasks.kind_of(number)
        if kind == "array":
            return np.full(1 << 17, number)
        if kind != "object":
            return None
        # Unlike in each: all have to be kept, in files for the most part.
        data = hashlib.shake_128(str(number).encode()).digest(_OBJECT_BYTES)
        self._objects.append(self._controller.put((data, tasks.digest(data))))
        return self._objects[number * 31 % len(self._objects)]

    def _pop(self) -> None:
        lines: list[str] = []
        try:
            while (record := self._controller.pop()) is not None:
                lines.append(self._line(record))
        finally:  # what has come counts, also when the dispatcher is lost now
            if lines:
                self._append(RECORDS, lines)

    def _line(self, record: crew.Record) -> str:
        number = self._pushed.pop(record.name, None)
        line = {key: getattr(record, key) for key in _KEPT}
        line["as_it_should"] = number is not None and tasks.is_expected(
            number, record.status, record.result
        )
        return json.dumps(line)

    def _begin_anew(self, error: crew.DispatcherError) -> None:
        self._tell("dispatcher lost", text=str(error))
        self._controller.terminate()
        self._objects.clear()
        self._todo.extendleft(reversed(self._pushed.values()))
        self._pushed.clear()
        self._run += 1
        self._tell("terminated", run=self._run)

    def _tell(self, event: str, **details: object) -> None:
        self._append(EVENTS, [json.dumps({"event": event, **details})])

    def _append(self, name: str, lines: list[str]) -> None:
        # In one write, so that who is killed meanwhile leaves whole lines.
        os.write(self._files[name], ("\n".join(lines) + "\n").encode())


def _open(folder: str, name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(os.path.join(folder, name), flags, 0o600)


def to_json(plan: Plan) -> str:
    """A plan, as the script is given it."""
    return json.dumps(dataclasses.asdict(plan))


def main() -> None:
    """Read the plan, and do it."""
    for name in clock.VARIABLES:
        os.environ.pop(name, None)  # they were for this process
    plan = Plan(**json.loads(sys.stdin.read()))
    os.chdir(plan.folder)
    Session(plan).run()


if __name__ == "__main__":
    main()
