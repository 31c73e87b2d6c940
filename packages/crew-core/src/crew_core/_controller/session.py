"""One run of a controller, from start to terminate: the dispatcher, the tasks, the workers.

::

    Controller ──► Session ──┬── Submitting   how tasks come in
                             ├── TaskBook     what the user pushed, and what came of it
                             ├── Client       the dispatcher's process and the way to talk to it
                             ├── Lender       what the backup controller runs for us
                             ├── Roster       the workers that were launched
                             ├── Journal      what was decided about them, and why
                             ├── Autoscaler   the thread that launches them
                             ├── News         what the dispatcher says, and what follows
                             └── Platform     has the launcher do it: here, or in daemons
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crew_core._client.client import Client
from crew_core._controller.autoscaler import Autoscaler
from crew_core._controller.book import TaskBook
from crew_core._controller.brakes import Brakes
from crew_core._controller.budget import Budget
from crew_core._controller.escalation import Escalation
from crew_core._controller.journal import Header, Journal
from crew_core._controller.journal import directory as decisions_directory
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.news import News
from crew_core._controller.object_book import ObjectBook
from crew_core._controller.parcels import Parcels
from crew_core._controller.platform import Foreground, Platform
from crew_core._controller.records import RecordMaker
from crew_core._controller.roster import Roster
from crew_core._controller.scaler import Scaler
from crew_core._controller.session_options import (
    SessionOptions,
    prepare_log_directory,
    retry_policy,
    worker_settings,
)
from crew_core._controller.singles import Singles
from crew_core._controller.submitting import Submitting
from crew_core._controller.throttle import Throttle
from crew_core._controller.verdicts import VERDICT_SECONDS
from crew_core._controller.warm_up_book import WarmUpBook
from crew_core._controller.worker_maker import WorkerMaker
from crew_core._launcher.base import Launcher
from crew_core._launcher.command import job_name
from crew_core._model.errors import CrewError, DispatcherError, LaunchError
from crew_core._model.network import is_wanted
from crew_core._plugins.registry import notify
from crew_core._wire import messages

if TYPE_CHECKING:
    import pandas as pd

    from crew_core._client.network import Network
    from crew_core._controller.backup import Lender
    from crew_core._controller.head_start import HeadStart
    from crew_core._controller.resource_log import ResourceLog
    from crew_core._launcher.estate import Estate


# What many sessions never need is imported where it is needed: each start would pay for it.

log = logging.getLogger("crew")

_ENDING_SECONDS = 10.0  # a worker that its platform tells to end may take so long


class Session(Submitting):
    """A running controller. Made by ``start``, over after ``stop``.

    Args:
        launcher: starts its workers.
        options: what it is told.
        head_start: what was started already, unless workers come over a network.

    Raises:
        ConfigError: a host, an interface or a certificate is not there, or of no use.
        DispatcherError: the dispatcher did not start.

    Attributes:
        runs_here: True when there are no workers: whoever waits for tasks runs them.
        tells_causes: the platform is asked how workers died. On this computer the end of a
            connection says enough.
    """

    runs_here: ClassVar[bool] = False

    def __init__(
        self, launcher: Launcher, options: SessionOptions, head_start: HeadStart | None = None
    ) -> None:
        super().__init__()
        self.options = options
        self._head_start = head_start
        self.launcher = launcher
        self.tells_causes = not launcher.local and type(launcher).poll is not Launcher.poll
        self.root = _root_seed() if options.client.seed is None else options.client.seed
        self.log_directory = self._prepare_log_directory()
        self.roster = Roster()
        self.escalation = Escalation(options.lives)
        self.records = RecordMaker(options.name, launcher.name, self.root, self.roster.with_job)
        self.book = TaskBook(self.records, self.cancel, self.trouble_of_waiting)
        self.warm_ups = WarmUpBook(self.book.wake)
        self.news = News(self)
        self._network: Network | None = None
        self._estate = self._make_estate()
        self.parcels = self._make_parcels()
        self.book.take_over = self.parcels.take_over
        self.failures = LaunchFailures(options.scaling.launch_max, self.book.wake)
        self.journal = self._make_journal()
        self.roster.note = self.failures.note_down = self.journal.note
        self.budget = Budget(
            options.name,
            options.scaling.budget_hours,
            self.roster.seconds_used,
            self.roster.working,
            self._employ,
            self.book.wake,
        )
        self.lender = self._make_lender()
        try:
            platform = self._make_platform()
        except BaseException:
            self.parcels.close()
            raise
        try:
            self.client = self._make_client()
        except BaseException:
            platform.close()
            self.parcels.close()
            raise
        self._singles = Singles(self.client)
        self.objects = ObjectBook(
            options.name,
            self.client.put,
            self.client.drop_blobs,
            self.parcels,
            int(options.client.put_memory_gigabytes * 2**30),
        )
        try:
            self._resource_log = self._start_resource_log()
        except BaseException:
            self.client.stop()
            platform.close()
            self.parcels.close()
            raise
        self.platform = platform
        self.autoscaler = self._make_scaler(platform)
        launcher._attach(self)
        notify("crew_controller_started", controller=options.name)

    def stop(self) -> None:
        """End everything this session started. Blocks for a few seconds at most.

        When it was interrupted, it can be called again.
        """
        self.book.fail(
            CrewError(f"controller {self.options.name!r} was terminated before the task ended")
        )
        self.objects.close()
        if self.lender is not None:
            self.lender.close()
        self.autoscaler.close()
        self.client.stop()
        self.autoscaler.end_jobs()
        self.parcels.close()
        if self._resource_log is not None:
            self._resource_log.stop()
        self.journal.note("ended", "the controller was terminated")
        notify("crew_controller_terminated", controller=self.options.name)

    def abandon(self, refusal: CrewError) -> None:
        """In a forked child: let go of what belongs to the parent; who asks for it is refused."""
        self.autoscaler.abandon()
        self.client.abandon(refusal)
        self.book.abandon(refusal)

    # ── Tasks ──────────────────────────────────────────────────────────────────────────────────

    @property
    def lent(self) -> int:
        """Unfinished tasks that are the backup's concern."""
        return 0 if self.lender is None else len(self.lender)

    def cancel(self, ids: list[int]) -> None:
        """Stop tasks, wherever they are. Does not wait."""
        self.client.cancel(ids)
        if self.lender is not None:
            self.lender.cancel(ids)

    def check(self) -> None:
        """Raise what keeps tasks from ever ending.

        Raises:
            DispatcherError: the dispatcher is dead.
            LaunchError: no workers can be launched.
        """
        trouble = self._find_trouble()
        if trouble is not None:
            raise trouble

    def trouble_of_waiting(self) -> CrewError | None:
        """What keeps tasks from ending while this thread waits for them, if anything does."""
        return self._find_trouble()

    def run_here(self, done: Callable[[], bool], between: Callable[[], object]) -> None:
        """Run tasks in this thread, where there are no workers (``runs_here``).

        Args:
            done: asked before each task: is that enough?
            between: called after each task.
        """

    # ── What the launcher shows (LaunchDesk) ───────────────────────────────────────────────────

    @property
    def errors(self) -> Sequence[LaunchError]:
        """Errors of launches, oldest first."""
        return self.failures.errors

    def reset(self) -> None:
        """Forget launch failures."""
        if self.failures.forget():
            self.autoscaler.kick()

    def change_budget(self, hours: float) -> None:
        """Allow so many worker-hours from the start on. When there are any left, go on."""
        self.budget.change(hours)
        self.autoscaler.kick()

    def summary(self) -> pd.DataFrame:
        """The launcher's table."""
        from crew_core._controller.tables import launcher_summary, with_hours

        latest = self.roster.latest()
        table = launcher_summary(latest, self.worker_of(), self._inspection())
        if self.budget.hours == math.inf:
            return table
        return with_hours(table, latest, self.roster.seconds_used)

    def call(self) -> str:
        """The command line of a worker, for a person."""
        return self._worker_maker().call()

    def worker_of(self) -> dict[str, int]:
        """Slots by instance."""
        return {row.instance: row.worker for row in self.roster.rows()}

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _inspection(self) -> messages.Inspection | None:
        """What the dispatcher knows; None when it has ended."""
        try:
            return None if self.client.error else self.client.inspect()
        except DispatcherError:  # just now
            return None

    def _find_trouble(self) -> CrewError | None:
        trouble = self._own_trouble()
        return self.lender.trouble() if trouble is None and self.lender is not None else trouble

    def _make_platform(self) -> Platform:
        platform = self._make_plain_platform()
        if self._estate is None:
            return platform
        from crew_core._controller.noted import Noted

        return Noted(platform, self._estate)

    def _make_plain_platform(self) -> Platform:
        processes = self.options.scaling.processes
        if processes is None:
            return Foreground(self.launcher, self.options.name)
        from crew_core._controller.background import Background

        return Background(self.launcher, self.options.name, processes, self.log_directory)

    def _make_client(self) -> Client:
        self._network = self._prepare_network()
        return Client(
            settings=worker_settings(self.options, self.root, self.parcels.directory),
            retry=retry_policy(self.options),
            seconds_heartbeat=self.options.client.seconds_heartbeat,
            object_bytes=int(self.options.client.put_memory_gigabytes * 2**30),
            seconds_timeout=self.options.client.seconds_timeout,
            platform=messages.PlatformFacts(
                self.options.lives,
                VERDICT_SECONDS + _ENDING_SECONDS if self.tells_causes else 0.0,
                self._heir(),
            ),
            network=None if self._network is None else self._network.settings,
            begun=None if self._head_start is None else self._head_start.process,
            listener=self.news.take,
            on_lost=self.news.lost,
        )

    def _make_scaler(self, platform: Platform) -> Scaler:
        return Autoscaler(
            controller=self.options.name,
            platform=platform,
            launcher=self.launcher,
            client=self.client,
            roster=self.roster,
            options=self.options.scaling,
            demand=lambda: self.book.unfinished - self.lent,
            make_worker=self._worker_maker().make,
            brakes=Brakes(self.failures, self.budget, self._throttle()),
            escalation=self.escalation,
        )

    def _make_journal(self) -> Journal:
        header = Header(
            controller=self.options.name,
            launcher=self.launcher.name,
            workers=self.options.scaling.workers,
            pid=os.getpid(),
            began=time.time(),
            log_directory=str(self.log_directory),
        )
        folder = None if self.runs_here else decisions_directory()
        return Journal(header, self._numbers, folder)

    def _numbers(self) -> tuple[int, int, int]:
        return (self.book.unfinished, *self.roster.numbers())

    def _employ(self, on: bool) -> None:
        self.client.employ(on)

    def _make_estate(self) -> Estate | None:
        if self.launcher.local:
            return None
        from crew_core._launcher import undertaker
        from crew_core._launcher.estate import Estate, can_be_left

        undertaker.begin(self.options.name)
        if not can_be_left(self.launcher):
            return None
        return Estate(self.launcher, self.options.name, self._names_of_jobs)

    def _names_of_jobs(self) -> list[str]:
        """Of those that may be on the platform, or will be in a moment."""
        rows = [*self.roster.with_jobs(), *self.roster.coming()]
        return [job_name(self.options.name, row.instance) for row in rows]

    def _heir(self) -> tuple[str, ...]:
        """What the dispatcher runs if this process is killed."""
        if self._estate is None:
            return ()
        from crew_core._launcher.undertaker import command

        return command(self.options.name, self._estate.path)

    def _throttle(self) -> Throttle:
        return Throttle(
            self.options.scaling.seconds_interval,
            short_lived=self.options.worker.tasks_max < math.inf,
            gathers=lambda: self.launcher.gathers,
        )

    def _fetch(self, digest: bytes) -> memoryview:
        return self.parcels.inline_object(self.client.fetch(digest))

    def _make_lender(self) -> Lender | None:
        backup = self.options.backup
        if backup is None:
            return None
        from crew_core._controller.backup import Lender

        return Lender(
            backup, self.book, self.root, self.news.tell, self._fetch, self.parcels.inline
        )

    def _start_resource_log(self) -> ResourceLog | None:
        path = self.options.log.log_resources
        if path is None:
            return None
        from crew_core._controller.resource_log import ResourceLog

        return ResourceLog.start(path, self.client.pid)

    def _make_parcels(self) -> Parcels:
        return Parcels(None if self._head_start is None else self._head_start.segments)

    def _prepare_log_directory(self) -> Path:
        return prepare_log_directory(self.options)

    def _worker_maker(self) -> WorkerMaker:
        return WorkerMaker(
            self.options.name,
            self.client.url,
            self.log_directory,
            self._network,
            self.options.lives,
        )

    def _prepare_network(self) -> Network | None:
        """None: workers are on this computer, and no port is opened."""
        options, local = self.options.network, self.launcher.local
        if local and not is_wanted(options):
            return None
        from crew_core._client.network import Network

        return Network(options, local=local, host_default=self.launcher.host_default)


def _root_seed() -> int:
    """At random, of 128 bits."""
    return int.from_bytes(os.urandom(16), "big")
