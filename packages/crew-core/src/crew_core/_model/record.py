"""What is known of a finished task: the record that ``pop`` returns."""

from __future__ import annotations

from concurrent.futures import CancelledError
from datetime import datetime
from typing import Any

import msgspec

from crew_core._model.errors import TaskError, TaskTimeoutError, WorkerCrashError

COLUMNS = (
    "name",
    "command",
    "result",
    "status",
    "error",
    "code",
    "trace",
    "warnings",
    "seconds",
    "seed",
    "algorithm",
    "controller",
    "launcher",
    "worker",
    "instance",
    "host",
    "pid",
    "job",
    "attempts",
    "pushed_at",
    "started_at",
    "finished_at",
    "rss_peak",
    "log",
    "cause",
)
"""The record's columns, in the order in which ``collect`` and ``map`` show them."""

TEXT_LIMIT = 2048
"""The most characters that ``error``, ``trace`` and ``warnings`` hold each."""


class Record(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How one task ended. Immutable. A field that does not apply holds None.

    Attributes:
        name: the task's name.
        command: its text, only with ``save_command=True``.
        result: what it returned; None unless the status is "success".
        status: "success", "error", "crash", "cancel" or "timeout".
        error: what went wrong, at most 2048 characters; None on success.
        code: 0, -1, 19, 20 or 5, in the order of ``status`` above.
        trace: the traceback on the worker, at most its last 2048 characters.
        warnings: the warnings it gave, joined, at most 2048 characters.
        seconds: run time on the worker.
        seed: as given to ``push``.
        algorithm: as given to ``push``.
        controller: name of the controller it ran under.
        launcher: name of the launcher of its worker.
        worker: the worker's slot, 1 to ``workers``.
        instance: id of that worker's life.
        host: the machine's name.
        pid: the process that ran the task.
        job: the platform's own name for the worker's job.
        attempts: how many times it was handed to a worker to run.
        pushed_at: when it was pushed (UTC).
        started_at: when its last attempt began (UTC, the worker's clock).
        finished_at: when that attempt ended (UTC, the worker's clock).
        rss_peak: the most memory its process used, in bytes.
        log: what ``controller.logs`` takes to show the worker's output.
        cause: how the last attempt died, if it died: "crash", "signal 11", "exit 3",
            "out_of_memory", "wall_time", "preempted", "node_lost", "job_ended" (by somebody else)
            or "heartbeat_lost".
        exception: the exception itself, when it could be pickled.
        stream: root seed and index of the task's random stream, for ``crew.rng(record)``.

    Example::

        >>> task = controller.push("1 + 1", name="two")
        >>> record = controller.wait() and controller.pop()
        >>> record.name, record.result, record.status, record.launcher
        ('two', 2, 'success', 'local')
    """

    name: str
    command: str | None = None
    result: Any = None
    status: str = "success"
    error: str | None = None
    code: int = 0
    trace: str | None = None
    warnings: str | None = None
    seconds: float | None = None
    seed: int | None = None
    algorithm: str | None = None
    controller: str | None = None
    launcher: str | None = None
    worker: int | None = None
    instance: str | None = None
    host: str | None = None
    pid: int | None = None
    job: str | None = None
    attempts: int = 0
    pushed_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    rss_peak: int | None = None
    log: str | None = None
    cause: str | None = None
    exception: BaseException | None = None
    stream: tuple[int, int] | None = None

    def value(self) -> Any:
        """The result, or raise what went wrong, as ``handle.result()`` does.

        Raises:
            BaseException: the task's own exception, when it could be pickled.
            TaskError: when it could not.
            WorkerCrashError, TaskTimeoutError, concurrent.futures.CancelledError: by status.

        Example::

            >>> task = controller.push("1 + 1")
            >>> controller.wait()
            True
            >>> controller.pop().value()
            2
        """
        if self.status == "success":
            return self.result
        raise self.failure()

    def failure(self) -> BaseException:
        """The exception that stands for this record, not raised. Only for an unsuccessful task.

        Example::

            >>> task = controller.push("1 / 0")
            >>> controller.wait()
            True
            >>> controller.pop().failure()
            ZeroDivisionError('division by zero')
        """
        if self.status == "cancel":
            return CancelledError(f"task {self.name!r} was cancelled")
        if self.status == "error" and self.exception is not None:
            return self.exception
        kind = {"crash": WorkerCrashError, "timeout": TaskTimeoutError}.get(self.status, TaskError)
        return kind(f"task {self.name!r}: {self.error}", self)

    def _repr_html_(self) -> str:
        """What a notebook shows: all that applies."""
        from crew_core._model import html  # few look at a record so

        texts = {"result": html.short(self.result) if self.status == "success" else None}
        rows = [(column, texts.get(column, getattr(self, column))) for column in COLUMNS]
        return html.facts(f"task {self.name!r}: {self.status}", rows)


def clip(text: str) -> str:
    """The first characters of a text, as many as a record may hold."""
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def clip_end(text: str) -> str:
    """The last characters of a text: a traceback's useful part is its end."""
    return text if len(text) <= TEXT_LIMIT else "…" + text[1 - TEXT_LIMIT :]
