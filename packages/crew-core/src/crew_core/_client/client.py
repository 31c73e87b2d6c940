"""The client: one dispatcher and the conversation with it.

::

    controller ──► Client.submit/cancel/expect ──► Connection ══ unix socket ══► dispatcher
    controller ◄── listener (a callback) ◄──────── Connection ◄═════════════════ process
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from crew_core._client.connection import Connection
from crew_core._client.dispatcher_process import DispatcherProcess
from crew_core._client.outbox import Item
from crew_core._model.errors import CrewError, DispatcherError
from crew_core._wire import messages, places

if TYPE_CHECKING:
    import pandas as pd

    from crew_core._wire.network.settings import NetworkSettings

_Answer = TypeVar(
    "_Answer",
    messages.Expected,
    messages.Inspection,
    messages.FetchedObject,
    messages.DispatcherHello,
)
_TERMINATED = "the controller was terminated"
_STOP_SECONDS = 8.0
_NO_FACTS = messages.PlatformFacts()
_WAIT_SECONDS_MAX = 86_400.0  # a selector fails with more than some weeks

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class Dispatcher(Protocol):
    """The dispatcher, as far as it is a process."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def end(self, seconds: float) -> None:
        """See to it that it is over, after so long at most."""

    def how_it_ended(self) -> str:
        """In words."""

    def last_words(self) -> str:
        """The end of its log."""


class Conversation(Protocol):
    """The way to talk to it."""

    def post(self, *items: Item) -> None:
        """Say something. Does not wait."""

    def post_task(self, like: messages.Batch, task_id: int, name: str, body: bytes) -> None:
        """Say that a task is to be queued. Does not wait."""

    def close(self) -> None:
        """End it."""

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""

    def is_receiving_thread(self) -> bool:
        """True when called where answers arrive."""


class Client:
    """A running dispatcher and the way to talk to it.

    Args:
        settings: what workers are told.
        retry: when crashed tasks are tried again.
        seconds_heartbeat: a worker silent for this long is lost.
        object_bytes: memory for what was put, in the dispatcher and in each worker.
        seconds_timeout: limit for the start and for each question's answer.
        platform: what the dispatcher has to know of where workers run.
        network: where the dispatcher listens for workers; None: only on this computer.
        begun: a dispatcher that was started already; None: one is started.
        listener: called on the receiving thread with each message that is no answer.
        on_lost: called once when the dispatcher is gone unasked.

    Raises:
        DispatcherError: the dispatcher did not start.
    """

    def __init__(
        self,
        *,
        settings: messages.WorkerSettings,
        retry: messages.RetryPolicy,
        seconds_heartbeat: float,
        object_bytes: int,
        seconds_timeout: float,
        platform: messages.PlatformFacts = _NO_FACTS,
        network: NetworkSettings | None = None,
        begun: DispatcherProcess | None = None,
        listener: Callable[[messages.ToClient], None],
        on_lost: Callable[[DispatcherError], None],
    ) -> None:
        self._listener = listener
        self._on_lost = on_lost
        self._seconds_timeout = min(seconds_timeout, _WAIT_SECONDS_MAX)
        self._answers: dict[int, messages.ToClient] = {}
        self._answered = threading.Condition()
        self._requests = itertools.count(1)
        self._error: CrewError | None = None
        self._stopping = False
        self._network = network
        self._begun = begun
        self._directory: Path | None = None
        self._object_directory = ""
        self._process, self._connection = self._open(settings)
        try:
            hello = messages.ClientHello(
                messages.PROTOCOL,
                os.getpid(),
                PYTHON,
                settings,
                retry,
                seconds_heartbeat,
                object_bytes,
                self._object_directory,
                platform,
            )
            self._connection.post(hello)
            self.url = self._wait_for(0, messages.DispatcherHello).url
        except BaseException:
            self.stop()
            raise

    # ── What is said ───────────────────────────────────────────────────────────────────────────

    def submit(self, *items: messages.Batch | messages.Blob) -> None:
        """Queue tasks; blobs go before the first task that needs them. Does not wait."""
        self.check()
        self._connection.post(*items)

    def submit_one(self, like: messages.Batch, task_id: int, name: str, body: bytes) -> None:
        """Queue one task whose command was sent, as ``Outbox.put_task`` takes it. Does not wait."""
        if self._error is not None:
            raise self._error
        self._connection.post_task(like, task_id, name, body)

    def cancel(self, ids: list[int]) -> None:
        """Stop these tasks. Does not wait."""
        self.check()
        self._connection.post(messages.Cancel(ids))

    def put(self, message: messages.PutObject) -> None:
        """Let the dispatcher keep an object for tasks that follow. Does not wait."""
        self.check()
        self._connection.post(message)

    def fetch(self, digest: bytes) -> memoryview:
        """An object back, as the order that was put; waits for it.

        Raises:
            DispatcherError: it is lost, or the dispatcher is.
        """
        self.check()
        request = next(self._requests)
        self._connection.post(messages.FetchObject(request, digest))
        order = self._wait_for(request, messages.FetchedObject).order
        if not order:
            raise DispatcherError(f"an object of put() ({digest.hex()[:8]}) is lost")
        return order

    def warm_up(self, task: messages.Batch, blobs: list[messages.Blob]) -> None:
        """Run a task on every worker, now or when it comes. Does not wait."""
        self.check()
        self._connection.post(messages.WarmUp(task, blobs))

    def end_warm_up(self, warm_up: int) -> None:
        """Run this one on no further worker. Does not wait."""
        self.check()
        self._connection.post(messages.EndWarmUps([warm_up]))

    def drop_blobs(self, digests: list[bytes]) -> None:
        """No task will need these commands and objects any more. Does not wait."""
        self._connection.post(messages.DropBlobs(digests))

    def expect(self, workers: list[messages.ExpectedWorker]) -> None:
        """Announce workers, and wait until the dispatcher would let them in."""
        self.check()
        request = next(self._requests)
        self._connection.post(messages.Expect(request, workers))
        self._wait_for(request, messages.Expected)

    def forget(self, instances: Sequence[str]) -> None:
        """Refuse these workers, should they come after all, or have them leave. Does not wait."""
        self._connection.post(messages.Forget(list(instances)))

    def employ(self, on: bool) -> None:
        """Have workers given tasks, or leave once what they run has ended. Does not wait."""
        self._connection.post(messages.Employ(on))

    def tell_over(self, ends: Sequence[messages.JobEnd]) -> None:
        """The platform says how these workers have ended, or cannot say. Does not wait."""
        self._connection.post(messages.JobsOver(list(ends)))

    def make_room(self, step: int, workers: int) -> None:
        """Let idle workers of lower steps go, so many. Does not wait."""
        self._connection.post(messages.MakeRoom(step, workers))

    def inspect(self) -> messages.Inspection:
        """Ask the dispatcher how things stand, and wait for the answer."""
        self.check()
        request = next(self._requests)
        self._connection.post(messages.Inspect(request))
        return self._wait_for(request, messages.Inspection)

    # ── Life ───────────────────────────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int:
        """The dispatcher's process id."""
        return self._process.pid

    @property
    def error(self) -> CrewError | None:
        """Why the dispatcher cannot be used, if it cannot."""
        return self._error

    def check(self) -> None:
        """Raise ``error``, if there is one."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End all workers, the dispatcher, and what they left on disk. Blocks for a few seconds."""
        self._stopping = True
        if self._error is None:
            self._connection.post(messages.Stop())
        self._process.end(_STOP_SECONDS if self._error is None else 0.5)
        self._connection.close()
        self._be_over()
        if self._directory is not None:
            _remove(self._directory)
            # A dispatcher that was killed has left its files.
            _remove(Path(self._object_directory))

    def abandon(self, refusal: CrewError) -> None:
        """In a forked child: let go of everything that belongs to the parent."""
        self._error = refusal
        self._connection.abandon()

    def summary(self) -> pd.DataFrame:
        """A row per worker that connected: worker, online, instances, assigned, complete, socket.

        Blocks for a round trip to the dispatcher.
        """
        from crew_core._client.summary import summarize

        return summarize(self.inspect(), self.url)

    def resources(self) -> pd.DataFrame:
        """Memory of this process and its children of ours: name, pid, status, rss, time."""
        from crew_core._client.resources import resources

        return resources(self.pid)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _open(self, settings: messages.WorkerSettings) -> tuple[Dispatcher, Conversation]:
        """Start the dispatcher and dial it."""
        begun = self._begun
        directory = places.make_controller_directory() if begun is None else begun.directory
        self._directory = directory
        self._object_directory = os.fspath(places.object_directory(directory))
        try:
            process = begun or DispatcherProcess(
                directory, settings.controller, self._network, settings.segments
            )
            process.wait_until_ready(self._seconds_timeout)
            dialled = _dial(directory, process)
            return process, Connection(dialled, self._on_message, self._on_connection_lost)
        except BaseException:
            _remove(directory)
            raise

    def _on_message(self, message: messages.ToClient) -> None:
        match message:
            case messages.DispatcherHello():
                self._answer(0, message)
            case messages.Expected() | messages.Inspection() | messages.FetchedObject():
                self._answer(message.request, message)
            case _:
                self._listener(message)

    def _answer(self, request: int, message: messages.ToClient) -> None:
        with self._answered:
            self._answers[request] = message
            self._answered.notify_all()

    def _wait_for(self, request: int, kind: type[_Answer]) -> _Answer:
        if self._connection.is_receiving_thread():
            raise CrewError(
                "this asks the dispatcher something, but was called from a done callback, which "
                "runs where the answer would arrive: hand it to a thread of your own"
            )
        deadline = time.monotonic() + self._seconds_timeout
        with self._answered:
            while request not in self._answers:
                self.check()
                if not self._answered.wait(deadline - time.monotonic()):
                    raise DispatcherError(
                        f"the dispatcher (process {self.pid}) did not answer within "
                        f"seconds_timeout={self._seconds_timeout:g}"
                    )
            answer = self._answers.pop(request)
        assert isinstance(answer, kind)
        return answer

    def _be_over(self) -> None:
        """Refuse all that comes, also where the connection was closed before it was lost."""
        with self._answered:
            self._error = self._error or DispatcherError(_TERMINATED)
            self._answered.notify_all()

    def _on_connection_lost(self, why: str) -> None:
        if self._stopping:
            error = DispatcherError(_TERMINATED)
        else:
            ended = self._process.how_it_ended()
            error = DispatcherError(
                f"the dispatcher (process {self.pid}) is gone: {ended} ({why}). Unfinished tasks "
                "are lost and the workers leave. Call terminate(), then use the controller again. "
                f"Its last words: {self._process.last_words()}"
            )
        with self._answered:
            self._error = error
            self._answered.notify_all()
        self._on_lost(error)


def _remove(directory: Path) -> None:
    import shutil  # now, as it takes long to import

    shutil.rmtree(directory, ignore_errors=True)


def _dial(directory: Path, process: DispatcherProcess) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(os.fspath(directory / "client.sock"))
    except OSError as error:
        connection.close()
        ended = process.how_it_ended()
        process.end(0)
        raise DispatcherError(
            f"the dispatcher (process {process.pid}) cannot be reached: {ended} ({error}). "
            f"Its last words: {process.last_words()}"
        ) from error
    return connection
