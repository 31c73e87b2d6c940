"""One task, from its message to its outcome."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from time import perf_counter, time
from types import CoroutineType
from typing import Any

import msgspec
from msgspec.structs import replace

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
from crew_core._worker.random_state import Seeder
from crew_core._worker.standard_streams import Streams
from crew_core._worker.task import OneTask
from crew_core._worker.task_warnings import TaskWarnings

_SUCCESS = int(Status.SUCCESS)
_ERROR = int(Status.ERROR)
_VALUE_MAX = (1 << 32) - (1 << 20)  # a message must hold the value and what is said about it


class _Ended(msgspec.Struct, frozen=True):
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
        self._commands = commands
        self._main = main
        self._between = between
        self._seeder = seeder
        self._interrupts = interrupts
        self._streams = streams
        self._memory = memory or PeakMemory()
        self._buffers = buffers or LargeBuffers()
        self._warnings = TaskWarnings(lambda: streams.err)
        self._pid = os.getpid()
        self._generation = forks.generation
        self._command: LoadedFunction | Text | None = None
        self._warms_up = False  # the task is a warm-up: what it leaves is kept
        self._started = 0.0

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
            ended = self._failed(error)
        if forks.generation != self._generation:
            forks.leave()
        self._streams.restore()
        detail = OutcomeDetail(
            ended.value,
            ended.error,
            ended.trace,
            self._warnings.take(),
            ended.exception,
            self._pid,
            started_at,
            self._memory.after_task(),
            None,
            ended.beside,
        )
        status = _SUCCESS if ended.error is None else _ERROR
        segments: tuple[str, ...] = ()
        if self._buffers.are_used:
            segments = self._buffers.settle(success=ended.error is None)
        fired = self._interrupts.fired
        return TaskDone(task.id, status, ended.seconds, encode(detail), segments, fired)

    def clean_up(self) -> None:
        """After a task, and after its outcome was sent: put back what is to be put back."""
        command, self._command = self._command, None
        self._interrupts.restore()
        namespaces = command.namespaces if isinstance(command, LoadedFunction) else ()
        if self._warms_up:
            self._keep(namespaces)
        else:
            self._between.after_task(namespaces)
        if self._memory.has_risen:
            self._memory.start_afresh()

    def _attempt(self, task: OneTask) -> _Ended:
        interrupts = self._interrupts
        try:
            interrupts.arm()
            body = decode_body(task.body)
            self._seeder.begin(task.id, body.seed, body.algorithm, body.stream)
            command = self._command = self._commands.get(task.digest)
            large = () if body.beside is None else self._buffers.take_in(body.beside)
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
                value = _finished(value)
            seconds = perf_counter() - self._started
            del body, args, data  # what is large is not kept while the value is pickled
            beside: pickling.Beside = []
            pickled = pickling.dump(value, "the result", beside)
            given = None
            if beside:
                given = self._buffers.give_away(beside, share=not self._warms_up)
            interrupts.armed = False
        except BaseException as error:  # noqa: BLE001  (whatever the user's code raises)
            interrupts.armed = False
            return self._failed(error)
        size = len(pickled)
        if given is not None:
            size += sum(map(len, given.payloads))
        if size > _VALUE_MAX:
            return self._too_large(size, seconds)
        return _Ended(seconds, pickled, None, None, None, given)

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
            self._commands.leave(namespace.module, namespace.changes())
        names = self._commands.left(self._main.module)
        names.update(self._main.changes())
        self._main.adopt(names)
        self._commands.leave(self._main.module, names)

    def _bind_packages(self, packages: tuple[str, ...]) -> None:
        """As the import statement does it: ``a.b`` is bound as ``a``."""
        for name in packages:
            top = name.partition(".")[0]
            self._main.names[top] = import_module(top)

    def _failed(self, error: BaseException) -> _Ended:
        seconds = perf_counter() - self._started
        if forks.generation != self._generation:
            forks.leave(error)
        from crew_core._worker.failures import describe

        failure = describe(error, self._streams.err)
        return _Ended(seconds, None, failure.error, failure.trace, failure.exception)

    def _too_large(self, size: int, seconds: float) -> _Ended:
        error = SerializationError(
            f"the result is too large: {size} bytes, and at most {_VALUE_MAX} can be sent. "
            "Write it to a file and return the file's name."
        )
        return replace(self._failed(error), seconds=seconds)


def _bind_globals(shared: Command, namespaces: tuple[Namespace, ...]) -> None:
    if shared.globals is not None:
        names: dict[str, Any] = pickling.load(shared.globals, "the task's globals")
        for namespace in namespaces:
            namespace.names.update(names)


def _finished(coroutine: CoroutineType[Any, Any, Any]) -> Any:
    import asyncio

    run: Callable[..., Any] = asyncio.run
    return run(coroutine)
