"""What a controller can be asked: counters, crashes, backlog, summary."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, cast

import msgspec

from crew_core._controller import task_options
from crew_core._controller.session_holder import SessionHolder
from crew_core._launcher.base import Launcher

if TYPE_CHECKING:
    import pandas as pd

    from crew_core._client.client import Client
    from crew_core._controller.controller import Controller


class Questions(SessionHolder):
    """The part of ``Controller`` that answers questions."""

    @property
    def launcher(self) -> Launcher:
        """The launcher: ``summary()``, ``errors``, ``reset()``, ``call()``.

        Example::

            >>> controller.launcher.name
            'local'
        """
        return self._launcher

    @property
    def backup(self) -> Controller | None:
        """The controller that runs a task after ``crashes_max`` crashes, if there is one.

        Example::

            >>> import crew_core as crew
            >>> big = crew.controller("local", name="big")
            >>> small = crew.controller("local", crashes_max=1, backup=big)
            >>> small.backup is big
            True
        """
        return cast("Controller | None", self._options.backup)

    @property
    def hours_used(self) -> float:
        """Worker-hours since the start: what all workers together have taken so far.

        As ``budget_hours`` counts them. 0 before the start, and without workers.

        Example::

            >>> controller.push("1 + 1").result()
            2
            >>> 0 < controller.hours_used < 1
            True
        """
        session = self._present()
        return 0.0 if session is None or session.runs_here else session.budget.hours_used

    @property
    def budget_hours(self) -> float:
        """What all workers together may use, in worker-hours from the start on; or infinity.

        May be set at any time. Once it is used up nothing is launched, running tasks are let end,
        and workers leave; whoever waits for the tasks that are left gets a LaunchError. Set to more
        than ``hours_used``, work goes on.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local", budget_hours=1e-9) as controller:
            ...     for _ in range(20):
            ...         task = controller.push("import time; time.sleep(0.1)")
            ...     try:
            ...         controller.wait()
            ...     except crew.LaunchError as error:
            ...         print("budget_hours" in str(error))
            ...     controller.budget_hours = 1
            ...     print(controller.wait())
            True
            True
        """
        return self._options.scaling.budget_hours

    @budget_hours.setter
    def budget_hours(self, hours: float) -> None:
        scaling = dataclasses.replace(self._options.scaling, budget_hours=hours)
        self._options = msgspec.structs.replace(self._options, scaling=scaling)
        session = self._present()
        if session is not None:
            session.change_budget(hours)

    @property
    def client(self) -> Client:
        """The connection to the dispatcher: ``summary()``, ``resources()``. Starts it.

        Example::

            >>> list(controller.client.resources().columns)
            ['name', 'pid', 'status', 'rss', 'time']
        """
        return self._running().client

    @property
    def empty(self) -> bool:
        """True when ``size`` is 0.

        Example::

            >>> controller.empty
            True
            >>> task = controller.push("1 + 1")
            >>> controller.empty
            False
        """
        return self.size == 0

    @property
    def nonempty(self) -> bool:
        """True when ``size`` is not 0.

        Example::

            >>> controller.nonempty
            False
        """
        return self.size > 0

    @property
    def saturated(self) -> bool:
        """True when ``size`` is at least ``workers``.

        Example::

            >>> handles = controller.walk("x", {"x": [1, 2]})
            >>> controller.saturated  # two tasks, two workers
            True
        """
        return self.size >= self._options.scaling.workers

    @property
    def pushed(self) -> int:
        """Tasks pushed since the start.

        Example::

            >>> before = controller.pushed
            >>> task = controller.push("1 + 1")
            >>> controller.pushed - before
            1
        """
        session = self._present()
        return 0 if session is None else session.book.pushed

    @property
    def popped(self) -> int:
        """Tasks popped since the start.

        Example::

            >>> before = controller.popped
            >>> task = controller.push("1 + 1")
            >>> record = controller.wait() and controller.pop()
            >>> controller.popped - before
            1
        """
        session = self._present()
        return 0 if session is None else session.book.popped

    @property
    def resolved(self) -> int:
        """Pushed tasks that have ended since the start, popped or not.

        Example::

            >>> before = controller.resolved
            >>> controller.push("1 + 1").result()
            2
            >>> controller.resolved - before
            1
        """
        session = self._present()
        return 0 if session is None else session.book.resolved

    @property
    def unresolved(self) -> int:
        """Pushed tasks that have not ended.

        Example::

            >>> task = controller.push("1 + 1")
            >>> controller.wait()
            True
            >>> controller.unresolved
            0
        """
        session = self._present()
        return 0 if session is None else session.book.unresolved

    def crashes(self, name: str) -> int:
        """Crashes in a row of the task of this name, until it succeeds.

        Example::

            >>> controller.crashes("a task that never crashed")
            0
        """
        session = self._present()
        return 0 if session is None else session.book.crashes(name)

    def push_backlog(self, name: str) -> None:
        """Remember the name of a task that is not to be pushed yet.

        Raises:
            ConfigError: it is there already.

        Example::

            >>> controller.push_backlog("to be pushed when there is room")
            >>> controller.pop_backlog()
            ['to be pushed when there is room']
        """
        self._owner.check()
        self._backlog.push(task_options.check_name(name))

    def pop_backlog(self) -> list[str]:
        """Names from the backlog, first in first out, as many as there are free workers.

        Example::

            >>> controller.push_backlog("first")
            >>> controller.push_backlog("second")
            >>> controller.pop_backlog()  # as many as there is room for
            ['first', 'second']
        """
        return self._backlog.pop(self._options.scaling.workers - self.size)

    def explain(self) -> str:
        """Why there are as many workers as there are: the latest decisions, in words.

        Does not block, and starts nothing. ``crew explain`` tells the same to whoever sits at
        another terminal, also of controllers that have ended.

        Example::

            >>> controller.push("1 + 1").result()
            2
            >>> "asked for" in controller.explain()
            True
        """
        session = self._present()
        if session is None:
            return f"controller {self.name!r} is not started: it starts with the first task"
        from crew_core._controller.account import tell
        from crew_core._controller.journal import Story

        story = Story(session.journal.header, session.journal.entries)
        return tell(story, now=time.time(), live=True)

    def summary(self) -> pd.DataFrame:
        """What each worker did: tasks, seconds, and how they ended. A row per worker.

        Tasks that ended without reaching a worker are in a row without a worker. Before the start
        there are no rows.

        Example::

            >>> controller.push("1 + 1").result()
            2
            >>> int(controller.summary()["success"].sum()) >= 1
            True
        """
        from crew_core._controller.tables import controller_summary

        session = self._present()
        if session is None:
            return controller_summary(self.name, [], {}, {}, {})
        for handle in session.book.finished():
            _ = handle.record  # counts its warnings, and finds out whether its result can be read
        slots = [worker for worker, _, _ in session.roster.latest()]
        statistics = session.book.statistics()
        for instance, count in session.records.unreadable().items():
            statistics[instance, "success"][0] -= count
            statistics.setdefault((instance, "error"), [0, 0.0])[0] += count
        warned = session.records.warned()
        return controller_summary(self.name, slots, session.worker_of(), statistics, warned)
