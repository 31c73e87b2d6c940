"""Runs tasks as a guest of the user's own process, with the code that workers run them with.

A task gets what it would get in a worker: pickled arguments, an empty ``__main__``, its own random
state, Python's own warning filters. What a worker keeps for the next task (working directory,
environment, search path, random states, the running event loop, ...) is the user's here, and is
put back after each task. Modules are the user's, too, and so is what a task changes in them.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

from crew_core._wire import messages
from crew_core._wire.references import RESOLVER
from crew_core._worker.alarm import GuestInterrupts
from crew_core._worker.between import Between, Namespace, empty_main
from crew_core._worker.commands import Commands
from crew_core._worker.evaluate import Evaluator
from crew_core._worker.memory import PeakMemory
from crew_core._worker.objects import Objects
from crew_core._worker.random_state import Seeder
from crew_core._worker.session_options import SessionOptions
from crew_core._worker.standard_streams import HostStreams
from crew_core._worker.task import OneTask

_QUIET = (ResourceWarning, ImportWarning, PendingDeprecationWarning, DeprecationWarning)


class Guest:
    """Runs tasks one after the other, in whichever thread asks for it.

    Args:
        settings: what is put back between tasks, and the root of the random streams.
        objects: what its tasks may refer to.
        like: a guest whose warm-ups this one's tasks see, too.
    """

    def __init__(
        self, settings: messages.WorkerSettings, objects: Objects, like: Guest | None = None
    ) -> None:
        self._controller = settings.controller
        self._root = int(settings.root_seed)
        self._module = empty_main()
        self._main = Namespace(self._module.__dict__)
        self._objects = objects
        self._commands = Commands(objects)
        self._left_environment: dict[str, str] = {}  # by warm-ups
        if like is not None:
            self._left_environment.update(like._left_environment)
            self._commands.adopt(like._commands)
            self._main.adopt(self._commands.left(self._main.module))
        self._between = Between(settings, self._main, self._commands.unload)
        self._memory = PeakMemory(own=False)

    def hold(self, digest: bytes, payload: bytes) -> None:
        """Keep a command for the tasks that follow."""
        self._commands.hold(digest, payload)

    def forget(self, digests: list[bytes]) -> None:
        """No task will need these any more."""
        self._commands.forget(digests)

    def close(self) -> None:
        """Let go of what was loaded."""
        self._commands.unload()

    def run(self, task: messages.Batch, interrupts: GuestInterrupts) -> messages.TaskDone:
        """Run a task and put back what is the user's.

        Args:
            task: the task, a batch of one.
            interrupts: installed already.
        """
        # What the task sets in context variables ends with it.
        return contextvars.copy_context().run(self._run, task, interrupts)

    def _run(self, task: messages.Batch, interrupts: GuestInterrupts) -> messages.TaskDone:
        with contextlib.ExitStack() as visit:
            seeder, streams = self._enter(visit)
            warms_up = task.first >= messages.WARM_UP_IDS
            environment = dict(os.environ) if warms_up else {}
            evaluator = Evaluator(
                self._commands, self._main, self._between, seeder, interrupts, streams, self._memory
            )
            done = evaluator.run(OneTask(task.first, task.digest, task.bodies[0]))
            evaluator.clean_up()
            if warms_up:
                self._note_environment(environment)
            return done

    def _note_environment(self, before: dict[str, str]) -> None:
        """What a warm-up sets holds for the tasks that follow."""
        changes = {name: v for name, v in os.environ.items() if before.get(name) != v}
        self._left_environment.update(changes)

    def _enter(self, visit: contextlib.ExitStack) -> tuple[Seeder, HostStreams]:
        """Make the process look like a worker's. Whatever fails, the rest is put back."""
        RESOLVER.set(self._objects.get)
        streams = HostStreams()
        streams.restore()  # writes out what is buffered: a child that the task forks would, too
        visit.callback(streams.restore)
        visit.enter_context(warnings.catch_warnings())
        _use_pythons_own_filters()
        visit.callback(SessionOptions().restore)
        visit.callback(_set_controller(self._controller))
        os.environ.update(self._left_environment)
        visit.callback(_keep_list("path"))
        visit.callback(_keep_list("argv"))
        sys.argv[:] = ["crew-task"]
        visit.callback(_keep_random_states())
        seeder = Seeder(self._root, own=False)
        visit.callback(seeder.withdraw)
        visit.callback(_set_main_aside(self._module))
        visit.callback(_set_event_loop_aside())
        return seeder, streams


def _use_pythons_own_filters() -> None:
    """Those of a new session: a worker does not know the user's."""
    warnings.resetwarnings()
    for category in _QUIET:
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
    # Workers inherit this one, and Python alone knows how to read it.
    given = os.environ.get("PYTHONWARNINGS", "")
    warnings._processoptions(list(filter(None, given.split(","))))  # type: ignore[attr-defined]


def _set_controller(name: str) -> Callable[[], None]:
    """Sets ``$CREW_CONTROLLER``. Put back by itself, it spares tasks the whole environment's."""
    before = os.environ.get("CREW_CONTROLLER")
    os.environ["CREW_CONTROLLER"] = name

    def restore() -> None:
        if before is None:
            os.environ.pop("CREW_CONTROLLER", None)
        else:
            os.environ["CREW_CONTROLLER"] = before

    return restore


def _keep_list(name: str) -> Callable[[], None]:
    """Puts a list of ``sys`` back: the same object with the same elements."""
    before: list[Any] = getattr(sys, name)
    elements = list(before)

    def restore() -> None:
        before[:] = elements
        setattr(sys, name, before)

    return restore


def _keep_random_states() -> Callable[[], None]:
    state = random.getstate()
    numpy_random = sys.modules.get("numpy.random")
    numpy_state = None if numpy_random is None else numpy_random.get_state()

    def restore() -> None:
        random.setstate(state)
        legacy = sys.modules.get("numpy.random")
        if numpy_random is not None:
            numpy_random.set_state(numpy_state)
        elif legacy is not None:  # the task imported it: it starts at random, as any import
            legacy.seed()

    return restore


def _set_main_aside(module: Any) -> Callable[[], None]:
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module

    def restore() -> None:
        sys.modules["__main__"] = before

    return restore


def _set_event_loop_aside() -> Callable[[], None]:
    """Lets the task run an event loop of its own although the caller is inside one."""
    events = sys.modules.get("asyncio.events")
    loop = None if events is None else events._get_running_loop()
    if events is None or loop is None:
        return lambda: None
    events._set_running_loop(None)
    return lambda: events._set_running_loop(loop)
