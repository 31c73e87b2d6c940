"""What a session's dispatcher tells, and what follows from it for tasks, workers and launches."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from crew_core._controller.backup import Loan
from crew_core._controller.handle import Task
from crew_core._controller.roster import Row
from crew_core._model.errors import DispatcherError
from crew_core._model.states import InstanceState, Status
from crew_core._plugins.registry import is_observed, notify
from crew_core._wire import messages

if TYPE_CHECKING:
    from crew_core._controller.session import Session

log = logging.getLogger("crew")

_CRASH = int(Status.CRASH)
_ENDED_BY_PLATFORM = "terminated"
_AFTER_WORK = frozenset({"idle", "tasks_max", "wall_time"})
"""Why a worker leaves of its own accord, with all it was given done."""


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
                self._session.roster.came_online(
                    message.instance, message.pid, message.host, message.seconds_left
                )
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
        if self._session.escalation.any:
            self._note_final_deaths(message, row)
            self._session.escalation.note_ended(message.ids)
        for handle in settled:
            self.tell(handle)

    def tell(self, handle: Task[Any]) -> None:
        """Let plugins know that a task is finished."""
        if self.observed and not handle.borrowed:  # such a task's own controller tells
            notify(
                "crew_task_finished", controller=self._session.options.name, record=handle.record
            )

    def _note_final_deaths(self, message: messages.Finished, row: Row | None) -> None:
        if row is not None and _CRASH in message.statuses:
            for status, detail in zip(message.statuses, message.details, strict=True):
                if status == _CRASH:
                    self._note_death(row, messages.decode_detail(detail).cause or "crash")

    def _note_death(self, row: Row, cause: str) -> None:
        row.struck = True
        self._session.escalation.note_death(row.step, cause)

    def _on_crashed(self, message: messages.Crashed) -> None:
        row = self._session.roster.get(message.instance)
        if row is not None:
            self._note_death(row, message.cause)
        if message.step:
            self._session.escalation.note_need(message.id, message.step)
            self._session.autoscaler.kick()
        name = self._session.book.note_crashes(message.id, message.crashes)
        log.info("task %r lost its worker (%s) and is tried again", name, message.cause)

    def _on_spent(self, message: messages.Spent) -> None:
        handle = self._session.book.note_spent(message)
        self._session.failures.forget()
        self._session.escalation.note_ended([message.finished.id])
        if handle is not None and self._session.lender is not None:
            log.info("task %r used up its crashes and goes to the backup", handle.name)
            spent, where = message.finished, message.instance
            self._session.lender.lend(Loan(handle, message.task, message.blob, spent, where))

    def _on_gone(self, message: messages.WorkerGone) -> None:
        if not message.planned:
            self._session.parcels.note_death()
        self._session.parcels.discard_parts(message.instance)
        state = InstanceState.EXITED if message.planned else InstanceState.LOST
        # Others may have ended it, or its platform may.
        struck = not message.planned or message.reason == _ENDED_BY_PLATFORM
        ask = struck and self._session.tells_causes
        row = self._session.roster.end(message.instance, state, message.reason, ask=ask)
        if row is None:
            return
        # Who waits for this worker's warm-ups waits no more; and it may have been the last worker
        # while launching has stopped, so that none will come.
        self._session.book.wake()
        row.struck |= struck
        if not ask:
            self._note_end(row, message)
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

    def _note_end(self, row: Row, message: messages.WorkerGone) -> None:
        """See what a worker's end means for the next one's size."""
        if not message.planned:
            self._session.escalation.note_death(row.step, message.reason)
        elif message.tasks and message.reason in _AFTER_WORK and not row.struck:
            self._session.escalation.note_done(row.step)

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
