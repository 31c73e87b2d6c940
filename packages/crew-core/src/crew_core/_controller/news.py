"""What a session's dispatcher tells, and what follows from it for tasks, workers and launches."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from crew_core._controller.backup import Loan
from crew_core._controller.handle import Task
from crew_core._model.errors import DispatcherError
from crew_core._model.states import InstanceState
from crew_core._plugins.registry import is_observed, notify
from crew_core._wire import messages

if TYPE_CHECKING:
    from crew_core._controller.session import Session

log = logging.getLogger("crew")


class News:
    """Takes messages in for one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.observed = is_observed("crew_task_finished")

    def take(self, message: messages.ToClient) -> None:
        """Act on a message. Called in the receiving thread."""
        match message:
            case messages.Finished():
                self._on_finished(message)
            case messages.Crashed():
                self._on_crashed(message)
            case messages.WarmUpRan():
                self._session.warm_ups.note_ran(message)
            case messages.WarmUpGivenUp():
                self._session.warm_ups.note_given_up(message)
            case messages.Spent():
                self._on_spent(message)
            case messages.WorkerOnline():
                self._session.roster.came_online(message.instance, message.pid, message.host)
            case messages.WorkerCut():
                self._session.roster.note_cut(message.instance, cut=not message.here)
                self._session.autoscaler.kick()
            case messages.WorkerGone():
                self._on_gone(message)
            case messages.WorkerRefused():
                self._on_refused(message)

    def _on_finished(self, message: messages.Finished) -> None:
        settled = self._session.book.settle(message)
        row = self._session.roster.get(message.instance)
        if row is not None and not row.useful:
            row.useful = True
            self._session.reset()
        for handle in settled:
            self.tell(handle)

    def tell(self, handle: Task[Any]) -> None:
        """Let plugins know that a task is finished."""
        if self.observed and not handle.borrowed:  # such a task's own controller tells
            notify(
                "crew_task_finished", controller=self._session.options.name, record=handle.record
            )

    def _on_crashed(self, message: messages.Crashed) -> None:
        name = self._session.book.note_crashes(message.id, message.crashes)
        log.info("task %r lost its worker (%s) and is tried again", name, message.cause)

    def _on_spent(self, message: messages.Spent) -> None:
        handle = self._session.book.note_spent(message)
        self._session.failures.forget()
        if handle is not None and self._session.lender is not None:
            log.info("task %r used up its crashes and goes to the backup", handle.name)
            spent, where = message.finished, message.instance
            self._session.lender.lend(Loan(handle, message.task, message.blob, spent, where))

    def _on_gone(self, message: messages.WorkerGone) -> None:
        if not message.planned:
            self._session.parcels.note_death()
        self._session.parcels.discard_parts(message.instance)
        state = InstanceState.EXITED if message.planned else InstanceState.LOST
        row = self._session.roster.end(message.instance, state, message.reason)
        if row is None:
            return
        # Who waits for this worker's warm-ups waits no more; and it may have been the last worker
        # while launching has stopped, so that none will come.
        self._session.book.wake()
        if not message.tasks and (not message.planned or message.reason.startswith("cannot")):
            self._session.autoscaler.note_futile(
                row, f"left without having run a task: {message.reason}"
            )
        self._session.autoscaler.kick()
        notify(
            "crew_worker_exited",
            controller=self._session.options.name,
            worker=row.worker,
            instance=row.instance,
            reason=message.reason,
        )

    def _on_refused(self, message: messages.WorkerRefused) -> None:
        if self._session.book.failure is not None:
            return  # we are stopping
        log.warning("a worker was turned away: %s", message.reason)
        row = self._session.roster.get(message.instance)
        if row is not None and row.state.coming:
            self._session.roster.end(row.instance, InstanceState.LAUNCH_FAILED, message.reason)
            self._session.autoscaler.note_futile(
                row, f"was turned away: {message.reason}", permanent=True
            )

    def lost(self, error: DispatcherError) -> None:
        """Nothing will come any more: the dispatcher is dead."""
        self._session.book.fail(error)
        if self._session.lender is not None:
            self._session.lender.recall()
