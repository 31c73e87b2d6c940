"""Real task processes, fed and read as their supervisor does it."""

from __future__ import annotations

import hashlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crew_core._wire import pickling
from crew_core._wire.codec import encode
from crew_core._wire.messages import (
    Command,
    HoldBlob,
    OutcomeDetail,
    RunTasks,
    TaskBody,
    TaskDone,
    TaskProcessReady,
    TaskProcessSettings,
    WorkerSettings,
    decode_detail,
    decode_from_task_process,
)
from crew_core._worker.framing import FrameReader
from crew_core._worker.large_buffers import find
from crew_core._worker.permits import Feed

_SECONDS = 60


class TaskProcess:
    """A task process, and the supervisor's ends of its pipes."""

    def __init__(self, **settings: Any) -> None:
        inbox, inbox_in = os.pipe()
        permits, permits_in = os.pipe()
        outbox_out, outbox = os.pipe()
        lifeline, self.lifeline_in = os.pipe()
        ends = (inbox, permits, outbox, lifeline)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crew_core._worker.task_process", *map(str, ends)],
            pass_fds=ends,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for fd in (inbox, outbox, lifeline):
            os.close(fd)
        self.feed = Feed(inbox_in, permits_in, permits)
        self.outbox = FrameReader(outbox_out)
        self.ready: TaskProcessReady | None = None
        self._done: list[TaskDone] = []
        self._next_id = 0
        self._held: set[bytes] = set()
        self.feed.put(TaskProcessSettings(WorkerSettings("test", "42", **settings), "instance"))
        self.feed.flush()

    def send(
        self,
        command: Callable[..., Any] | str,
        *args: Any,
        data: dict[str, Any] | None = None,
        globals: dict[str, Any] | None = None,
        packages: tuple[str, ...] = (),
        seed: int | None = None,
        task_id: int | None = None,
        shared: dict[str, Any] | None = None,
    ) -> int:
        """Send a task and its permit. ``shared`` are data that all tasks of its command get."""
        text = command if isinstance(command, str) else None
        function = None if isinstance(command, str) else pickling.dump_command(command)
        names = None if globals is None else pickling.dump(globals, "globals")
        common = None if shared is None else pickling.dump(shared, "data")
        payload = encode(Command(function, text, common, names, packages))
        digest = hashlib.blake2b(payload, digest_size=16).digest()
        if digest not in self._held:
            self._held.add(digest)
            self.feed.put(HoldBlob(digest, payload))
        arguments = pickling.dump_arguments(args, data or {})
        body = encode(TaskBody(arguments, seed))
        if task_id is None:
            task_id = self._next_id = self._next_id + 1
        self.feed.send(RunTasks(task_id, digest, [body]))
        self.feed.flush()
        return task_id

    def next(self) -> TaskDone | None:
        """The next task that ended, or None when the process did."""
        while not self._done:
            if self.outbox.at_end:
                return None
            writing = [self.feed] if self.feed.wants_write else []
            ready = select.select([self.outbox], writing, [], _SECONDS)
            assert any(ready), "the task process says nothing"
            self.feed.flush()
            for frame in self.outbox.read_available():
                message = decode_from_task_process(frame)
                if isinstance(message, TaskProcessReady):
                    self.ready = message
                else:
                    self._done.append(message)
        done = self._done.pop(0)
        self.feed.done([done.outcome.id])
        return done

    def run(self, command: Callable[..., Any] | str, *args: Any, **options: Any) -> OutcomeDetail:
        """Run one task and wait for what became of it."""
        task_id = self.send(command, *args, **options)
        done = self.next()
        assert done is not None, f"it died: {self.output()}"
        assert done.outcome.id == task_id
        return decode_detail(done.outcome.detail)

    def value(self, command: Callable[..., Any] | str, *args: Any, **options: Any) -> Any:
        """Run one task that succeeds, for its value."""
        detail = self.run(command, *args, **options)
        assert detail.value is not None, detail.trace
        return pickling.load(detail.value, beside=find(None, detail.beside, "the value"))

    def interrupt(self) -> None:
        """As the supervisor does it."""
        os.kill(self.process.pid, signal.SIGINT)

    def line(self) -> str:
        """The next line that the tasks wrote."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def leave(self) -> int:
        """Let it leave, for its exit code."""
        self.feed.close()
        return self.process.wait(_SECONDS)

    def output(self) -> str:
        """What it wrote, after it ended."""
        return self.process.communicate(timeout=_SECONDS)[0].decode()

    def close(self) -> None:
        """End it, however it is."""
        self.process.kill()
        self.process.wait()
        self.feed.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for fd in (self.outbox.fileno(), self.lifeline_in):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def start() -> Iterator[Callable[..., TaskProcess]]:
    """Starts task processes, with these fields of their settings."""
    started: list[TaskProcess] = []

    def start_one(**settings: Any) -> TaskProcess:
        started.append(TaskProcess(**settings))
        return started[-1]

    yield start_one
    for process in started:
        process.close()


@pytest.fixture
def process(start: Callable[..., TaskProcess]) -> TaskProcess:
    """One task process with default settings."""
    return start()
