"""What must be true between any two events: a few figures each time, everything now and then."""

from __future__ import annotations

from collections import Counter
from typing import Any

from crew_core._controller.roster import Row
from crew_core._controller.verdicts import VERDICT_SECONDS
from crew_core._dispatcher.assignment import allowance
from crew_core._dispatcher.instances import Instance
from crew_core._dispatcher.ledger import Place
from crew_core._model.states import InstanceState
from crew_core._wire import messages
from simulator.dispatcher import Dispatcher
from simulator.platform import VirtualPlatform
from simulator.user import User
from simulator.witness import Violation, Witness

_LINK_BYTES = 32 << 20
_SLACK = 64
_LOOKS = 8  # at one worker
_UNTOLD_BYTES = 1000  # for each task and launch
_UNNOTICED_SECONDS = 0.6  # after the look that follows the last worker that came
_UNWANTED_SECONDS = 3.0  # whoever was given up is to be ended at the next look
_LEAVING_SECONDS = 14.0  # at one after 10 s, if it does not end by itself


class Checks:
    """Of one run.

    Args:
        dispatcher: what it knows.
        user: what it was told.
        platform: what there is.
        witness: what was seen.
    """

    def __init__(
        self, dispatcher: Dispatcher, user: User, platform: VirtualPlatform, witness: Witness
    ) -> None:
        self._dispatcher = dispatcher
        self._user = user
        self._platform = platform
        self._witness = witness
        self._pending_max = user.scenario.pending_max
        self._over_since: dict[str, float] = {}
        self._spent_since, self._hours = float("inf"), 0.0

    # ── After each event ───────────────────────────────────────────────────────────────────────

    def figures(self) -> None:
        """What costs next to nothing to compare."""
        state, loop = self._dispatcher.state, self._dispatcher.loop
        _equal("unfinished tasks and the ledger", loop.received - loop.fated, _len(state._ledger))
        if len(state._queue) > len(state._ledger):
            raise Violation(f"{len(state._queue)} tasks wait, of {len(state._ledger)}")
        supply, most = self._user.roster.supply(), self._user.scenario.workers
        if supply > most:
            raise Violation(f"{supply} workers, and {most} are the most")
        if supply > self._pending_max and len(self._user.roster.coming()) > self._pending_max:
            raise Violation(f"more than {self._pending_max} launches are pending")
        unfinished = self._user.pushed - self._witness.recorded
        _equal("unfinished tasks and the book", unfinished, self._user.book.unfinished)

    # ── Now and then ───────────────────────────────────────────────────────────────────────────

    def everything(self) -> None:
        """All that can be compared."""
        state = self._dispatcher.state
        self._tasks(state)
        if state._stop_by is None:
            self._dealing(state)
        self._connections()
        self._memory(state)
        if not self._user.ended:
            self._jobs(state)
            self._budget()

    def _tasks(self, state: Any) -> None:
        """Each task is in one place, and whoever has it knows of it."""
        queued = held = 0
        for task_id, entry in state._ledger._entries.items():
            if not entry.first <= task_id < entry.stop:
                raise Violation(f"task {task_id} is in an entry of others")
            if self._witness.is_recorded(task_id):
                raise Violation(f"task {task_id} has its record and goes on")
            if entry.place is Place.QUEUED:
                queued += 1
                continue
            if state._inquests.of_task(task_id) is not None:
                continue
            held += 1
            instance = state._instances.get(entry.instance)
            if instance.state.final or instance.assigned.get(task_id) is not entry:
                raise Violation(f"task {task_id} is assigned to {entry.instance}, in vain")
        _equal("queued tasks", queued, len(state._queue))
        _equal("lines", queued, sum(map(_length_of, state._queue._lines.values())))
        assigned = sum(len(i.assigned) for i in state._instances.living())
        _equal("assigned tasks", held, assigned)

    def _dealing(self, state: Any) -> None:
        """Whoever may be given tasks is known, and nobody else."""
        living = {instance.id: instance for instance in state._instances.living()}
        dealer = state._dealer
        _equal("workers", len(living), dealer._workers)
        waiting = [*dealer._idle, *dealer._passed]
        if len({*waiting}) < len(waiting):
            raise Violation("a worker waits for tasks twice")
        for instance_id in [*waiting, *dealer._touched, *dealer._hoards._rich]:
            if instance_id not in living:
                raise Violation(f"{instance_id} is gone, and may be given tasks")
        for instance in living.values():
            _check_instance(instance, instance.id in waiting)
            if instance.id in waiting and self._could_work(state, instance):
                raise Violation(f"{instance.id} waits, and there is a task for it")
        # They stay until they are due, also those at workers that are gone by then.
        latest = self._dispatcher.clock() + self._user.scenario.seconds_heartbeat
        looks = Counter(who for at, who in state._silence._looks if at <= latest)
        if len(state._silence._looks) > sum(looks.values()):
            raise Violation("a look is planned at a time when it is of no use")
        for instance_id, planned in looks.items():
            if planned > _LOOKS:
                raise Violation(f"{planned} looks are planned at {instance_id}")

    def _could_work(self, state: Any, instance: Instance) -> bool:
        allowed = allowance(instance, self._user.scenario.settings.tasks_max)
        seconds_left = instance.seconds_left(self._dispatcher.clock())
        return (
            instance.ready
            and allowed > 0
            and state._queue.head(seconds_left, instance.step) is not None
        )

    def _connections(self) -> None:
        """Conversations are those of the living, and none grows without bound."""
        state, loop = self._dispatcher.state, self._dispatcher.loop
        living = {instance.id for instance in state._instances.living()}
        _equal("conversations", sorted(living), sorted(loop.links))
        for instance, pipe in loop.pipe_of.items():
            if loop.instance_of.get(pipe) != instance:
                raise Violation(f"connection {pipe} is not {instance}'s, and {instance} has it")
        _equal("connections", len(loop.pipe_of), len(loop.instance_of))

    def _memory(self, state: Any) -> None:
        """What is kept is as much as there is to do, however long it takes."""
        loop, witness = self._dispatcher.loop, self._witness
        for instance, link in loop.links.items():
            kept = sum(len(item[2]) for item in (*link._queue, *link._unacknowledged))
            if kept > _LINK_BYTES:
                raise Violation(f"{kept} bytes wait for {instance}")
        launches, pushed = len(self._platform.jobs), self._user.pushed
        untold = sum(map(len, loop._writer._pending))
        if untold > _UNTOLD_BYTES * (_SLACK + launches + pushed):
            raise Violation(f"{untold} bytes wait for the client")
        if len(state._instances._all) > self._user.expected:
            raise Violation("more instances are known than were announced")
        if len(loop._turned_away) > _SLACK + len(witness.workers):
            raise Violation(f"{len(loop._turned_away)} who were turned away are remembered")

    def _minded_within(self, row: Row) -> float:
        if row.state is InstanceState.EXITED:
            return _LEAVING_SECONDS
        # First its platform is asked how it died.
        asked = row.state is InstanceState.LOST and self._user.tells_causes
        return _UNWANTED_SECONDS + (VERDICT_SECONDS if asked else 0.0)

    def _budget(self) -> None:
        """Soon after it is used up that is known."""
        budget = self._user.scaler.budget
        frozen = self._user.scaler.frozen
        noticed = budget.error is not None or budget.hours != self._hours
        self._hours = budget.hours
        if frozen or noticed or budget.hours_used < budget.hours:
            self._spent_since = float("inf")
        else:
            self._spent_since = min(self._spent_since, self._platform.now)
        latest = self._spent_since + self._user.scenario.seconds_interval + _UNNOTICED_SECONDS
        if self._platform.now > latest:
            raise Violation("the budget is used up, and nobody notices")

    def _jobs(self, state: Any) -> None:
        """No job is there that nobody minds, and no more than may be."""
        minded = 0
        if self._user.scaler.frozen:
            self._over_since.clear()
        for job in self._platform.live.values():
            if job.unwanted:
                continue
            replaced = job.row.instance in self._user.roster._leaving
            minded += not job.row.state.final and not replaced
            since = self._over_since.setdefault(job.row.instance, self._platform.now)
            if not job.row.state.final:
                del self._over_since[job.row.instance]
            elif self._platform.now > since + self._minded_within(job.row):
                raise Violation(f"the job of {job.row.instance} lives on, and nobody minds")
        if minded > self._user.scenario.workers:
            raise Violation(f"{minded} jobs, and {self._user.scenario.workers} are the most")

    # ── At the end ─────────────────────────────────────────────────────────────────────────────

    def all_done(self) -> None:
        """Every task has its record, and nobody holds anything of it."""
        self.figures()
        self.everything()
        state = self._dispatcher.state
        _equal("records", self._user.pushed, self._witness.recorded)
        _equal("unfinished tasks", 0, len(state._ledger))
        _equal("tasks that wait", 0, len(state._queue))
        _equal("lines with tasks", 0, sum(map(_length_of, state._queue._lines.values())))
        _equal("deadlines", 0, len(state._ledger._deadlines))
        _equal("objects", 0, len(state._holdings._sizes))
        kept = [digest for digest in state._holdings.commands if digest.startswith(b"command")]
        _equal("commands", [], kept)
        self._idle_workers()

    def _idle_workers(self) -> None:
        """Whoever has been in touch all the time keeps nothing of what it has done."""
        for worker in self._witness.alive.values():
            runner = worker.supervisor.runner
            leaves = worker.supervisor.over is not None
            if worker.touched or leaves or not worker.conversation.connected:
                continue
            tasks = [task_id for task_id in runner._sent if task_id < messages.WARM_UP_IDS]
            if tasks or runner._objects:
                raise Violation(f"{worker.name} holds something of tasks that have ended")

    def all_left(self) -> None:
        """The client is no more, and nobody has stayed."""
        if not self._dispatcher.ended:
            raise Violation("the dispatcher lives on without its client")
        if self._witness.alive:
            raise Violation(f"workers live on without client: {sorted(self._witness.alive)}")

    def all_gone(self) -> None:
        """Nothing is left."""
        if not self._dispatcher.ended:
            raise Violation("the dispatcher lives on")
        if self._witness.alive:
            raise Violation(f"workers live on: {sorted(self._witness.alive)}")
        if self._platform.live:
            raise Violation(f"jobs are left: {sorted(self._platform.live)}")


def _check_instance(instance: Instance, waits: bool) -> None:
    has_work = bool(instance.assigned or instance.warming)
    if waits and not instance.staying:
        raise Violation(f"{instance.id} is to leave, and waits for tasks")
    if instance.ready and not instance.assigned and not waits:
        raise Violation(f"{instance.id} has nothing to do, and waits for nothing")
    if instance.dismissed and not has_work and instance.state is InstanceState.ONLINE:
        raise Violation(f"{instance.id} is dismissed, has nothing to do, and stays")
    if instance.given < instance.complete + len(instance.assigned):
        raise Violation(f"{instance.id} has done more than it was given")


def _length_of(line: Any) -> int:
    return sum(len(entry) - entry.gone for lane in line._lanes.values() for entry in lane)


def _len(sized: Any) -> int:
    return len(sized)


def _equal(what: str, one: object, other: object) -> None:
    if one != other:
        raise Violation(f"{what}: {one} and {other}")
