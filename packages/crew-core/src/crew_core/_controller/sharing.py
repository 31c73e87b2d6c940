"""What all workers have in common: warm-ups that each of them runs, objects that each may need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from crew_core._controller import commands, packing, task_options
from crew_core._controller.everywhere import Everywhere
from crew_core._controller.references import Reference
from crew_core._controller.session_holder import SessionHolder
from crew_core._controller.task_options import TaskOptions
from crew_core._controller.warm_up_book import WarmUp

T = TypeVar("T")


class Sharing(SessionHolder):
    """The part of ``Controller`` that reaches every worker."""

    def everywhere(
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
        save_command: bool = False,
    ) -> Everywhere:
        """Run a command on every worker: now, and on each that comes later before its tasks.

        A warm-up: load a model, open a connection, import what is slow. A worker runs it behind
        the tasks it was given before this call, and before any that is pushed later; and again
        when its task process had to be replaced, since what was loaded died with that. Launches
        no worker, is no task (``pop``, ``size`` and ``summary`` do not see it), does not wait.

        What it leaves stays for all tasks to come, whatever ``reset_globals``, ``reset_packages``
        and ``reset_options`` put back between them: modules and what is in them, environment
        variables, and global names. Names that text assigns are global here. Functions shipped by
        value (those of ``__main__`` and notebooks) see the names that a warm-up of the same module
        has left, rather than the values these names had where the task was pushed.

        One that raises does no harm: its record says so, and tasks run. One that ends its worker,
        or its task process, counts as a crash; after ``crashes_max`` of these in a row it is given
        up, which ``given_up`` and the log tell.

        Args:
            command: as in ``push``. What it returns is sent back as its record's result.
            args: as in ``push``.
            data: as in ``push``.
            name: for logs and records; made up when None.
            globals: global names to set, for text tasks and for functions shipped by value.
            packages: modules imported first, and bound by name for text.
            seed: for its random numbers, the same on each worker.
            algorithm: as in ``push``.
            seconds_timeout: longest run time on a worker, in seconds.
            save_command: keep the command's text in the records.

        Raises:
            ConfigError, TypeError, SerializationError: as ``push``.
            DispatcherError: the dispatcher is dead.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local", workers=1) as controller:
            ...     warm_up = controller.everywhere("table = {n: n * n for n in range(100)}")
            ...     controller.push("table[n]", data={"n": 12}).result()
            144
        """
        options = TaskOptions(
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            save_command=save_command,
        )
        warm_up_name = task_options.check_name(name)
        kwargs = task_options.check_mapping("data", data)
        prepared = commands.prepare(
            command,
            list(kwargs),
            global_names=task_options.check_mapping("globals", globals),
            packages=task_options.check_packages(packages),
        )
        arguments = packing.pickle_arguments(command, args, kwargs)
        mentioned = (*prepared.references, *arguments.references)
        self._check_references(mentioned)
        session = self._running()
        warm_up = WarmUp(
            id=session.warm_ups.new_id(),
            name=warm_up_name,
            command=prepared.shown if options.save_command else None,
            seed=options.seed,
            algorithm=options.algorithm,
            digest=prepared.blob.digest,
            references=mentioned,
        )
        session.warm(warm_up, prepared, arguments, options)
        return Everywhere(session, warm_up)

    def put(self, obj: T) -> Reference[T]:
        """Hand over a big object that many tasks use; give them the reference in its place.

        The object is pickled here and now, and sent to each worker once, with the first task that
        needs it, however many tasks do. Two objects that are pickled alike are one. It is freed
        when the last reference to it is dropped and the last task that uses it is finished, and
        when the controller is terminated. ``put_memory_gigabytes`` limits the memory that objects
        take in the dispatcher, which keeps the rest in files, and in each worker. Large arrays in
        them are in memory only once where all workers are on this computer, up to the same limit.
        Starts the controller, if need be; does not wait for workers.

        Returns:
            A reference for ``args``, ``data``, ``globals`` and ``iterate``, also inside other
            objects and in variables of a function, in tasks of this controller. The task sees the
            object itself, the same one as other tasks of its worker: it should not change it.

        Raises:
            SerializationError: it cannot be pickled, or comes to more than about 4 GiB.
            ConfigError: it mentions a reference of another controller.
            DispatcherError: the dispatcher is dead.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local", workers=1) as controller:
            ...     table = controller.put(list(range(1000)))
            ...     results = controller.map("sum(table[:n])", {"n": [2, 3]}, data={"table": table})
            ...     list(results["result"])
            [1, 3]
        """
        pickled = packing.pickle_object(obj)
        self._check_references(pickled.references)
        session = self._running()
        session.client.check()
        return session.objects.put(pickled)
