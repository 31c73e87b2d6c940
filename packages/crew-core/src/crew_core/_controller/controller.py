"""The controller: tasks in, records out, workers as needed. What a user holds."""

from __future__ import annotations

import threading
import time
import warnings as python_warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from crew_core._controller import lifetime, logs, mapping, submission
from crew_core._controller.backlog import Backlog
from crew_core._controller.handle import Task, task_error
from crew_core._controller.session import Session, SessionOptions
from crew_core._controller.submission import TaskOptions
from crew_core._launcher.base import Launcher
from crew_core._model.errors import ConfigError, TaskError, TaskWarning
from crew_core._model.names import random_name
from crew_core._model.options import (
    ClientOptions,
    LogOptions,
    RetryOptions,
    ScalingOptions,
    WorkerOptions,
)
from crew_core._model.record import Record

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

    from crew_core._client.client import Client

T = TypeVar("T")
OnError = Literal["stop", "warn", "silent"]
ON_ERROR: tuple[OnError, ...] = ("stop", "warn", "silent")


class Controller:
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

    Example::

        with crew.controller("local", workers=2) as controller:
            controller.push(sum, ([1, 2, 3],), name="six")
            controller.wait()
            print(controller.pop().result)
    """

    def __init__(
        self,
        launcher: Launcher,
        *,
        client: ClientOptions | None = None,
        worker: WorkerOptions | None = None,
        scaling: ScalingOptions | None = None,
        retry: RetryOptions | None = None,
        log: LogOptions | None = None,
    ) -> None:
        client = client or ClientOptions()
        self._launcher = launcher
        self._options = SessionOptions(
            name=client.name or random_name(),
            worker=worker or WorkerOptions(),
            scaling=scaling or ScalingOptions(),
            retry=retry or RetryOptions(),
            client=client,
            log=log or LogOptions(),
        )
        self._owner = lifetime.Owner(f"controller {self._options.name!r}")
        self._starting = threading.Lock()
        self._session: Session | None = None
        self._backlog = Backlog()
        self._log_of = logs.LogIndex()
        self._error: pd.DataFrame | None = None

    def __repr__(self) -> str:
        state = f"{self.size} tasks" if self.started else "not started"
        return f"<crew controller {self.name!r} on {self._launcher.name!r}: {state}>"

    # ── Life ───────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the dispatcher, if it is not running. Blocks until it is up.

        Raises:
            DispatcherError: it did not start within ``seconds_timeout``.
        """
        self._running()

    def terminate(self) -> None:
        """End all workers, pending launches and the dispatcher, and drop unpopped tasks.

        Blocks for a few seconds at most. Nothing of ours is left afterwards. Does nothing when the
        controller is not started, or in a forked child of the process that started it.
        """
        if self._owner.is_elsewhere():
            return
        with self._starting:
            session, self._session = self._session, None
            if session is not None:
                lifetime.forget(self)
                session.stop()
        self._backlog.clear()

    @property
    def started(self) -> bool:
        """True while the controller is running."""
        return self._session is not None and not self._owner.is_elsewhere()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    # ── Tasks in ───────────────────────────────────────────────────────────────────────────────

    @overload
    def push(
        self,
        command: Callable[..., T],
        args: Sequence[Any] = (),
        data: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        scale: bool = True,
        throttle: bool = True,
    ) -> Task[T]: ...
    @overload
    def push(
        self,
        command: str,
        args: Sequence[Any] = (),
        data: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        scale: bool = True,
        throttle: bool = True,
    ) -> Task[Any]: ...
    def push(  # noqa: PLR0913 - the contract of docs/reference/api
        self,
        command: Callable[..., Any] | str,
        args: Sequence[Any] = (),
        data: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        scale: bool = True,
        throttle: bool = True,
    ) -> Task[Any]:
        """Queue one task and return its handle. Does not wait for it.

        Args:
            command: a callable, called with ``*args, **data``; or a string of Python, evaluated
                with ``data`` as its local names, to the value of its last expression.
            args: positional arguments; not for text.
            data: keyword arguments, or the text's local names.
            name: the task's name, unique among unpopped tasks; made up when None.
            globals: global names for text, and for functions shipped by value (those of
                ``__main__``, notebooks, closures). Other functions see their own module's.
            packages: modules imported before the task runs, and bound by name for text.
            seed: for the task's random numbers; None gives it a stream of its own.
            algorithm: NumPy bit generator of ``crew.rng()``.
            seconds_timeout: longest run time, in seconds; then the status is "timeout".
            seconds_queue: longest wait for a worker, in seconds; then the status is "timeout".
            seconds_expected: a worker with less time left than this is not given the task.
            priority: larger first.
            save_command: keep the command's text in the record.
            scale: let this push launch workers.
            throttle: let launches of a burst of pushes gather; False: look at once.

        Raises:
            ConfigError: a bad value, a name that is taken, text that does not parse.
            TypeError: a value of the wrong type.
            SerializationError: the command or an argument cannot be pickled; names it.
            LaunchError: no workers can be launched (see ``launcher.errors``).
            DispatcherError: the dispatcher is dead.
        """
        options = TaskOptions(
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            seconds_queue=seconds_queue,
            seconds_expected=self._check_expected(seconds_expected),
            priority=priority,
            save_command=save_command,
        )
        task_name = submission.check_name(name)
        kwargs = submission.check_mapping("data", data)
        prepared = submission.prepare(
            command,
            list(kwargs),
            global_names=submission.check_mapping("globals", globals),
            packages=submission.check_packages(packages),
        )
        arguments = submission.pickle_arguments(command, args, kwargs)
        session = self._running()
        handle = session.submit(prepared, [task_name], [arguments], [options])[0]
        self._after_push(session, scale=scale, throttle=throttle)
        return handle

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Task[T]:
        """Queue ``fn(*args, **kwargs)`` as ``concurrent.futures`` does, and return its future.

        Such a task is consumed through its future alone: ``pop``, ``collect`` and ``size`` do not
        see it.

        Raises:
            SerializationError, LaunchError, DispatcherError: as ``push`` does.
            TypeError: ``fn`` is not callable.
        """
        if not callable(fn):
            raise TypeError(f"submit({fn!r}): must be callable; push takes text")
        prepared = submission.prepare(fn, ())
        arguments = submission.pickle_arguments(fn, args, kwargs)
        session = self._running()
        name = submission.unnamed()
        handle = session.submit(prepared, [name], [arguments], [TaskOptions()], single=True)[0]
        self._after_push(session, scale=True, throttle=True)
        return handle

    def walk(  # noqa: PLR0913 - the contract of docs/reference/api
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
        scale: bool = True,
        throttle: bool = True,
    ) -> dict[str, Task[Any]]:
        """Queue one task for each element of the lists in ``iterate``; their handles by name.

        Args:
            command: as in ``push``.
            iterate: lists of one length, by the name under which a task sees its element.
            data: what all tasks share, pickled once and sent to each worker once.
            globals: as in ``push``.
            packages: as in ``push``.
            names: a key of ``iterate`` whose elements name the tasks, or a list of names.
            seed: root of the tasks' seeds: each task gets one of its own.
            algorithm: as in ``push``.
            seconds_timeout: as in ``push``, for each task.
            seconds_queue: as in ``push``, for each task.
            seconds_expected: as in ``push``.
            priority: as in ``push``.
            save_command: as in ``push``.
            scale: as in ``push``.
            throttle: as in ``push``.

        Raises:
            ConfigError, TypeError, SerializationError, LaunchError, DispatcherError: as ``push``.
        """
        shared = submission.check_mapping("data", data)
        found = mapping.elements(iterate, shared, names)
        base = TaskOptions(
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            seconds_queue=seconds_queue,
            seconds_expected=self._check_expected(seconds_expected),
            priority=priority,
            save_command=save_command,
        )
        prepared = submission.prepare(
            command,
            [*shared, *found.keys],
            data=shared,
            global_names=submission.check_mapping("globals", globals),
            packages=submission.check_packages(packages),
        )
        pickled = [
            submission.pickle_arguments(command, (), found.data(i)) for i in range(len(found.rows))
        ]
        session = self._running()
        each = submission.spread_seed(base, len(pickled))
        handles = session.submit(prepared, found.names, pickled, each)
        self._after_push(session, scale=scale, throttle=throttle)
        return {handle.name: handle for handle in handles}

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

        The other arguments are those of ``walk``.

        Args:
            error: when a task did not succeed: "stop" raises and leaves the table in
                ``controller.error``, "warn" warns, "silent" does neither.
            warnings: tell in one warning of ours that tasks gave warnings.
            progress: show a bar; None: where a person looks on (terminal, notebook).

        Returns:
            A table with the record's columns, a row per task in the order of ``iterate``.

        Raises:
            TaskError: a task did not succeed, with ``error="stop"``.
            ConfigError: the controller has unpopped tasks; and as ``walk``.
        """
        submission.check_choice("error", error, ON_ERROR)
        if self.size:
            raise ConfigError(
                f"map needs an empty controller, but {self.size} tasks are not popped: pop or "
                "collect them first, or use another controller"
            )
        handles = self.walk(
            command,
            iterate,
            data=data,
            globals=globals,
            packages=packages,
            names=names,
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            seconds_queue=seconds_queue,
            seconds_expected=seconds_expected,
            priority=priority,
            save_command=save_command,
            scale=scale,
            throttle=throttle,
        )
        records = self._run_all(list(handles.values()), progress)
        return self._table(records, error, warn_of_warnings=warnings)

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
        """
        if error is not None:
            submission.check_choice("error", error, ON_ERROR)
        session = self._present()
        if session is None:
            return None
        handle = session.book.pop()
        if handle is None:
            session.check()
        self._maybe_scale(session, scale=scale, throttle=throttle)
        if handle is None:
            return None
        record = handle.record
        assert record is not None
        self._log_of.add(record)
        if record.status != "success":
            _complain([record], error)
        return record

    def collect(
        self, scale: bool = True, throttle: bool = True, error: OnError | None = None
    ) -> pd.DataFrame | None:
        """All finished records as a table with the record's columns, or None. Does not wait.

        The arguments are those of ``pop``. With ``error="stop"`` the table is in
        ``controller.error`` when this raises.
        """
        if error is not None:
            submission.check_choice("error", error, ON_ERROR)
        session = self._present()
        if session is None:
            return None
        handles = session.book.pop_all()
        if not handles:
            session.check()
        self._maybe_scale(session, scale=scale, throttle=throttle)
        if not handles:
            return None
        return self._table(self._records(handles), error, warn_of_warnings=False)

    def wait(
        self,
        mode: Literal["all", "one"] = "all",
        seconds_timeout: float = float("inf"),
        scale: bool = True,
        throttle: bool = True,
    ) -> bool:
        """Wait until tasks are done. Ctrl-C interrupts at once and leaves the controller usable.

        Args:
            mode: "all": every pushed task has ended; "one": at least one can be popped.
            seconds_timeout: the longest wait, in seconds.
            scale: let this call launch workers for tasks that wait.
            throttle: let launches gather; False: look at once.

        Returns:
            True when it is so. On an empty controller at once: True for "all", False for "one".

        Raises:
            DispatcherError: the dispatcher died.
            LaunchError: no workers can be launched.
        """
        submission.check_choice("mode", mode, ("all", "one"))
        seconds = submission.check_timeout("seconds_timeout", seconds_timeout)
        session = self._present()
        if session is None or not session.book.size:
            return mode == "all"
        self._maybe_scale(session, scale=scale, throttle=throttle)
        book = session.book
        if mode == "all":
            return _wait_until(session, lambda: not book.unresolved, seconds)
        return _wait_until(session, lambda: book.poppable, seconds)

    def cancel(self, names: str | Sequence[str] = (), all: bool = False) -> None:
        """Stop tasks: waiting ones are removed, running ones stopped for certain. Does not wait.

        Each cancelled task gives a record with status "cancel". Unknown names are ignored. A task
        that ignores the interrupt is killed with its process; its worker stays.

        Args:
            names: a name or several.
            all: every unfinished task, submitted ones too.
        """
        session = self._present()
        if session is None:
            return
        wanted = [names] if isinstance(names, str) else list(names)
        ids = session.book.all_ids() if all else session.book.ids(wanted)
        if ids:
            session.client.cancel(ids)

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def scale(self, throttle: bool = True) -> bool:  # noqa: ARG002 - R crew's signature
        """Look at the tasks now and launch the workers that are missing. True when some were.

        Blocks until the platform has taken them.

        Raises:
            LaunchError: the platform refused.
        """
        return self._running().autoscaler.step()

    def autoscale(self) -> None:
        """Launch workers in the background as tasks need them. On from the start."""
        scaler = self._running().autoscaler
        scaler.enabled = True
        scaler.kick()

    def descale(self) -> None:
        """Launch nothing until ``scale`` or ``autoscale`` is called."""
        self._running().autoscaler.enabled = False

    def launch(self, n: int = 1) -> None:
        """Launch ``n`` workers now, also beyond ``workers``, and wait until the platform has them.

        Raises:
            LaunchError: the platform refused.
            ConfigError: ``n`` is not a whole number of at least 1.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ConfigError(f"launch(n={n!r}): n must be a whole number of at least 1")
        self._running().autoscaler.launch(n, manual=True)

    # ── Questions ──────────────────────────────────────────────────────────────────────────────

    @property
    def name(self) -> str:
        """The controller's name."""
        return self._options.name

    @property
    def launcher(self) -> Launcher:
        """The launcher: ``summary()``, ``errors``, ``reset()``, ``call()``."""
        return self._launcher

    @property
    def client(self) -> Client:
        """The connection to the dispatcher: ``summary()``, ``resources()``. Starts it."""
        return self._running().client

    @property
    def error(self) -> pd.DataFrame | None:
        """The table of the last ``map`` or ``collect`` that raised. Settable to None."""
        return self._error

    @error.setter
    def error(self, value: None) -> None:
        if value is not None:
            raise ConfigError("controller.error can only be set to None")
        self._error = None

    @property
    def size(self) -> int:
        """Pushed tasks that are not popped, running or done."""
        session = self._present()
        return 0 if session is None else session.book.size

    @property
    def empty(self) -> bool:
        """True when ``size`` is 0."""
        return self.size == 0

    @property
    def nonempty(self) -> bool:
        """True when ``size`` is not 0."""
        return self.size > 0

    @property
    def saturated(self) -> bool:
        """True when ``size`` is at least ``workers``."""
        return self.size >= self._options.scaling.workers

    @property
    def pushed(self) -> int:
        """Tasks pushed since the start."""
        session = self._present()
        return 0 if session is None else session.book.pushed

    @property
    def popped(self) -> int:
        """Tasks popped since the start."""
        session = self._present()
        return 0 if session is None else session.book.popped

    @property
    def resolved(self) -> int:
        """Pushed tasks that have ended since the start, popped or not."""
        session = self._present()
        return 0 if session is None else session.book.resolved

    @property
    def unresolved(self) -> int:
        """Pushed tasks that have not ended."""
        session = self._present()
        return 0 if session is None else session.book.unresolved

    def crashes(self, name: str) -> int:
        """Crashes in a row of the task of this name, until it succeeds."""
        session = self._present()
        return 0 if session is None else session.book.crashes(name)

    def push_backlog(self, name: str) -> None:
        """Remember the name of a task that is not to be pushed yet.

        Raises:
            ConfigError: it is there already.
        """
        self._backlog.push(submission.check_name(name))

    def pop_backlog(self) -> list[str]:
        """Names from the backlog, first in first out, as many as there are free workers."""
        return self._backlog.pop(self._options.scaling.workers - self.size)

    def summary(self) -> pd.DataFrame:
        """What each worker did: tasks, seconds, and how they ended. A row per worker.

        Tasks that ended without reaching a worker are in a row without a worker. Before the start
        there are no rows.
        """
        from crew_core._controller.tables import controller_summary

        session = self._present()
        if session is None:
            return controller_summary(self.name, [], {}, {}, {})
        for handle in session.book.finished():
            _ = handle.record  # counts its warnings
        slots = [worker for worker, _, _ in session.roster.latest()]
        statistics = session.book.statistics()
        warned = session.records.warned()
        return controller_summary(self.name, slots, session.worker_of(), statistics, warned)

    def logs(self, of: int | str | Task[Any] | Record) -> str:
        """The output of a worker, as text: its beginning and its end when it is long.

        Args:
            of: a worker's number, a task's name or handle, or a record; also after the pop.

        Raises:
            ConfigError: nothing is known of it.
        """
        return logs.read(of, self._present(), self._log_of, self.name)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _present(self) -> Session | None:
        """The session, if there is one here."""
        self._owner.check()
        return self._session

    def _running(self) -> Session:
        """The session, started if need be."""
        self._owner.check()
        session = self._session
        if session is not None:
            return session
        with self._starting:
            if self._session is None:
                self._session = Session(self._launcher, self._options)
                lifetime.remember(self)
            return self._session

    def _abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        if self._session is not None:
            self._session.abandon()

    def _after_push(self, session: Session, *, scale: bool, throttle: bool) -> None:
        if scale and session.autoscaler.wants_kick():
            self._kick(session, throttle=throttle)

    def _maybe_scale(self, session: Session, *, scale: bool, throttle: bool) -> None:
        if scale and session.book.unfinished and session.autoscaler.wants_kick():
            self._kick(session, throttle=throttle)

    def _kick(self, session: Session, *, throttle: bool) -> None:
        if throttle or not session.autoscaler.enabled:
            session.autoscaler.kick()
        else:
            session.autoscaler.step()

    def _check_expected(self, seconds: float | None) -> float | None:
        wall = self._options.worker.seconds_wall
        if seconds is not None and isinstance(seconds, (int, float)) and seconds > wall:
            raise ConfigError(
                f"seconds_expected={seconds!r}: no worker of controller {self.name!r} lives longer "
                f"than seconds_wall={wall:g}, so the task could never start"
            )
        return seconds

    def _run_all(self, handles: list[Task[Any]], progress: bool | None) -> list[Record]:
        from crew_core._controller.progress import watching

        session = self._running()
        with watching(handles, progress) as seconds_between:
            done = session.book.all_done(handles)
            while not _wait_until(session, done, seconds_between()):
                pass
        session.book.take(handles)
        return self._records(handles)

    def _records(self, handles: Sequence[Task[Any]]) -> list[Record]:
        records = []
        for handle in handles:
            record = handle.record
            assert record is not None
            self._log_of.add(record)
            records.append(record)
        return records

    def _table(
        self, records: Sequence[Record], error: OnError | None, *, warn_of_warnings: bool
    ) -> pd.DataFrame:
        from crew_core._controller.tables import records_table

        table = records_table(records)
        warned = [r for r in records if r.warnings is not None]
        if warn_of_warnings and warned:
            python_warnings.warn(
                TaskWarning(f"{len(warned)} tasks gave warnings; first: {warned[0].warnings}"),
                stacklevel=3,
            )
        failed = [r for r in records if r.status != "success"]
        if failed:
            if error == "stop":
                self._error = table
            _complain(failed, error)
        return table


def _complain(failed: Sequence[Record], error: OnError | None) -> None:
    """Raise or warn of tasks that did not succeed, as asked."""
    if error == "stop":
        if len(failed) == 1:
            raise task_error(failed[0])
        first = task_error(failed[0])
        message = (
            f"{len(failed)} tasks did not succeed (all are in controller.error); first: {first}"
        )
        raise TaskError(message, failed[0]) from failed[0].exception
    if error == "warn":
        python_warnings.warn(
            TaskWarning(f"{len(failed)} tasks did not succeed; first: {task_error(failed[0])}"),
            stacklevel=4,
        )


def _wait_until(session: Session, done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    changed = session.book.changed
    with changed:
        while not done():
            session.check()
            if session.book.failure is not None:
                raise session.book.failure  # terminated from another thread
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # Waiting without end must not be passed as infinity, which overflows.
            changed.wait(min(left, 3600.0))
        return True
