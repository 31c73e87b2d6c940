"""Gives workers that wait to hosts with room, on threads of their own.

::

    waiting ──► given to a host ──claimed──► running
       ▲               │             │
       └── it is late ─┘             │
       └──────────── it failed ──────┘

A host claims its workers when it has let us in and is about to start them. One that takes its time
until then loses them to the others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from crew_ssh._connection.errors import SshError
from crew_ssh._hosts.book import Book, order, shown
from crew_ssh._hosts.host import Host
from crew_ssh._hosts.workers import Worker

log = logging.getLogger("crew")

GRACE_SECONDS = 8.0
"""So long a host may take to let us in before its workers go elsewhere."""

_LOOK_SECONDS = 0.2


@dataclass
class _Attempt:
    """What a host is asked for: how many slots it has, or to start workers.

    Attributes:
        host: its name.
        began: when.
        given: workers that it is to start; others may still have them.
        claimed: workers that it is starting.
    """

    host: str
    began: float
    given: list[str] = field(default_factory=list)
    claimed: list[str] = field(default_factory=list)


class Placing:
    """The workers that wait. Does nothing by itself: ``advance`` is called now and then.

    Args:
        hosts: by name.
        book: what is known of them.
        workers: all, by name.
        lock: held by whoever looks at the book or at workers.
        threads: where hosts are asked.
        clock: monotonic.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        book: Book,
        workers: Mapping[str, Worker],
        lock: threading.RLock,
        threads: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._hosts = hosts
        self._book = book
        self._workers = workers
        self._threads = threads
        self._clock = clock
        self._changed = threading.Condition(lock)
        self._waiting: list[str] = []
        self._attempts: list[_Attempt] = []
        self._closed = False

    def add(self, names: Sequence[str]) -> None:
        """Place these, too."""
        with self._changed:
            self._waiting += names

    def advance(self) -> None:
        """Begin what can be begun; blocks for nothing."""
        with self._changed:
            if self._closed:
                return
            now = self._clock()
            self._take_back(now)
            if any(not _is_late(attempt, now) for attempt in self._attempts):
                return  # its end calls again: who is asked meanwhile would get more than a share
            unknown = self._book.to_ask(len(self._waiting), now)
            for name in unknown:
                self._begin(_Attempt(name, now))
            if unknown:
                return
            placed = self._book.place(len(self._waiting), now)
            for host, names in order(self._waiting, placed):
                self._waiting = [name for name in self._waiting if name not in names]
                self._begin(_Attempt(host, now, names))

    def settle(self, names: Sequence[str]) -> None:
        """Wait until these run or have to wait for room; for a host that is late only if it is all.

        Raises:
            SshError: none could be started, and no host is left to wait for. They are forgotten.
        """
        with self._changed:
            while self._attempts and any(self._workers[name].host is None for name in names):
                now = self._clock()
                are_late = all(_is_late(attempt, now) for attempt in self._attempts)
                if are_late and (self._is_any_placed(names) or self._book.free(now)):
                    return
                self._changed.wait(_LOOK_SECONDS)
            self._refuse_hopeless(names)

    def withdraw(self, names: Sequence[str]) -> None:
        """Start none of these any more; returns when those that were about to start have."""
        with self._changed:
            while True:
                for names_left in (self._waiting, *(each.given for each in self._attempts)):
                    for name in [name for name in names_left if name in names]:
                        names_left.remove(name)
                        self._workers[name].report = {"state": "cancelled"}
                if not any(name in each.claimed for name in names for each in self._attempts):
                    return
                self._changed.wait(_LOOK_SECONDS)

    def reason(self, name: str) -> tuple[str, bool] | None:
        """Why a worker waits, and whether that is hopeless; None: it does not."""
        with self._changed:
            now = self._clock()
            if name in self._waiting:
                return shown(self._book.errors(now)), self._book.is_hopeless(now)
            for attempt in self._attempts:
                if name in attempt.given or name in attempt.claimed:
                    return f"{attempt.host} is asked to start it", False
            return None

    def failed(self, name: str, error: SshError) -> None:
        """A host did not do what it was asked: it is set aside."""
        with self._changed:
            was = self._book.hosts[name].error
            self._book.failed(name, self._clock(), str(error), hopeless=not error.transient)
            if was != str(error):
                pause = self._book.hosts[name].pause
                log.warning("%s. It is set aside for %g s", error, pause)

    def recount(self) -> None:
        """Count how many of ours are on each host."""
        with self._changed:
            for entry in self._book.hosts.values():
                entry.workers = 0
            for worker in self._workers.values():
                if worker.host is not None and not worker.is_over:
                    self._book.hosts[worker.host].workers += 1

    def close(self) -> None:
        """Begin nothing any more."""
        self._closed = True

    # ── Hosts ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, attempt: _Attempt) -> None:
        self._attempts.append(attempt)
        self._book.hosts[attempt.host].busy = True
        self._threads.submit(self._try, attempt)

    def _try(self, attempt: _Attempt) -> None:
        """Ask a host, which may take long."""
        host, error = self._hosts[attempt.host], None
        try:
            if self._book.hosts[attempt.host].slots is None:
                self._learn_slots(host, attempt)
            else:
                self._start(host, attempt)
        except SshError as failure:
            error = failure
        except Exception as failure:
            log.exception("crew-ssh: starting workers on %s failed", attempt.host)
            error = SshError(f"{attempt.host}: a mistake in crew-ssh: {failure}", transient=False)
        with self._changed:
            self._end(attempt, error)
            self.advance()
            self._changed.notify_all()

    def _learn_slots(self, host: Host, attempt: _Attempt) -> None:
        slots = host.slots
        with self._changed:
            self._book.hosts[attempt.host].slots = slots

    def _start(self, host: Host, attempt: _Attempt) -> None:
        with self._changed:
            workers = [self._workers[name] for name in attempt.given]
        host.prepare([worker.order for worker in workers])
        with self._changed:
            workers = [self._workers[name] for name in attempt.given]
            attempt.claimed, attempt.given = attempt.given, []
        if not workers:
            return  # it took too long
        answers = host.start(workers[0].controller, [worker.order for worker in workers])
        errors = []
        with self._changed:
            for worker, answer in zip(workers, answers, strict=True):
                if "pid" in answer:
                    worker.host, worker.pid = attempt.host, answer["pid"]
                    worker.report = {"state": "running"}
                    worker.order = {"log": worker.order.get("log")}  # without its secrets
                elif "error" in answer:
                    errors.append(f"{attempt.host}: {answer['error']}")
            if any("full" in answer for answer in answers):
                # Another process launches for the same controller.
                self._book.full(attempt.host, self._clock())
        if errors:
            raise SshError(errors[0], transient=False)

    def _end(self, attempt: _Attempt, error: SshError | None) -> None:
        """What became of an attempt."""
        self._attempts.remove(attempt)
        self._book.hosts[attempt.host].busy = False
        left = [*attempt.claimed, *attempt.given]
        self._waiting[:0] = [name for name in left if self._workers[name].host is None]
        self.recount()
        if error is None:
            self._book.done(attempt.host)
        else:
            self.failed(attempt.host, error)

    def _take_back(self, now: float) -> None:
        """What hosts have not claimed in time, others may have."""
        for attempt in self._attempts:
            if _is_late(attempt, now):
                self._waiting[:0] = attempt.given
                attempt.given = []

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _is_any_placed(self, names: Sequence[str]) -> bool:
        return any(self._workers[name].host is not None for name in names)

    def _refuse_hopeless(self, names: Sequence[str]) -> None:
        """Raise, when none of these could be started, as no host is left."""
        now = self._clock()
        if self._book.usable(now) or any(name not in self._waiting for name in names):
            return
        self._waiting = [name for name in self._waiting if name not in names]
        raise SshError(shown(self._book.errors(now)), transient=not self._book.is_hopeless(now))


def _is_late(attempt: _Attempt, now: float) -> bool:
    return now - attempt.began > GRACE_SECONDS
