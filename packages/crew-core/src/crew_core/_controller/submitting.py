"""How a session takes in tasks: entered in its book, sent to its dispatcher, or neither.

An interruption at any moment, Ctrl-C above all, leaves no task that nobody will ever run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from crew_core._client.client import Client
from crew_core._controller.book import TaskBook
from crew_core._controller.budget import Budget
from crew_core._controller.commands import KnownCommands, PreparedCommand
from crew_core._controller.escalation import Escalation
from crew_core._controller.handle import Task
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.mapping import Arguments
from crew_core._controller.news import News
from crew_core._controller.object_book import ObjectBook
from crew_core._controller.parcels import Parcels
from crew_core._controller.references import Pickled
from crew_core._controller.roster import Roster
from crew_core._controller.scaler import Scaler
from crew_core._controller.session_options import SessionOptions
from crew_core._controller.sheet import Sheet
from crew_core._controller.singles import Singles
from crew_core._controller.submission import to_batches, to_task
from crew_core._controller.task_options import PLAIN, TaskOptions, spread_seed
from crew_core._controller.warm_up_book import WarmUp, WarmUpBook
from crew_core._model.errors import CrewError
from crew_core._wire import messages

if TYPE_CHECKING:
    from crew_core._controller.backup import Lender


class Submitting:
    """The part of a session that tasks come in by. What it needs, the session has."""

    options: SessionOptions
    book: TaskBook
    warm_ups: WarmUpBook
    news: News
    parcels: Parcels
    failures: LaunchFailures
    budget: Budget
    lender: Lender | None
    client: Client
    objects: ObjectBook
    autoscaler: Scaler
    roster: Roster
    escalation: Escalation
    _singles: Singles

    def __init__(self) -> None:
        self._commands = KnownCommands(self._is_needed)
        self._submitting = threading.Lock()

    def submit_one(
        self,
        command: PreparedCommand,
        name: str,
        arguments: Pickled,
        options: TaskOptions,
        *,
        single: bool = False,
    ) -> Task[Any]:
        """Queue one task, of which there may be thousands one after the other; its handle."""
        if self.has_stopped and (trouble := self._own_trouble()) is not None:
            raise trouble
        with self._submitting:
            handle = self.book.open_one(name, command.blob.digest, single=single)
            try:
                self._note_expected([handle.id], options.seconds_expected)
                if options is not PLAIN:
                    handle.seed, handle.algorithm = options.seed, options.algorithm
                    handle.command = command.shown if options.save_command else None
                if new := self._commands.to_send(command.blob):
                    self.client.submit(*new)
                    self._drop_commands()
                apart = command.references or arguments.references or arguments.beside
                if apart or self.book.any_crashes:
                    self.client.submit(*self._apart(command, [handle], [arguments], [options]))
                else:
                    self._singles.send(handle, command, arguments, options)
            except BaseException:  # Ctrl-C too: a task that was never sent would never end
                self.book.withdraw([handle])
                self.escalation.note_ended([handle.id])
                self._commands.forget(command.blob.digest)
                raise
        return handle

    def submit_all(
        self,
        command: PreparedCommand,
        names: list[str],
        arguments: Arguments,
        options: TaskOptions,
    ) -> Sheet:
        """Queue tasks that share a command, with distinct names. A seed is the root of theirs."""
        if (trouble := self._own_trouble()) is not None:
            raise trouble
        digest = command.blob.digest
        if not names:
            return Sheet(0, names, digest)
        seeds = None if options.seed is None else spread_seed(options.seed, len(names))
        with self._submitting:
            sheet = self.book.open_sheet(
                names,
                digest,
                command=command.shown if options.save_command else None,
                seeds=seeds,
                algorithm=options.algorithm,
            )
            try:
                self._note_expected(sheet.ids, options.seconds_expected)
                self._send_all(command, sheet, arguments, options)
            except BaseException:  # as above
                self.book.withdraw_sheet(sheet)
                self.escalation.note_ended(sheet.ids)
                self._commands.forget(digest)
                raise
        return sheet

    def warm(
        self, warm_up: WarmUp, command: PreparedCommand, arguments: Pickled, options: TaskOptions
    ) -> None:
        """Run a command on every worker, now or when it comes."""
        # Not in a segment: it is run again on each worker that comes.
        beside = self.parcels.pack(arguments, share=False) if arguments.beside else None
        task = to_task(warm_up.id, warm_up.name, command, arguments, 0, options, beside)
        with self._submitting:
            self.warm_ups.add(warm_up)
            try:
                self.client.warm_up(task, self._commands.to_send(command.blob))
            except BaseException:
                self.warm_ups.end(warm_up)
                self._commands.forget(command.blob.digest)
                raise

    def borrow(
        self,
        origin: Task[Any],
        task: messages.Batch,
        blob: messages.Blob,
        fetch: Callable[[bytes], memoryview],
    ) -> Task[Any]:
        """Queue a task of a controller that we back up; our own handle of it.

        Args:
            origin: its handle there.
            task: as it was sent there.
            blob: its command.
            fetch: gets an object that was put there.

        Raises:
            DispatcherError: the dispatcher is dead.
            CrewError: no worker lives long enough for it, or we are terminated.
        """
        self.client.check()
        self._check_expected(task)
        references = tuple(self.objects.adopt(digest, fetch) for digest in task.objects)
        with self._submitting:
            handle = self.book.open_one(origin.name, blob.digest, single=True)
            handle._take_after(origin)
            handle.references = references
            message = msgspec.structs.replace(
                task, first=handle.id, crashes=self.book.crashes(origin.name)
            )
            try:
                self._note_expected([handle.id], task.seconds_expected)
                if not self._lends(message, blob, handle):
                    self.client.submit(*self._commands.to_send(blob), message)
            except BaseException:
                self.book.withdraw([handle])
                self.escalation.note_ended([handle.id])
                self._commands.forget(blob.digest)
                raise
        self.autoscaler.kick()
        return handle

    def _send_all(
        self,
        command: PreparedCommand,
        sheet: Sheet,
        arguments: Arguments,
        options: TaskOptions,
    ) -> None:
        items: list[messages.Batch | messages.Blob] = list(self._commands.to_send(command.blob))
        seeds: Sequence[int | None] = sheet.seeds or [None] * len(sheet)
        apart = command.references or arguments.each or self.book.any_crashes
        if apart:
            each = arguments.each or [Pickled(data) for data in arguments.data]
            how = [msgspec.structs.replace(options, seed=seed) for seed in seeds]
            items += self._apart(command, self.book.spread(sheet), each, how)
        else:
            data = arguments.data
            items += to_batches(command, sheet.first, sheet.names, data, options, seeds)
        if apart or self.news.observed:  # each record is wanted by itself
            self.book.spread(sheet)
        self.client.submit(*items)
        self._drop_commands()

    def _drop_commands(self) -> None:
        if dropped := self._commands.to_drop():
            self.client.drop_blobs(dropped)

    def _apart(
        self,
        command: PreparedCommand,
        handles: Sequence[Task[Any]],
        arguments: Sequence[Pickled],
        options: Sequence[TaskOptions],
    ) -> Iterator[messages.Batch]:
        """Tasks that may differ in more than their arguments; some may be the backup's concern."""
        for handle, pickled, how in zip(handles, arguments, options, strict=True):
            crashes = self.book.crashes(handle.name) if self.book.any_crashes else 0
            if command.references or pickled.references:
                handle.references = (*command.references, *pickled.references)
            beside = None
            if pickled.beside:
                beside = self.parcels.pack(pickled)
                handle.lease = self.parcels.lease(beside)
            task = to_task(handle.id, handle.name, command, pickled, crashes, how, beside)
            if not self._lends(task, command.blob, handle):
                yield task

    def _is_needed(self, digest: bytes) -> bool:
        return bool(self.book.outstanding(digest)) or self.warm_ups.needs(digest)

    def _lends(self, task: messages.Batch, blob: messages.Blob, handle: Task[Any]) -> bool:
        """Pass on to the backup what has used up its crashes here already. False: it has not."""
        retry = self.options.retry
        if self.lender is None or not 0 < retry.crashes_max <= task.crashes:
            return False
        from crew_core._controller.backup import Loan

        self.lender.lend(Loan(handle, task, blob))
        return True

    def _check_expected(self, task: messages.Batch) -> None:
        expected = task.seconds_expected
        if expected is not None and (limit := self.options.limit_below(expected)):
            raise CrewError(
                f"the task expects seconds_expected={expected:g}, and no worker of controller "
                f"{self.options.name!r} lives longer than {limit}"
            )

    def _note_expected(self, ids: Iterable[int], seconds: float | None) -> None:
        if seconds is not None and self.escalation.any:
            self.escalation.note_expected(ids, seconds)

    def _own_trouble(self) -> CrewError | None:
        if self.client.error is not None:
            return self.client.error
        if not self.has_stopped or self.roster.online():
            return None
        return self.failures.error or self.budget.error

    @property
    def has_stopped(self) -> bool:
        """True when nothing is launched any more, until somebody sees to it."""
        return self.failures.error is not None or self.budget.error is not None
