"""Hands tasks whose crashes are used up to the backup controller, and brings their ends home.

::

    home's dispatcher ── Spent ──► Lender ── thread ──► Session.borrow of the backup
    home's TaskBook ◄── come_home ── Lender ◄── done callback of the backup's own handle

The client keeps nothing for it while tasks wait or run: the dispatcher, which has them anyway,
gives a task back together with the news that its crashes are used up.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec

from crew_core._controller.book import TaskBook
from crew_core._controller.handle import Task
from crew_core._model.errors import CrewError
from crew_core._model.record import clip
from crew_core._model.states import Status
from crew_core._wire import codec, messages

if TYPE_CHECKING:
    from crew_core._controller.session import Session
    from crew_core._controller.session_holder import SessionHolder


class Loan(msgspec.Struct, eq=False):
    """A task on its way to the backup, or there.

    Attributes:
        handle: the task here.
        task: what it was sent as; None once it is there.
        blob: its command; None once it is there.
        crash: how it ends if the backup fails: its last crash here. None: it never ran here.
        instance: where that was.
    """

    handle: Task[Any]
    task: messages.Batch | None
    blob: messages.Blob | None
    crash: messages.FinishedTask | None = None
    instance: str | None = None


class Lender:
    """What one run of a controller has to do with its backup.

    Args:
        backup: the controller that takes over.
        book: this controller's tasks.
        root: of this controller's random streams, which its tasks keep wherever they run.
        on_end: called with the handle of each task whose end came home.
        fetch: gets an object that was put here.
        inline: puts into a task's body what its workers here would find elsewhere.
    """

    def __init__(
        self,
        backup: SessionHolder,
        book: TaskBook,
        root: int,
        on_end: Callable[[Task[Any]], None],
        fetch: Callable[[bytes], memoryview],
        inline: Callable[[messages.TaskBody], messages.TaskBody],
    ) -> None:
        self._backup = backup
        self._book = book
        self._root = str(root)
        self._on_end = on_end
        self._fetch = fetch
        self._inline = inline
        self._lock = threading.Lock()
        self._loans: dict[int, Loan] = {}
        self._queue: SimpleQueue[Loan | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._started: Session | None = None  # the backup's run that we began and are to end
        self._heard: Session | None = None  # the backup's run whose news wake who waits here

    def __len__(self) -> int:
        """Tasks that are lent, or about to be."""
        return len(self._loans)

    # ── From any thread ────────────────────────────────────────────────────────────────────────

    def lend(self, loan: Loan) -> None:
        """Let the backup run a task. Does not wait: the backup may have to be started first."""
        with self._lock:
            if self._closing:
                return
            self._loans[loan.handle.id] = loan
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="crew-lend", daemon=True)
                self._thread.start()
        self._queue.put(loan)

    def cancel(self, ids: list[int]) -> None:
        """Stop these tasks if they are lent. The others, should they be lent later, end then."""
        self._book.mark_cancelled(ids)
        for task_id in ids:
            loan = self._loans.get(task_id)
            if loan is not None and loan.handle.lent is not None:
                loan.handle.lent.cancel()

    def trouble(self) -> CrewError | None:
        """What keeps the lent tasks from ever ending, where nothing else is left to end."""
        if not self._loans or len(self._loans) < self._book.unfinished:
            return None
        with self._lock:
            lent = next((loan.handle.lent for loan in self._loans.values()), None)
        return None if lent is None else lent._trouble()

    def recall(self) -> None:
        """Nobody will want the lent tasks' ends any more."""
        with self._lock:
            self._closing = True
            lent = [loan.handle.lent for loan in self._loans.values()]
            self._loans.clear()
        for task in lent:
            if task is not None:
                with contextlib.suppress(CrewError):  # the backup is gone, too
                    task.cancel()

    def close(self) -> None:
        """End what we began: the lending, and the backup's run if it was begun for us. Blocks."""
        self.recall()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._queue.put(None)
            self._thread.join()  # it may be starting the backup, which is to be ended then
            self._thread = None
        if self._heard is not None:
            self._heard.book.unlisten(self._book.wake)
        if self._started is not None:
            self._backup._terminate_run(self._started)
            self._started = None

    # ── The thread ─────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while (loan := self._queue.get()) is not None:
            if self._closing:
                continue
            try:
                self._hand_over(loan)
            except CrewError as error:
                self._fail(loan, error)

    def _hand_over(self, loan: Loan) -> None:
        handle = loan.handle
        assert loan.task is not None
        assert loan.blob is not None
        if handle.cancelling:
            self._come_home(loan, _ended(loan, Status.CANCEL, "cancelled"), at_home=True)
            return
        session, began = self._backup._borrow_run()
        if began:
            self._started = session
        self._listen(session)
        lent = session.borrow(handle, self._to_lend(handle, loan), loan.blob, self._fetch)
        loan.task = loan.blob = None
        handle.lent = lent
        self._book.wake()  # its launches may have failed before we could be asked about it
        if handle.cancelling or self._closing:  # said while there was nothing to cancel yet
            lent.cancel()
        lent.add_done_callback(lambda _: self._came_back(loan, lent))

    def _to_lend(self, handle: Task[Any], loan: Loan) -> messages.Batch:
        """The task as the backup is to queue it: with the random stream that it has here.

        Raises:
            CrewError: its arguments are lost.
        """
        assert loan.task is not None
        (encoded,) = loan.task.bodies
        body = self._inline(messages.decode_body(encoded))
        if body.stream is None:
            body = msgspec.structs.replace(body, stream=(self._root, handle.id))
            handle.stream = (int(self._root), handle.id)
        loan.task = msgspec.structs.replace(loan.task, bodies=[codec.encode(body)])
        if loan.crash is None:
            return loan.task
        return msgspec.structs.replace(loan.task, attempts=loan.crash.attempts)

    def _listen(self, session: Session) -> None:
        if self._heard is session:
            return
        if self._heard is not None:
            self._heard.book.unlisten(self._book.wake)
        session.book.listen(self._book.wake)
        self._heard = session

    # ── From the backup's receiving thread ─────────────────────────────────────────────────────

    def _came_back(self, loan: Loan, lent: Task[Any]) -> None:
        if lent._failure is not None:
            self._fail(loan, lent._failure)
            return
        finished = lent._finished
        assert finished is not None
        self._come_home(loan, msgspec.structs.replace(finished, id=loan.handle.id))

    def _fail(self, loan: Loan, error: CrewError) -> None:
        """The backup could not: the task ends as it would have ended without one."""
        loan.handle.lent = None
        said = f"its crashes are used up, and backup {self._backup.name!r} failed: {error}"
        ended = _ended(loan, Status.CRASH, clip(said))
        self._come_home(loan, ended, at_home=loan.crash is None)

    def _come_home(
        self, loan: Loan, finished: messages.FinishedTask, *, at_home: bool = False
    ) -> None:
        with self._lock:
            if self._loans.pop(loan.handle.id, None) is None:
                return  # recalled
        if self._book.come_home(finished, loan.instance, count=at_home):
            self._on_end(loan.handle)


def _ended(loan: Loan, status: Status, error: str) -> messages.FinishedTask:
    """The end of a task that the backup did not run, after what it went through here."""
    attempts, past = 0, messages.OutcomeDetail()
    if loan.crash is not None:
        attempts, past = loan.crash.attempts, messages.decode_detail(loan.crash.detail)
    detail = codec.encode(msgspec.structs.replace(past, error=error))
    return messages.FinishedTask(loan.handle.id, status, None, attempts, detail)
