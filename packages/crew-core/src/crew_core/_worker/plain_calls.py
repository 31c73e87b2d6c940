"""The tasks of one command that is a function and nothing else, with little around each call.

Most tasks are such plain calls, many in a row have the same function, and nearly all end well. What
each of them needs is written out here in one place, with all that they share looked up before: a
call takes less than a microsecond, and so does each step that is spared. Whatever is out of the
ordinary, an exception above all, is the evaluator's.
"""

from __future__ import annotations

import os
from time import perf_counter, time
from types import CoroutineType
from typing import TYPE_CHECKING

from crew_core._model.states import Status
from crew_core._wire.codec import encode
from crew_core._wire.messages import WARM_UP_IDS, TaskDone, decode_body
from crew_core._wire.pickling import NONE, load_arguments
from crew_core._worker import forks
from crew_core._worker.between import Snapshot
from crew_core._worker.commands import LoadedFunction
from crew_core._worker.interrupts import TaskInterrupt
from crew_core._worker.task import OneTask

if TYPE_CHECKING:
    from crew_core._worker.evaluate import Evaluator

_SUCCESS = int(Status.SUCCESS)
_TAG = TaskDone.__name__


class PlainCalls:
    """Runs them, one after the other.

    Args:
        evaluator: for what is out of the ordinary.
        digest: of the command.
        command: the command, as long as it is loaded.
        snapshot: of the names that are put back after each, which is all that is.
    """

    def __init__(
        self, evaluator: Evaluator, digest: bytes, command: LoadedFunction, snapshot: Snapshot
    ) -> None:
        self._evaluator = evaluator
        self._digest = digest
        self._function = command.function
        self._snapshot = snapshot
        self._begin = evaluator.seeder.begin
        self._interrupts = evaluator.interrupts
        self._streams = evaluator.streams
        self._warnings = evaluator.warnings
        self._memory = evaluator.memory
        self._buffers = evaluator.buffers
        self._pid = os.getpid()
        self._generation = forks.generation

    def fits(self, task: OneTask) -> bool:
        """True for a task that ``run`` can run."""
        return task.digest == self._digest and task.id < WARM_UP_IDS

    def run(self, task: OneTask) -> bytes:
        """As the evaluator's, but gives the ``TaskDone`` encoded."""
        interrupts = self._interrupts
        started_at = time()
        started = perf_counter()
        try:
            try:
                interrupts.arm()
                body = decode_body(task.body)
                self._begin(task.id, body.seed, body.algorithm, body.stream)
                large = () if body.beside is None else self._buffers.take_in(body.beside)
                args, data = load_arguments(body.arguments, large)
                started = perf_counter()
                value = self._function(*args, **data)
                if type(value) is CoroutineType:
                    value = self._evaluator.finish(value)
                seconds = perf_counter() - started
                del body, args, data, large
                pickled, beside = (NONE, None) if value is None else self._evaluator.pickled(value)
                interrupts.armed = False
            except BaseException as error:  # noqa: BLE001  (whatever the user's code raises)
                interrupts.armed = False
                return self._failed(task, error, started, started_at)
        except TaskInterrupt as error:  # it came in the moment after the attempt
            return self._failed(task, error, started, started_at)
        del value
        if forks.generation != self._generation:
            forks.leave()
        self._streams.restore()
        segments = self._buffers.settle(success=True) if self._buffers.are_used else ()
        # Fields in their order are encoded as the messages are, and need not be made into them.
        shown = self._warnings.take()
        peak = self._memory.after_task()
        detail = encode(
            (pickled, None, None, shown, None, self._pid, started_at, peak, None, beside)
        )
        return encode((_TAG, task.id, _SUCCESS, seconds, detail, segments, interrupts.fired))

    def clean_up(self) -> None:
        """As the evaluator's."""
        self._interrupts.restore()
        self._snapshot.restore()
        if self._memory.has_risen:
            self._memory.start_afresh()

    def _failed(
        self, task: OneTask, error: BaseException, started: float, started_at: float
    ) -> bytes:
        ended = self._evaluator.failed(error, started)
        return encode(self._evaluator.conclude(task, ended, started_at))
