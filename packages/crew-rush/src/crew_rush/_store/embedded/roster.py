"""The workers of one network: who is there, and until when without a sign of life. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from crew_rush._model.facts import Orders, Worker, WorkerRow
from crew_rush._model.states import WorkerState


class Member(msgspec.Struct, array_like=True):
    """A worker's present life."""

    worker: Worker
    seconds_expire: float
    heard: float
    state: WorkerState = WorkerState.RUNNING
    reason: str = ""
    terminate: bool = False


class Roster:
    """All workers of a network, those that are no more too."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}

    def register(self, worker: Worker, seconds_expire: float, now: float) -> str | None:
        """A worker has come; the id of the earlier life that ends by this, if one ran."""
        before = self._members.get(worker.worker_id)
        if before is not None and before.worker.life == worker.life:
            return None  # said again; it may have ended meanwhile
        self._members[worker.worker_id] = Member(worker, seconds_expire, now)
        replaced = before is not None and before.state is WorkerState.RUNNING
        return worker.worker_id if replaced else None

    def is_running(self, worker_id: str, life: str) -> bool:
        """True for a worker that may go on."""
        member = self._members.get(worker_id)
        return (
            member is not None
            and member.worker.life == life
            and member.state is WorkerState.RUNNING
        )

    def hear(self, worker_id: str, life: str, now: float) -> None:
        """A sign of life."""
        if self.is_running(worker_id, life):
            self._members[worker_id].heard = now

    def orders(self, worker_id: str, life: str) -> Orders:
        """What a worker is to do."""
        member = self._members.get(worker_id)
        if member is None or member.worker.life != life:
            return Orders(known=False, terminate=True, kill=True)
        running = member.state is WorkerState.RUNNING
        return Orders(running, member.terminate or not running, member.state is WorkerState.KILLED)

    def end(self, worker_id: str, state: WorkerState, reason: str) -> None:
        """A worker is no more."""
        member = self._members[worker_id]
        member.state, member.reason = state, reason

    def terminate(self, worker_id: str) -> None:
        """Ask a worker to end when it suits."""
        self._members[worker_id].terminate = True

    def running(self, worker_ids: Iterable[str] | None = None) -> list[str]:
        """Those that run, of these or of all."""
        asked = self._members if worker_ids is None else worker_ids
        return [
            worker_id
            for worker_id in asked
            if worker_id in self._members and self._members[worker_id].state is WorkerState.RUNNING
        ]

    def overdue(self, now: float) -> list[str]:
        """Running workers that were not heard of for too long."""
        return [
            worker_id
            for worker_id, member in self._members.items()
            if member.state is WorkerState.RUNNING and now > member.heard + member.seconds_expire
        ]

    def hear_all(self, now: float) -> None:
        """It was the store that was away: nobody's silence counts."""
        for member in self._members.values():
            member.heard = now

    def seconds_expire(self, worker_id: str) -> float:
        """How long a worker may be silent."""
        return self._members[worker_id].seconds_expire

    def rows(self) -> list[WorkerRow]:
        """All, in the order in which they came first."""
        return [
            WorkerRow(member.worker, member.state.value, member.heard, member.reason)
            for member in self._members.values()
        ]

    def members(self) -> list[Member]:
        """All, to be kept elsewhere."""
        return list(self._members.values())

    def put(self, members: Iterable[Member]) -> None:
        """Add some as they were."""
        self._members.update((member.worker.worker_id, member) for member in members)

    def __len__(self) -> int:
        return len(self._members)
