"""The handle of what runs on every worker: ``everywhere`` returns it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from crew_core._controller import task_options
from crew_core._controller.waiting import wait_until, wait_until_async
from crew_core._controller.warm_up_book import WarmUp

if TYPE_CHECKING:
    from crew_core._controller.session import Session
    from crew_core._model.record import Record


class Everywhere:
    """A command that every worker runs once before its tasks: what ``everywhere`` returns.

    Example::

        >>> import crew_core as crew
        >>> with crew.controller("local", workers=1) as controller:
        ...     warm_up = controller.everywhere("import math; root = math.sqrt(2)")
        ...     controller.push("round(root, 3)").result()
        ...     [record.status for record in warm_up.results.values()]
        1.414
        ['success']
    """

    def __init__(self, session: Session, warm_up: WarmUp) -> None:
        self._session = session
        self._warm_up = warm_up

    def __repr__(self) -> str:
        ran = len(self._warm_up.ended)
        state = "" if self.active else ", over"
        return f"<crew warm-up {self.name!r}: ran on {ran} workers{state}>"

    @property
    def name(self) -> str:
        """The warm-up's name.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     controller.everywhere("x = 1", name="set x").name
            'set x'
        """
        return self._warm_up.name

    @property
    def active(self) -> bool:
        """True while workers to come will run it: until it is cancelled or given up.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     controller.everywhere("x = 1").active
            True
        """
        return self._warm_up.active and self._session.book.failure is None

    @property
    def given_up(self) -> str | None:
        """Why no worker runs it any more, if it ended ``crashes_max`` workers in a row; else None.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     controller.everywhere("x = 1").given_up is None
            True
        """
        return self._warm_up.given_up

    @property
    def results(self) -> dict[str, Record]:
        """The record of each worker that has run it so far, by the worker's instance.

        A worker that ran it again, in a new task process, shows the last time. Does not block.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     warm_up = controller.everywhere(sum, ([1, 2],))
            ...     controller.push(len, ("abc",)).result()
            ...     [record.result for record in warm_up.results.values()]
            3
            [3]
        """
        return {instance: self._record(instance) for instance in list(self._warm_up.ended)}

    @property
    def errors(self) -> dict[str, Record]:
        """Those of ``results`` whose status is not "success". Does not block.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     warm_up = controller.everywhere("1 / 0")
            ...     controller.push(len, ("abc",)).result()
            ...     [record.error for record in warm_up.errors.values()]
            3
            ['ZeroDivisionError: division by zero']
        """
        return {key: record for key, record in self.results.items() if record.status != "success"}

    def wait(self, seconds_timeout: float = float("inf")) -> bool:
        """Wait until every worker that is online now has run it, or has left.

        With no worker online there is nothing to wait for.

        Args:
            seconds_timeout: the longest wait, in seconds.

        Returns:
            True when it is so; also when the warm-up was cancelled or given up meanwhile.

        Raises:
            DispatcherError: the dispatcher died.
            CrewError: the controller was terminated.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     pid = controller.push("import os; os.getpid()").result()
            ...     warm_up = controller.everywhere("import os; os.getpid()")
            ...     warm_up.wait()
            ...     [record.result == pid for record in warm_up.results.values()]
            True
            [True]
        """
        seconds = task_options.check_timeout("seconds_timeout", seconds_timeout)
        return wait_until([self._session], self._ran_where_online(), seconds)

    def __await__(self) -> Generator[object, None, dict[str, Record]]:
        """``wait`` for an event loop; gives the ``results``."""
        return self._wait_async().__await__()

    def cancel(self) -> None:
        """Run it on no further worker, and stop it where it runs. Does not wait.

        What it left on workers that have run it stays there.

        Raises:
            DispatcherError: the dispatcher is dead.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     warm_up = controller.everywhere("x = 1")
            ...     warm_up.cancel()
            ...     controller.push("'x' in globals()").result()
            False
        """
        if self.active:
            self._session.client.end_warm_up(self._warm_up.id)
            self._session.warm_ups.end(self._warm_up)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    async def _wait_async(self) -> dict[str, Record]:
        await wait_until_async([self._session], self._ran_where_online())
        return self.results

    def _ran_where_online(self) -> Callable[[], bool]:
        roster, warm_up, book = self._session.roster, self._warm_up, self._session.book
        waiting = set(roster.online_instances())

        def ran() -> bool:
            waiting.difference_update(warm_up.instances_done())
            waiting.intersection_update(roster.online_instances())
            # Once all is over nobody is online: that must not look like success.
            return book.failure is None and (not waiting or not warm_up.active)

        return ran

    def _record(self, instance: str) -> Record:
        warm_up = self._warm_up
        record = warm_up.records.get(instance)
        if record is None:
            record = self._session.records.of_warm_up(warm_up, warm_up.ended[instance], instance)
            warm_up.records[instance] = record
        return record
