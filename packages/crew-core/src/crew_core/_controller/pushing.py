"""Tasks in: ``push``, ``submit`` and ``walk``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crew_core._controller import commands, mapping, packing, task_options
from crew_core._controller.handle import Task
from crew_core._controller.mapping import Elements
from crew_core._controller.references import Pickled
from crew_core._controller.session_holder import SessionHolder
from crew_core._controller.sheet import Sheet
from crew_core._controller.task_options import PLAIN, TaskOptions
from crew_core._model.errors import ConfigError

if TYPE_CHECKING:
    from crew_core._controller.session import Session

T = TypeVar("T")


class Pushing(SessionHolder):
    """The part of ``Controller`` that takes tasks."""

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

        Example::

            >>> controller.push(sum, ([1, 2, 3],), name="of a call").result()
            6
            >>> controller.push("a + b", data={"a": 1}, globals={"b": 2}, name="of text").result()
            3
        """
        options = task_options.task_options(
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            seconds_queue=seconds_queue,
            seconds_expected=self._check_expected(seconds_expected),
            priority=priority,
            save_command=save_command,
        )
        task_name = task_options.check_name(name)
        kwargs = task_options.check_mapping("data", data)
        prepared = commands.prepare(
            command,
            list(kwargs),
            global_names=task_options.check_mapping("globals", globals),
            packages=task_options.check_packages(packages),
        )
        arguments = packing.pickle_arguments(command, args, kwargs)
        if prepared.references or arguments.references:
            self._check_references((*prepared.references, *arguments.references))
        session = self._running()
        handle = session.submit_one(prepared, task_name, arguments, options)
        self._after_push(session, scale=scale, throttle=throttle)
        return handle

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Task[T]:
        """Queue ``fn(*args, **kwargs)`` as ``concurrent.futures`` does, and return its future.

        Such a task is consumed through its future alone: ``pop``, ``collect`` and ``size`` do not
        see it.

        Raises:
            SerializationError, LaunchError, DispatcherError: as ``push`` does.
            TypeError: ``fn`` is not callable.

        Example::

            >>> future = controller.submit(pow, 2, 10)
            >>> future.result()
            1024
            >>> controller.size
            0
        """
        if not callable(fn):
            raise TypeError(f"submit({fn!r}): must be callable; push takes text")
        prepared = commands.prepare(fn, ())
        arguments = packing.pickle_arguments(fn, args, kwargs)
        if prepared.references or arguments.references:
            self._check_references((*prepared.references, *arguments.references))
        session = self._running()
        handle = session.submit_one(prepared, task_options.unnamed(), arguments, PLAIN, single=True)
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

        Example::

            >>> handles = controller.walk("x + 1", {"x": [1, 2]}, names=["one", "two"])
            >>> handles["two"].result()
            3
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
        found = mapping.elements(iterate, task_options.check_mapping("data", data), names)
        session, sheet = self._push_all(command, found, options, globals, packages)
        handles = session.book.spread(sheet)
        self._after_push(session, scale=scale, throttle=throttle)
        return dict(zip(found.names, handles, strict=True))

    def _push_all(
        self,
        command: Callable[..., Any] | str,
        found: Elements,
        options: TaskOptions,
        global_names: Mapping[str, Any] | None,
        packages: Sequence[str],
    ) -> tuple[Session, Sheet]:
        """Queue one task for each element. Lets no workers be launched yet."""
        shared = found.shared
        prepared = commands.prepare(
            command,
            [*shared, *found.keys],
            data=(lambda: packing.pickle_shared(shared, self._put_shared)) if shared else None,
            global_names=task_options.check_mapping("globals", global_names),
            packages=task_options.check_packages(packages),
        )
        arguments = mapping.pickled(command, found)
        self._check_references([*prepared.references, *arguments.references])
        session = self._running()
        return session, session.submit_all(prepared, found.names, arguments, options)

    def _put_shared(self, pickled: Pickled) -> Pickled | None:
        """Put data with large buffers once for all tasks; None where workers cannot map them."""
        self._check_references(pickled.references)
        session = self._running()
        if not session.parcels.directory:
            return None
        return packing.pickle_anew(session.objects.put(pickled, apart=True))

    def _check_expected(self, seconds: float | None) -> float | None:
        if seconds is not None and isinstance(seconds, (int, float)):
            limit = self._options.limit_below(seconds)
            if limit:
                raise ConfigError(
                    f"seconds_expected={seconds!r}: no worker of controller {self.name!r} lives "
                    f"longer than {limit}, so the task could never start"
                )
        return seconds
