"""A session without workers: its tasks run in this process, in the thread that pushes them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crew_core._controller.commands import PreparedCommand
from crew_core._controller.handle import Task
from crew_core._controller.in_process import InProcessClient, InProcessDispatcher
from crew_core._controller.mapping import Arguments
from crew_core._controller.parcels import Parcels
from crew_core._controller.platform import Foreground, Platform
from crew_core._controller.references import Pickled
from crew_core._controller.roster import Row
from crew_core._controller.scaler import Scaler
from crew_core._controller.session import Session
from crew_core._controller.session_options import SessionOptions, worker_settings
from crew_core._controller.sheet import Sheet
from crew_core._controller.task_options import TaskOptions
from crew_core._controller.warm_up_book import WarmUp
from crew_core._launcher.base import Launcher
from crew_core._model.errors import CrewError
from crew_core._wire import messages
from crew_core._worker.alarm import undisturbed


class SequentialSession(Session):
    """A session that runs its tasks itself."""

    client: InProcessClient
    runs_here = True

    def __init__(self, launcher: Launcher, options: SessionOptions) -> None:
        super().__init__(launcher, options)
        self.book.run_here = self.run_here

    def run_here(self, done: Callable[[], bool], between: Callable[[], object]) -> None:
        """Run what waits, in this thread."""
        if self.autoscaler.enabled:
            self.client.dispatcher.run(done, between)

    def submit_one(
        self,
        command: PreparedCommand,
        name: str,
        arguments: Pickled,
        options: TaskOptions,
        *,
        single: bool = False,
    ) -> Task[Any]:
        """Queue a task. That of whoever presses Ctrl-C meanwhile is queued all the same."""
        with undisturbed():
            return super().submit_one(command, name, arguments, options, single=single)

    def submit_all(
        self,
        command: PreparedCommand,
        names: list[str],
        arguments: Arguments,
        options: TaskOptions,
    ) -> Sheet:
        """As ``submit_one``, for tasks that share a command."""
        with undisturbed():
            return super().submit_all(command, names, arguments, options)

    def warm(
        self, warm_up: WarmUp, command: PreparedCommand, arguments: Pickled, options: TaskOptions
    ) -> None:
        """Run a command before all tasks that follow: here, and now."""
        super().warm(warm_up, command, arguments, options)
        self.autoscaler.kick()

    def trouble_of_waiting(self) -> CrewError | None:
        """What keeps tasks from ending while this thread waits for them."""
        if self.client.dispatcher.is_inside():
            return CrewError(
                f"a task of the sequential controller {self.options.name!r} waits for a task that "
                "cannot end before itself: tasks run one after the other, in one process"
            )
        return super().trouble_of_waiting()

    def _make_client(self) -> InProcessClient:
        return InProcessClient(
            settings=worker_settings(self.options, self.root),
            retry=messages.RetryPolicy(),
            seconds_timeout=self.options.client.seconds_timeout,
            listener=self.news.take,
            arrive=self._arrive,
        )

    def _make_platform(self) -> Platform:
        return Foreground(self.launcher, self.options.name)

    def _make_scaler(self, platform: Platform) -> Scaler:  # noqa: ARG002 - nothing is launched
        return _RunsHere(self.client.dispatcher)

    def _make_parcels(self) -> Parcels:
        return Parcels(None)  # a task's memory is not to be the user's, nor the other way

    def _prepare_log_directory(self) -> Path:
        return Path(os.devnull)  # what tasks print goes where the user's own output goes

    def _arrive(self) -> str:
        """Enter this process as the only worker."""
        (row,) = self.roster.reserve(1, manual=False)
        row.job_due = False
        self.roster.came_online(row.instance, os.getpid(), socket.gethostname())
        return row.instance


class _RunsHere:
    """Stands where others have an autoscaler: a kick runs what waits."""

    def __init__(self, dispatcher: InProcessDispatcher) -> None:
        self.enabled = True
        self._dispatcher = dispatcher

    def kick(self) -> None:
        if self.enabled:
            self._dispatcher.run()

    def wants_kick(self) -> bool:
        return self._dispatcher.waiting

    def launch(self, count: int, *, manual: bool) -> None:  # noqa: ARG002 - one process does it all
        self._dispatcher.run()

    def step(self, *, throttle: bool) -> bool:  # noqa: ARG002 - nothing is launched here
        return self._dispatcher.run()

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """Never: there are no launches."""

    def close(self) -> None:
        self.enabled = False

    def end_jobs(self) -> None:
        """There are none."""

    def abandon(self) -> None:
        """There is nothing to let go of."""
