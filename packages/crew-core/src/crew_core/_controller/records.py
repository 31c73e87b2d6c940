"""A finished task's messages become its record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from crew_core._controller import ended
from crew_core._controller.ended import Ended, Origins
from crew_core._controller.handle import Task
from crew_core._controller.roster import Row
from crew_core._controller.sheet import Sheet
from crew_core._controller.values import UNREAD
from crew_core._controller.warm_up_book import WarmUp
from crew_core._model.errors import SerializationError
from crew_core._model.record import Record, clip
from crew_core._model.states import Status
from crew_core._wire import messages, pickling

_SUCCESS, _ERROR = int(Status.SUCCESS), int(Status.ERROR)
_WORDS = {status.value: status.word for status in Status}


class RemoteTraceback(Exception):  # noqa: N818 - not raised, only shown
    """The traceback on the worker, shown as the cause of the task's own exception."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class RecordMaker:
    """Makes the records of one controller's run.

    Unpickling runs code of the results' types, so this is called on the thread of whoever asks for
    the record, never on crew's own.
    """

    def __init__(
        self, controller: str, launcher: str, root: int, row_of: Callable[[str | None], Row | None]
    ) -> None:
        self._controller = controller
        self._launcher = launcher
        self._root = root
        self._row_of = row_of
        self._origins = Origins(controller, launcher, row_of)
        self._warned: dict[str | None, set[int]] = defaultdict(set)
        self._unreadable: dict[str | None, set[int]] = defaultdict(set)

    def warned(self) -> dict[str | None, int]:
        """How many tasks gave warnings, by instance, among those whose record was made."""
        return _lengths(self._warned)

    def unreadable(self) -> dict[str | None, int]:
        """How many results, counted as successes, turned out to be unreadable here."""
        return _lengths(self._unreadable)

    def __call__(
        self, handle: Task[Any], finished: messages.FinishedTask, instance: str | None
    ) -> Record:
        stream = handle.stream or (self._root, handle.id)
        record = self._make(handle, finished, instance, stream)
        if record.code != finished.status:
            self._unreadable[instance].add(handle.id)
        if record.warnings is not None:
            self._warned[instance].add(handle.id)
        return record

    def ended(self, tasks: Sheet | Sequence[Task[Any]]) -> Ended:
        """Finished tasks in columns: all of a sheet, or of these handles.

        Raises:
            Unreadable: only their records tell.
        """
        if isinstance(tasks, Sheet):
            return ended.of_sheet(tasks, self._root, self._origins)
        return ended.of_handles(tasks, self._root, self._origins)

    def note_warned(self, instance: str | None, task_id: int) -> None:
        """A task gave warnings, as is told by a table."""
        self._warned[instance].add(task_id)

    def of_warm_up(self, warm_up: WarmUp, finished: messages.FinishedTask, instance: str) -> Record:
        """As for a task, but it counts nowhere."""
        return self._make(warm_up, finished, instance, (self._root, warm_up.id))

    def _make(
        self,
        handle: Task[Any] | WarmUp,
        finished: messages.FinishedTask,
        instance: str | None,
        stream: tuple[int, int],
    ) -> Record:
        detail = messages.decode_detail(finished.detail)
        code, result, error = self._result(handle, finished, detail)
        row = self._row_of(instance)
        started = None if detail.started_at is None else _utc(detail.started_at)
        return Record(
            name=handle.name,
            command=handle.command,
            result=result,
            status=_WORDS[code],
            error=error,
            code=code,
            trace=detail.trace,
            warnings=detail.warnings,
            seconds=finished.seconds,
            seed=handle.seed,
            algorithm=handle.algorithm,
            controller=self._controller,
            launcher=None if row is None else self._launcher,
            worker=None if row is None else row.worker,
            instance=instance,
            host=None if row is None else row.host,
            pid=detail.pid,
            job=None if row is None else row.job,
            attempts=finished.attempts,
            pushed_at=_utc(handle.pushed_at),
            started_at=started,
            finished_at=_end(started, finished.seconds),
            rss_peak=detail.rss_peak,
            log=None if row is None else row.log,
            cause=detail.cause,
            exception=_load_exception(detail.exception, detail.trace),
            stream=stream,
        )

    def _result(
        self,
        handle: Task[Any] | WarmUp,
        finished: messages.FinishedTask,
        detail: messages.OutcomeDetail,
    ) -> tuple[int, Any, str | None]:
        code = finished.status
        if isinstance(handle, Task) and handle._value is not UNREAD:
            return code, handle._value, None
        if code != _SUCCESS or detail.value is None:
            return code, None, detail.error
        try:
            large = _large_buffers(handle, detail.beside)
            what = f"the result of task {handle.name!r}"
            return code, pickling.load(detail.value, what, large), None
        except SerializationError as error:
            return _ERROR, None, clip(str(error))


def _large_buffers(
    handle: Task[Any] | WarmUp, beside: messages.Beside | None
) -> Sequence[memoryview]:
    if beside is None:
        return ()
    if beside.segment and isinstance(handle, Task) and handle.parcel is not None:
        return handle.parcel.open(beside.sizes)
    return [memoryview(bytearray(payload)) for payload in beside.payloads]


def _lengths(ids: dict[str | None, set[int]]) -> dict[str | None, int]:
    return {instance: len(found) for instance, found in list(ids.items())}


def _load_exception(pickled: bytes | None, trace: str | None) -> BaseException | None:
    if pickled is None:
        return None
    try:
        loaded = pickling.load(pickled, "the exception")
    except SerializationError:
        return None  # error and trace tell the same in words
    if not isinstance(loaded, BaseException):
        return None
    if loaded.__cause__ is None and trace is not None:
        loaded.__cause__ = RemoteTraceback(trace)
    return loaded


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _end(started: datetime | None, seconds: float | None) -> datetime | None:
    return None if started is None or seconds is None else started + timedelta(seconds=seconds)
