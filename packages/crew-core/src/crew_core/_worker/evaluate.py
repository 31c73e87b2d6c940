"""One task, from its message to its outcome."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from importlib import import_module
from time import perf_counter, time
from types import CoroutineType
from typing import Any

import msgspec

from crew_core._model.errors import SerializationError
from crew_core._model.states import Status
from crew_core._wire import pickling
from crew_core._wire.codec import encode
from crew_core._wire.messages import (
    WARM_UP_IDS,
    Beside,
    Command,
    OutcomeDetail,
    TaskDone,
    decode_body,
)
from crew_core._worker import forks
from crew_core._worker.between import Between, Namespace
from crew_core._worker.commands import Commands, LoadedFunction, Text
from crew_core._worker.interrupts import Interrupts, TaskInterrupt
from crew_core._worker.large_buffers import LargeBuffers
from crew_core._worker.memory import PeakMemory
from crew_core._worker.plain_calls import PlainCalls
from crew_core._worker.random_state import Seeder
from crew_core._worker.standard_streams import Streams
from crew_core._worker.task import OneTask
from crew_core._worker.task_warnings import TaskWarnings

_SUCCESS = int(Status.SUCCESS)
_ERROR = int(Status.ERROR)
_VALUE_MAX = (1 << 32) - (1 << 20)  # a message must hold the value and what is said about it


class Ended(msgspec.Struct, frozen=True):
    """How the user's part of a task ended."""

    seconds: float
    value: bytes | None = None
    error: str | None = None
    trace: str | None = None
    exception: bytes | None = None
    beside: Beside | None = None


class Evaluator:
    """Runs tasks one after the other, and puts back what is to be put back between them."""

    def __init__(
        self,
        commands: Commands,
        main: Namespace,
        between: Between,
        seeder: Seeder,
        interrupts: Interrupts,
        streams: Streams,
        memory: PeakMemory | None = None,
        buffers: LargeBuffers | None = None,
    ) -> None:
        self.commands = commands
        self._main = main
        self._between = between
        self.seeder = seeder
        self.interrupts = interrupts
        self.streams = streams
        self.memory = memory or PeakMemory()
        self.buffers = buffers or LargeBuffers()
        self.warnings = TaskWarnings(lambda: streams.err)
        self._pid = os.getpid()
        self._generation = forks.generation
        self._command: LoadedFunction | Text | None = None
        self._warms_up = False  # the task is a warm-up: what it leaves is kept
        self._started = 0.0
        self._last = b""  # command

    def run(self, task: OneTask) -> TaskDone:
        """Run a task. Whatever its code does, short of ending the process, gives an outcome."""
        self._warms_up = task.id >= WARM_UP_IDS
        if self._between.remembers:
            self._between.before_task()
        started_at = time()
        self._started = perf_counter()
        try:
            ended = self._attempt(task)
        except TaskInterrupt as error:  # it came in the moment after the attempt
            ended = self.failed(error, self._started)
        return self.conclude(task, ended, started_at)

    def conclude(self, task: OneTask, ended: Ended, started_at: float) -> TaskDone:
        """What there is to say of a task whose own part has ended."""
        if forks.generation != self._generation:
            forks.leave()
        self.streams.restore()
        detail = OutcomeDetail(
            ended.value,
            ended.error,
            ended.trace,
            self.warnings.take(),
            ended.exception,
            self._pid,
            started_at,
            self.memory.after_task(),
            None,
            ended.beside,
        )
        status = _SUCCESS if ended.error is None else _ERROR
        segments: tuple[str, ...] = ()
        if self.buffers.are_used:
            segments = self.buffers.settle(success=ended.error is None)
        fired = self.interrupts.fired
        return TaskDone(task.id, status, ended.seconds, encode(detail), segments, fired)

    def plain_calls(self, task: OneTask) -> PlainCalls | None:
        """A quicker way to run this task and those with its command; None when there is none.

        Only where the task before had the same command, so that it is worth it.
        """
        digest, self._last = self._last, task.digest
        command = self.commands.loaded(task.digest)
        if (
            digest != task.digest
            or task.id >= WARM_UP_IDS
            or not isinstance(command, LoadedFunction)
            or command.shared.data is not None
            or command.shared.globals is not None
        ):
            return None
        snapshot = self._between.snapshot(command.namespaces)
        return None if snapshot is None else PlainCalls(self, digest, command, snapshot)

    def clean_up(self) -> None:
        """After a task, and after its outcome was sent: put back what is to be put back."""
        command, self._command = self._command, None
        self.interrupts.restore()
        namespaces = command.namespaces if isinstance(command, LoadedFunction) else ()
        if self._warms_up:
            self._keep(namespaces)
        else:
            self._between.after_task(namespaces)
        if self.memory.has_risen:
            self.memory.start_afresh()

    def _attempt(self, task: OneTask) -> Ended:
        interrupts = self.interrupts
        try:
            interrupts.arm()
            body = decode_body(task.body)
            self.seeder.begin(task.id, body.seed, body.algorithm, body.stream)
            command = self._command = self.commands.get(task.digest)
            large = () if body.beside is None else self.buffers.take_in(body.beside)
            args, data = pickling.load_arguments(body.arguments, large)
            if command.shared.data is not None:
                data = {**pickling.load(command.shared.data, "the task's data"), **data}
            if isinstance(command, LoadedFunction):
                if command.shared.globals is not None:
                    _bind_globals(command.shared, self._namespaces(command))
                self._started = perf_counter()
                value = command.function(*args, **data)
            else:
                value = self._text_value(command, data)
            if type(value) is CoroutineType:
                value = self.finish(value)
            seconds = perf_counter() - self._started
            del body, args, data  # what is large is not kept while the value is pickled
            pickled, beside = self.pickled(value)
            interrupts.armed = False
        except BaseException as error:  # noqa: BLE001  (whatever the user's code raises)
            interrupts.armed = False
            return self.failed(error, self._started)
        return Ended(seconds, pickled, None, None, None, beside)

    def finish(self, coroutine: CoroutineType[Any, Any, Any]) -> Any:
        """Run the coroutine that a task gave, for its value."""
        import asyncio

        run: Callable[..., Any] = asyncio.run
        return run(coroutine)

    def pickled(self, value: object) -> tuple[bytes, Beside | None]:
        """A task's value on its way, and its large buffers.

        Raises:
            SerializationError: it cannot be pickled, or is too large.
        """
        large: pickling.Beside = []
        pickled = pickling.dump(value, "the result", large)
        beside, size = None, len(pickled)
        if large:
            beside = self.buffers.give_away(large, share=not self._warms_up)
            size += sum(map(len, beside.payloads)) if beside is not None else 0
        if size > _VALUE_MAX:
            raise SerializationError(
                f"the result is too large: {size} bytes, and at most {_VALUE_MAX} can be sent. "
                "Write it to a file and return the file's name."
            )
        return pickled, beside

    def _namespaces(self, command: LoadedFunction) -> tuple[Namespace, ...]:
        return (*command.namespaces, self._main) if self._warms_up else command.namespaces

    def _text_value(self, command: Text, data: dict[str, Any]) -> Any:
        self._bind_packages(command.shared.packages)
        _bind_globals(command.shared, (self._main,))
        program = command.program(tuple(data), to_globals=self._warms_up)
        self._started = perf_counter()
        return program.run(data, self._main.names)

    def _keep(self, namespaces: tuple[Namespace, ...]) -> None:
        """Let the tasks that follow find what a warm-up has left, whatever is put back."""
        for namespace in namespaces:
            self.commands.leave(namespace.module, namespace.changes())
        names = self.commands.left(self._main.module)
        names.update(self._main.changes())
        self._main.adopt(names)
        self.commands.leave(self._main.module, names)

    def _bind_packages(self, packages: tuple[str, ...]) -> None:
        """As the import statement does it: ``a.b`` is bound as ``a``."""
        for name in packages:
            top = name.partition(".")[0]
            self._main.names[top] = import_module(top)

    def failed(self, error: BaseException, started: float) -> Ended:
        """A task that raised, described. It began at ``started``, by ``perf_counter``."""
        seconds = perf_counter() - started
        if forks.generation != self._generation:
            forks.leave(error)
        if isinstance(error, MemoryError):
            _forget_variables(error)  # to describe it takes memory, too
        from crew_core._worker.failures import describe

        failure = describe(error, self.streams.err)
        return Ended(seconds, None, failure.error, failure.trace, failure.exception)


def _forget_variables(error: BaseException) -> None:
    """Let go of what a task held when it failed; by hand, as what could do it is not imported."""
    trace = error.__traceback__
    while trace is not None:
        with contextlib.suppress(RuntimeError):  # ours, which still runs
            trace.tb_frame.clear()
        trace = trace.tb_next


def _bind_globals(shared: Command, namespaces: tuple[Namespace, ...]) -> None:
    if shared.globals is not None:
        names: dict[str, Any] = pickling.load(shared.globals, "the task's globals")
        for namespace in namespaces:
            namespace.names.update(names)
