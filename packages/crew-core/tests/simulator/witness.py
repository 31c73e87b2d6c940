"""Sees every start and every end of a task, and knows which of them may not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from crew_core._model.states import Status
from crew_core._wire import messages
from simulator.task_process import VirtualProcess
from simulator.worker import VirtualWorker
from simulator.world import World

_UNFINISHED = 0
_FATES = {int(status): number for number, status in enumerate(Status, 1)}


class Violation(Exception):  # noqa: N818 - what it is called where it is caught
    """Something happened that never may."""


class _Attempt(NamedTuple):
    worker: VirtualWorker
    process: int
    is_over: bool  # it ended by itself, so that its outcome counts


class Witness:
    """Of one run.

    Args:
        world: where it is.
        tasks: how many there will be; their ids begin with 1.
        is_lost: whether the dispatcher has given an instance up.
        due_warm_ups: those that each new task process runs before any task.
        strike: told of the moments at which a worker may be struck.

    Attributes:
        recorded: tasks whose record came.
        progress_at: when the last one did.
    """

    def __init__(
        self,
        world: World,
        tasks: int,
        is_lost: Callable[[str], bool],
        due_warm_ups: Callable[[], set[int]],
        strike: Callable[[VirtualWorker, str], None],
    ) -> None:
        self.recorded = 0
        self.progress_at = world.now
        self.fates: Counter[str] = Counter()
        self.workers: dict[str, list[VirtualWorker]] = {}
        self.alive: dict[str, VirtualWorker] = {}
        self.strike = strike
        self._world = world
        self._fate = bytearray(tasks + 1)
        self._is_lost = is_lost
        self._due_warm_ups = due_warm_ups
        self._attempts: dict[int, _Attempt] = {}
        self._deaths: dict[int, int] = {}
        self._exited: set[int] = set()
        self._lost: set[str] = set()

    # ── Records ────────────────────────────────────────────────────────────────────────────────

    def is_recorded(self, task_id: int) -> bool:
        """True when the task's one record came."""
        return self._fate[task_id] != _UNFINISHED

    def record(self, task_id: int, status: int, instance: str | None) -> None:
        """The user is given a record."""
        if not 0 < task_id < len(self._fate):
            raise Violation(f"a record of task {task_id}, which nobody pushed")
        if self._fate[task_id] != _UNFINISHED:
            raise Violation(f"a second record of task {task_id}")
        if status == Status.CRASH and task_id not in self._deaths and instance not in self._lost:
            raise Violation(f"task {task_id} is said to have crashed, and nothing died of it")
        if status in (Status.SUCCESS, Status.ERROR) and task_id not in self._attempts:
            raise Violation(f"task {task_id} is said to have run, and was never started")
        self._fate[task_id] = _FATES[status]
        self.fates[Status(status).word] += 1
        self.recorded += 1
        self.progress_at = self._world.now
        self._attempts.pop(task_id, None)
        self._deaths.pop(task_id, None)
        self._exited.discard(task_id)

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def worker_starts(self, worker: VirtualWorker) -> None:
        """A job began."""
        self.workers.setdefault(worker.instance, []).append(worker)
        self.alive[worker.name] = worker

    def worker_leaves(self, worker: VirtualWorker) -> None:
        """A worker goes by agreement, so that it runs no task any more."""
        running = worker.process.running
        if running is None or running >= messages.WARM_UP_IDS or self._is_lost(worker.instance):
            return
        raise Violation(f"{worker.name} leaves while it runs task {running}")

    def worker_over(self, worker: VirtualWorker) -> None:
        """A worker is no more."""
        del self.alive[worker.name]

    def worker_gone(self, gone: messages.WorkerGone) -> None:
        """The dispatcher says that a worker is no more."""
        if not gone.planned:
            self._lost.add(gone.instance)
        workers = self.workers.get(gone.instance, [])
        if not gone.planned and workers and not any(w.touched for w in workers):
            raise Violation(f"{gone.instance} was lost ({gone.reason}) and nothing had befallen it")

    # ── Tasks ──────────────────────────────────────────────────────────────────────────────────

    def task_starts(self, worker: VirtualWorker, process: VirtualProcess, task_id: int) -> None:
        """A task begins."""
        if self._world.traced:
            self._world.tell(worker.name, f"starts task {_shown(task_id)}")
        if task_id >= messages.WARM_UP_IDS or self._is_lost(worker.instance):
            return  # what a worker does that was given up counts no more
        if self._fate[task_id] != _UNFINISHED:
            raise Violation(f"{worker.name} starts task {task_id}, which has its record")
        before = self._attempts.get(task_id)
        if before is not None and not self._is_lost(before.worker.instance):
            how = "has run it" if before.is_over else "runs it"
            raise Violation(f"{worker.name} starts task {task_id}, and {before.worker.name} {how}")
        lacking = self._due_warm_ups() - process.warmed
        if lacking and process.number > 1:
            raise Violation(f"{worker.name} starts task {task_id} before its warm-ups")
        self._attempts[task_id] = _Attempt(worker, process.number, False)

    def task_ends(self, worker: VirtualWorker, process: VirtualProcess, task_id: int) -> None:
        """A task ended by itself."""
        if self._world.traced:
            self._world.tell(worker.name, f"ends task {_shown(task_id)}")
        if task_id >= messages.WARM_UP_IDS:
            process.warmed.add(task_id)
            return
        attempt = self._attempts.get(task_id)
        if attempt is not None and attempt.worker is worker:
            self._attempts[task_id] = attempt._replace(is_over=True)

    def process_died(
        self, worker: VirtualWorker, process: VirtualProcess, running: int | None
    ) -> None:
        """A task process died."""
        if self._world.traced:
            what = "" if running is None else f" of task {_shown(running)}"
            self._world.tell(worker.name, f"task process died{what} ({process.status})")
        if running is None or running >= messages.WARM_UP_IDS:
            return
        if not self.is_recorded(running):
            self._deaths[running] = self._deaths.get(running, 0) + 1
        attempt = self._attempts.get(running)
        if attempt is not None and attempt.worker is worker:
            del self._attempts[running]

    def exits_again(self, task_id: int) -> bool:
        """True when a task that ends its process once is yet to do so."""
        if task_id in self._exited:
            return False
        self._exited.add(task_id)
        return True


def _shown(task_id: int) -> str:
    warm_up = task_id - messages.WARM_UP_IDS
    return str(task_id) if warm_up < 0 else f"warm-up {warm_up}"
