"""The controller: tasks in, records out, workers as needed. What a user holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from crew_core._controller import logs, mapping, task_options
from crew_core._controller.complaints import ON_ERROR, OnError, complain, warn
from crew_core._controller.handle import Task
from crew_core._controller.harvest import Lot, tabulated
from crew_core._controller.modes import wait_for
from crew_core._controller.progress import wait_showing
from crew_core._controller.pushing import Pushing
from crew_core._controller.questions import Questions
from crew_core._controller.sharing import Sharing
from crew_core._controller.streaming import Streaming
from crew_core._controller.task_options import TaskOptions
from crew_core._model.errors import ConfigError
from crew_core._model.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from crew_core._controller.executor import ControllerExecutor


class Controller(Pushing, Sharing, Streaming, Questions):
    """Runs tasks on workers that start when there is work and leave when there is none.

    Usually made by ``crew.controller(...)`` from flat keywords. Every method that needs a running
    controller starts it; ``terminate`` ends everything, and a later call starts afresh. Methods may
    be called from several threads.

    Args:
        launcher: starts the workers.
        client: name, waiting limits, root seed.
        worker: how workers behave and when they leave.
        scaling: how many workers, and how they are launched.
        retry: what happens to tasks whose worker crashed.
        log: what is written to disk.
        network: where to listen for workers of other computers, and how that is secured.

    Example::

        >>> with crew.controller("local", workers=2) as controller:
        ...     task = controller.push(sum, ([1, 2, 3],), name="six")
        ...     done = controller.wait()
        ...     controller.pop().result
        6
    """

    # ── Many at once ───────────────────────────────────────────────────────────────────────────

    def map(  # noqa: PLR0913 - the contract of docs/reference/api
        self,
        command: Callable[..., Any] | str,
        iterate: Mapping[str, Sequence[Any]],
        *,
        data: Mapping[str, Any] | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        names: str | Sequence[str] | None = None,
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        error: OnError = "stop",
        warnings: bool = True,
        progress: bool | None = None,
        scale: bool = True,
        throttle: bool = True,
    ) -> pd.DataFrame:
        """Run one task for each element of the lists in ``iterate`` and wait for all.

        Args:
            command: as in ``push``.
            iterate: as in ``walk``.
            data: as in ``walk``.
            globals: as in ``push``.
            packages: as in ``push``.
            names: as in ``walk``.
            seed: as in ``walk``.
            algorithm: as in ``push``.
            seconds_timeout: as in ``push``, for each task.
            seconds_queue: as in ``push``, for each task.
            seconds_expected: as in ``push``.
            priority: as in ``push``.
            save_command: as in ``push``.
            error: when a task did not succeed: "stop" raises and leaves the table in
                ``controller.error``, "warn" warns, "silent" does neither.
            warnings: tell in one warning of ours that tasks gave warnings.
            progress: show a bar; None: where a person looks on (terminal, notebook).
            scale: as in ``push``.
            throttle: as in ``push``.

        Returns:
            A table with the record's columns, a row per task in the order of ``iterate``.

        Raises:
            TaskError: a task did not succeed, with ``error="stop"``.
            ConfigError: the controller has unpopped tasks; and as ``walk``.

        Example::

            >>> table = controller.map("x ** y", {"x": [1, 2, 3]}, data={"y": 2})
            >>> list(table["result"])
            [1, 4, 9]
        """
        task_options.check_choice("error", error, ON_ERROR)
        if self.size:
            raise ConfigError(
                f"map needs an empty controller, but {self.size} tasks are not popped: pop or "
                "collect them first, or use another controller"
            )
        options = TaskOptions(
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            seconds_queue=seconds_queue,
            seconds_expected=self._check_expected(seconds_expected),
            priority=priority,
            save_command=save_command,
        )
        found = mapping.elements(iterate, task_options.check_mapping("data", data), names)
        session, sheet = self._push_all(command, found, options, globals, packages)
        if not session.runs_here:  # not before somebody watches
            self._maybe_scale(session, scale=scale, throttle=throttle)
        done = session.book.all_done(sheet)
        wait_showing([session], done, float("inf"), progress, sheet)
        table, failed = tabulated([Lot(session, self._log_of, sheet)])
        session.book.take(sheet)
        told = table["warnings"].dropna()
        if warnings and len(told):
            warn(f"{len(told)} tasks gave warnings; first: {told.iloc[0]}")
        return self._complained(table, failed, error)

    def executor(self) -> ControllerExecutor:
        """A ``concurrent.futures.Executor`` that runs calls as this controller's tasks.

        Does not block and starts nothing yet. Its tasks are those of ``submit``: ``pop`` and
        ``size`` do not see them. Its ``shutdown``, and the end of ``with``, terminates the
        controller only if it was the executor that started it. Raises nothing.

        Example::

            >>> with controller.executor() as executor:
            ...     list(executor.map(pow, [1, 2, 3], [2, 2, 2]))
            [1, 4, 9]
        """
        from crew_core._controller.executor import ControllerExecutor

        return ControllerExecutor(self)

    # ── Records out ────────────────────────────────────────────────────────────────────────────

    def pop(
        self, scale: bool = True, throttle: bool = True, error: OnError | None = None
    ) -> Record | None:
        """The next finished record, in order of completion, or None. Does not wait.

        Args:
            scale: let this call launch workers for tasks that wait.
            throttle: let launches gather; False: look at once.
            error: when the task did not succeed: "stop" raises TaskError, whose ``record`` is the
                popped one; "warn" warns; "silent" or None does neither.

        Raises:
            TaskError: with ``error="stop"``.
            DispatcherError, LaunchError: nothing is there to pop, and nothing will be.

        Example::

            >>> task = controller.push(sum, ([1, 2, 3],), name="six")
            >>> controller.wait()
            True
            >>> record = controller.pop()
            >>> record.name, record.result, record.status
            ('six', 6, 'success')
            >>> controller.pop() is None
            True
        """
        if error is not None:
            task_options.check_choice("error", error, ON_ERROR)
        session = self._present()
        if session is None:
            return None
        record = self._pop_record(session)
        if record is None:
            session.check()
        self._maybe_scale(session, scale=scale, throttle=throttle)
        if record is not None and record.status != "success":
            complain([record], error)
        return record

    def collect(
        self, scale: bool = True, throttle: bool = True, error: OnError | None = None
    ) -> pd.DataFrame | None:
        """All finished records as a table with the record's columns, or None. Does not wait.

        The arguments are those of ``pop``. With ``error="stop"`` the table is in
        ``controller.error`` when this raises.

        Example::

            >>> handles = controller.walk("x + 1", {"x": [1, 2]})
            >>> controller.wait()
            True
            >>> sorted(controller.collect()["result"])
            [2, 3]
        """
        if error is not None:
            task_options.check_choice("error", error, ON_ERROR)
        session = self._present()
        if session is None:
            return None
        handles = session.book.pop_all()
        if not handles:
            session.check()
        self._maybe_scale(session, scale=scale, throttle=throttle)
        if not handles:
            return None
        return self._complained(*tabulated([Lot(session, self._log_of, handles)]), error)

    def wait(
        self,
        mode: Literal["all", "one"] = "all",
        seconds_timeout: float = float("inf"),
        scale: bool = True,
        throttle: bool = True,
        progress: bool | None = False,
    ) -> bool:
        """Wait until tasks are done. Ctrl-C interrupts at once and leaves the controller usable.

        Args:
            mode: "all": every pushed task has ended; "one": at least one can be popped.
            seconds_timeout: the longest wait, in seconds.
            scale: let this call launch workers for tasks that wait.
            throttle: let launches gather; False: look at once.
            progress: show a bar: tasks queued, running, done and failed, and workers. None: where
                a person looks on (terminal, notebook).

        Returns:
            True when it is so. On an empty controller at once: True for "all", False for "one".

        Raises:
            DispatcherError: the dispatcher died.
            LaunchError: no workers can be launched.

        Example::

            >>> task = controller.push("1 + 1")
            >>> controller.wait(seconds_timeout=60)
            True
            >>> controller.wait("one")
            True
        """
        return wait_for(
            [self], mode, seconds_timeout, scale=scale, throttle=throttle, progress=progress
        )

    def cancel(self, names: str | Sequence[str] = (), all: bool = False) -> None:
        """Stop tasks: waiting ones are removed, running ones stopped for certain. Does not wait.

        Each cancelled task gives a record with status "cancel". Unknown names are ignored. A task
        that ignores the interrupt is killed with its process; its worker stays.

        Args:
            names: a name or several.
            all: every unfinished task, submitted ones too.

        Example::

            >>> task = controller.push("import time; time.sleep(600)", name="long")
            >>> controller.cancel("long")
            >>> controller.wait()
            True
            >>> controller.pop().status
            'cancel'
        """
        session = self._present()
        if session is None:
            return
        session.client.check()
        wanted = [names] if isinstance(names, str) else list(names)
        ids = session.book.all_ids() if all else session.book.ids(wanted)
        if ids:
            session.cancel(ids)

    @property
    def error(self) -> pd.DataFrame | None:
        """The table of the last ``map`` or ``collect`` that raised. Settable to None.

        Example::

            >>> table = controller.map("1 / x", {"x": [0, 1]}, error="silent")
            >>> try:
            ...     controller.map("1 / x", {"x": [0, 1]})
            ... except crew.TaskError:
            ...     list(controller.error["status"])
            ['error', 'success']
            >>> controller.error = None
        """
        return self._error

    @error.setter
    def error(self, value: None) -> None:
        if value is not None:
            raise ConfigError("controller.error can only be set to None")
        self._error = None

    def logs(self, of: int | str | Task[Any] | Record) -> str:
        """The output of a worker, as text: its beginning and its end when it is long.

        Args:
            of: a worker's number, a task's name or handle, or a record; also after the pop.

        Raises:
            ConfigError: nothing is known of it.
            LaunchError: a platform keeps it, and did not answer.

        Example::

            >>> task = controller.push("print('hello from afar')", name="speaker")
            >>> controller.wait()
            True
            >>> "hello from afar" in controller.logs(task)
            True
        """
        return logs.read(of, self._present(), self._log_of, self.name, self.launcher)

    def _knows_logs(self, of: int | str | Task[Any] | Record) -> bool:
        return logs.find(of, self._present(), self._log_of) is not None

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def scale(self, throttle: bool = True) -> bool:
        """Look at the tasks now and launch the workers that are missing. True when some were.

        Blocks until the platform has taken them; with ``processes=`` it does not block, and what
        the platform refuses is in ``launcher.errors``.

        Args:
            throttle: launch nothing, and return False, within ``seconds_interval`` of the last
                launch that tasks caused. Controllers with a finite ``tasks_max`` have no such
                pause, unless their launcher gathers launches.

        Raises:
            LaunchError: the platform refused, or launching has stopped (``launcher.reset()``).

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local", workers=1) as controller:
            ...     task = controller.push("6 * 7", scale=False)
            ...     controller.scale(), controller.scale()
            (True, False)
        """
        return self._running().autoscaler.step(throttle=throttle)

    def autoscale(self) -> None:
        """Launch workers in the background as tasks need them. On from the start.

        Example::

            >>> controller.descale()
            >>> task = controller.push("1 + 1")
            >>> controller.autoscale()
            >>> task.result()
            2
        """
        session = self._running()
        if not session.autoscaler.enabled:
            session.journal.note("resumed", "autoscale() was called", 0)
        session.autoscaler.enabled = True
        session.autoscaler.kick()

    def descale(self) -> None:
        """Launch nothing until ``scale`` or ``autoscale`` is called.

        Example::

            >>> controller.descale()  # from here on, nothing is launched
            >>> controller.autoscale()
        """
        session = self._running()
        session.autoscaler.enabled = False
        session.journal.note("held", "descale() was called", 0)

    def launch(self, n: int = 1) -> None:
        """Launch ``n`` workers now, also beyond ``workers``; they are never cancelled.

        Blocks until the platform has taken them; with ``processes=`` it does not block, and what
        the platform refuses is in ``launcher.errors``.

        Args:
            n: how many, at least 1.

        Raises:
            LaunchError: the platform refused.
            ConfigError: ``n`` is not a whole number of at least 1.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local", workers=1) as controller:
            ...     controller.launch(2)
            ...     controller.launcher.summary()["worker"].tolist()
            [1, 2]
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ConfigError(f"launch(n={n!r}): n must be a whole number of at least 1")
        self._running().autoscaler.launch(n, manual=True)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _complained(
        self, table: pd.DataFrame, failed: Sequence[Record], error: OnError | None
    ) -> pd.DataFrame:
        if failed:
            if error == "stop":
                self._error = table
            complain(failed, error)
        return table
