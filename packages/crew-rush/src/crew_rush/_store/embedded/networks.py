"""All networks of an embedded store: what each request does, and what it is answered. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crew_rush._model.errors import NetworkNotFoundError, RushError, WorkerGoneError
from crew_rush._model.facts import Counts, LogEvent, Task, as_field
from crew_rush._model.states import TaskState, WorkerState
from crew_rush._store.embedded import messages as m
from crew_rush._store.embedded.book import Book
from crew_rush._store.embedded.roster import Roster


class Network:
    """One network."""

    def __init__(self, era: str) -> None:
        self.book = Book(era)
        self.roster = Roster()
        self.values: dict[str, bytes] = {}
        self.log: list[LogEvent] = []
        self.batches: set[str] = set()
        self.resets: set[str] = set()


class Networks:
    """All networks.

    ``perform`` is all there is: the same requests at the same times make the same networks again.

    Attributes:
        all: by their ids.
        eras: how many there were, in all networks.
    """

    def __init__(self) -> None:
        self.all: dict[str, Network] = {}
        self.eras = 0

    def perform(self, request: Any, now: float) -> object:
        """Do what is asked.

        Args:
            request: one of the messages.
            now: the time, in seconds since 1970.

        Raises:
            RushError: it cannot be done, and nothing was changed.
        """
        if isinstance(request, m.Attach):
            self._attach(request)
            return None
        network = self.all.get(request.network)
        if network is None:
            raise _not_found(request.network)
        if isinstance(request, m.Reset):
            del self.all[request.network]
            return None
        return _METHODS[type(request)](self, network, request, now)

    def overdue(self, now: float) -> list[m.EndWorker]:
        """What to perform as workers were not heard of for too long."""
        return [
            m.EndWorker(
                name,
                worker_id,
                _life(network, worker_id),
                WorkerState.LOST.value,
                f"not heard of for {network.roster.seconds_expire(worker_id):g} s",
            )
            for name, network in self.all.items()
            for worker_id in network.roster.overdue(now)
        ]

    def hear_all(self, now: float) -> None:
        """The store was away: nobody's silence counts."""
        for network in self.all.values():
            network.roster.hear_all(now)

    # ── Networks ───────────────────────────────────────────────────────────────────────────────

    def _attach(self, request: m.Attach) -> None:
        if request.protocol != m.PROTOCOL:
            raise RushError(
                f"the store's protocol is {m.PROTOCOL}, not {request.protocol}: "
                "install one version of crew-rush everywhere"
            )
        if request.network in self.all:
            return
        if not request.create:
            raise _not_found(request.network)
        self.all[request.network] = Network(self._next_era())

    def _next_era(self) -> str:
        # Counted, and not drawn: what is kept on disk makes the same again.
        self.eras += 1
        return str(self.eras)

    def _reset_data(self, network: Network, request: m.ResetData, now: float) -> None:
        if request.call in network.resets:
            return
        network.resets.add(request.call)
        network.book = Book(self._next_era())
        network.log.clear()
        network.batches.clear()

    def _set_value(self, network: Network, request: m.SetValue, now: float) -> None:
        network.values[request.name] = request.value

    def _get_value(self, network: Network, request: m.GetValue, now: float) -> bytes | None:
        return network.values.get(request.name)

    # ── Tasks ──────────────────────────────────────────────────────────────────────────────────

    def _push(self, network: Network, request: m.Push, now: float) -> None:
        worker_id = ""
        if request.worker is not None:
            worker_id, life = request.worker
            _require_running(network, request.network, worker_id, life)
        network.book.push(request.tasks, TaskState(request.state), worker_id)

    def _pop(self, network: Network, request: m.Pop, now: float) -> Task | None:
        _require_running(network, request.network, request.worker_id, request.life)
        return network.book.pop(request.worker_id)

    def _begin(self, network: Network, request: m.Begin, now: float) -> bool:
        if not network.roster.is_running(request.worker_id, request.life):
            return False
        return network.book.begin(request.worker_id, request.key)

    def _decide(self, network: Network, request: m.Decide, now: float) -> list[bool]:
        return network.book.decide(TaskState(request.state), request.attempt, request.outcomes)

    def _empty_queue(self, network: Network, request: m.EmptyQueue, now: float) -> int:
        return network.book.empty_queue(request.condition)

    def _count(self, network: Network, request: m.CountAll, now: float) -> Counts:
        count = network.book.count
        return Counts(
            queued=count(TaskState.QUEUED),
            pending=count(TaskState.PENDING),
            running=count(TaskState.RUNNING),
            finished=count(TaskState.FINISHED),
            failed=count(TaskState.FAILED),
            workers=len(network.roster),
            running_workers=len(network.roster.running()),
        )

    def _keys(self, network: Network, request: m.Keys, now: float) -> list[str]:
        return network.book.keys(None if request.state is None else TaskState(request.state))

    def _read(self, network: Network, request: m.Read, now: float) -> list[Task | None]:
        return network.book.read(request.keys)

    def _states(self, network: Network, request: m.States, now: float) -> list[str | None]:
        return network.book.states(request.keys)

    def _read_finished(
        self, network: Network, request: m.ReadFinished, now: float
    ) -> tuple[str, list[Task]]:
        start = request.start if request.era == network.book.era else 0
        return network.book.era, network.book.finished_from(start, request.most)

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def _register(self, network: Network, request: m.Register, now: float) -> None:
        replaced = network.roster.register(request.worker, request.seconds_expire, now)
        if replaced is not None:
            network.book.forsake(replaced, as_field("its worker was started anew"))

    def _beat(self, network: Network, request: m.Beat, now: float) -> object:
        network.roster.hear(request.worker_id, request.life, now)
        return network.roster.orders(request.worker_id, request.life)

    def _end_worker(self, network: Network, request: m.EndWorker, now: float) -> None:
        if network.roster.is_running(request.worker_id, request.life):
            _end(network, request.worker_id, WorkerState(request.state), request.reason)

    def _order(self, network: Network, request: m.Order, now: float) -> list[str]:
        running = network.roster.running(request.worker_ids)
        for worker_id in running:
            if request.order == "kill":
                _end(network, worker_id, WorkerState.KILLED, "stop_workers(type='kill')")
            else:
                network.roster.terminate(worker_id)
        return running

    def _workers(self, network: Network, request: m.Workers, now: float) -> object:
        return network.roster.rows()

    # ── Logs ───────────────────────────────────────────────────────────────────────────────────

    def _add_log(self, network: Network, request: m.AddLog, now: float) -> None:
        if request.batch not in network.batches:
            network.batches.add(request.batch)
            network.log += request.events

    def _read_log(self, network: Network, request: m.ReadLog, now: float) -> list[LogEvent]:
        return network.log[request.start : request.start + request.most]


def _end(network: Network, worker_id: str, state: WorkerState, reason: str) -> None:
    network.roster.end(worker_id, state, reason)
    network.book.forsake(worker_id, as_field(f"its worker was {state.value}: {reason}"))


def _life(network: Network, worker_id: str) -> str:
    return next(
        row.worker.life for row in network.roster.rows() if row.worker.worker_id == worker_id
    )


def _require_running(network: Network, name: str, worker_id: str, life: str) -> None:
    if not network.roster.is_running(worker_id, life):
        raise WorkerGoneError(
            f"worker {worker_id} is no longer one of the running workers of network {name!r}: it "
            "was killed, given up or started anew. Its loop should end"
        )


def _not_found(network: str) -> NetworkNotFoundError:
    return NetworkNotFoundError(
        f"the store has no network {network!r}: it was never made here, or was reset. Is the id "
        "right, and is it the right store?"
    )


_METHODS: dict[type, Callable[[Networks, Network, Any, float], object]] = {
    m.ResetData: Networks._reset_data,
    m.SetValue: Networks._set_value,
    m.GetValue: Networks._get_value,
    m.Push: Networks._push,
    m.Pop: Networks._pop,
    m.Begin: Networks._begin,
    m.Decide: Networks._decide,
    m.EmptyQueue: Networks._empty_queue,
    m.CountAll: Networks._count,
    m.Keys: Networks._keys,
    m.Read: Networks._read,
    m.States: Networks._states,
    m.ReadFinished: Networks._read_finished,
    m.Register: Networks._register,
    m.Beat: Networks._beat,
    m.EndWorker: Networks._end_worker,
    m.Order: Networks._order,
    m.Workers: Networks._workers,
    m.AddLog: Networks._add_log,
    m.ReadLog: Networks._read_log,
}
