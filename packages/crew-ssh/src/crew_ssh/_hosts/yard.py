"""All hosts of a launcher and all its workers: has those placed that wait, watches those that run.

One thread looks after everything; what concerns a host happens on a thread of that host's own, so
that one which hangs keeps nobody waiting but its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

from crew_ssh._connection.errors import SshError
from crew_ssh._hosts.book import Book
from crew_ssh._hosts.host import Host
from crew_ssh._hosts.logs import keep_pieces
from crew_ssh._hosts.placing import Placing
from crew_ssh._hosts.workers import Worker, by_host, report_of, unreachable, waiting

log = logging.getLogger("crew")

IDLE_SECONDS = 10.0
"""So long after its last worker nobody needs a yard."""

_LOOK_SECONDS = 0.5
_KNOWN_SECONDS = 600.0  # what has ended is remembered this long


class Yard:
    """Hosts and workers.

    Args:
        hosts: by name, in the user's order.
        pack: fill one host after the other, instead of spreading.
        clock: monotonic.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        *,
        pack: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosts = dict(hosts)
        self._clock = clock
        self._lock = threading.RLock()
        self._workers: dict[str, Worker] = {}
        self._ended_at: dict[str, float] = {}
        self._book = Book({name: host.options.slots for name, host in hosts.items()}, pack=pack)
        self._busy: dict[str, Future[None]] = {}
        self._threads = ThreadPoolExecutor(max(4, 2 * len(hosts)), "crew-ssh-host")
        self._placing = Placing(
            self._hosts, self._book, self._workers, self._lock, self._threads, clock
        )
        self._wake = threading.Event()
        self._closed = False
        self._idle_since = clock()

    def watch(self) -> None:
        """Begin to look after everything, on a thread of its own."""
        threading.Thread(target=self._run, name="crew-ssh-yard", daemon=True).start()

    @property
    def deeds(self) -> Mapping[str, Callable[..., Any]]:
        """What can be asked for."""
        return {
            "examine": self.examine,
            "launch": self.launch,
            "poll": self.poll,
            "end": self.end,
            "output": self.output,
            "find": self.find,
            "rows": self.rows,
        }

    @property
    def is_idle(self) -> bool:
        """True when there has been no worker, waiting or running, for some time."""
        with self._lock:
            if any(worker.is_live for worker in self._workers.values()):
                self._idle_since = self._clock()
            return self._clock() - self._idle_since > IDLE_SECONDS

    # ── What is asked for ──────────────────────────────────────────────────────────────────────

    def examine(self) -> list[dict[str, Any]]:
        """For each host what it has for workers, or why it can have none. Starts none."""

        def look(host: Host) -> dict[str, Any]:
            try:
                return host.examine()
            except SshError as error:
                return {"error": str(error)}

        told = self._on_hosts(dict.fromkeys(self._hosts, look))
        return [{"host": name, **told[name]} for name in self._hosts]

    def launch(self, controller: str, workers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Start workers, or have those wait for which there is no room now.

        Returns:
            Name, host and process of each; the last two are None for those that wait.

        Raises:
            SshError: none could be started, and no host is left to wait for.
        """
        names = [str(worker["name"]) for worker in workers]
        with self._lock:
            for name, each in zip(names, workers, strict=True):
                self._workers[name] = Worker(name, each, controller, report=waiting())
        self._placing.add(names)
        self._placing.advance()
        try:
            self._placing.settle(names)
        except SshError:
            with self._lock:
                for name in names:
                    del self._workers[name]
            raise
        self._wake.set()
        with self._lock:
            placed = [self._workers[name] for name in names]
            return [{"name": each.name, "host": each.host, "pid": each.pid} for each in placed]

    def poll(self, handles: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What is known of workers, those of others too."""
        self._adopt(handles)
        with self._lock:
            return [self._told(str(handle["name"])) for handle in handles]

    def end(self, handles: Sequence[Mapping[str, Any]]) -> None:
        """End workers; those that wait are not started any more.

        Raises:
            SshError: a host does not answer. Its workers leave when they miss their dispatcher.
        """
        self._adopt(handles)
        names = [str(handle["name"]) for handle in handles]
        self._placing.withdraw(names)
        with self._lock:
            workers = [self._workers[name] for name in names]
            live = [worker for worker in workers if not worker.is_over]
            for worker in workers:
                self._note_end(worker)
        self._on_hosts(
            {name: partial(self._end_on, workers=them) for name, them in by_host(live).items()}
        )

    def output(self, handle: Mapping[str, Any]) -> str | None:
        """The last of what a worker printed; None: nothing is known of it.

        Raises:
            SshError: its host does not answer.
        """
        self._adopt([handle])
        with self._lock:
            place = self._workers[str(handle["name"])].host
        return None if place is None else self._hosts[place].output(str(handle["name"]))

    def find(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Where workers of these names are or were.

        Raises:
            SshError: a host does not answer.
        """
        found = self._on_hosts({name: lambda host: host.find(names) for name in self._hosts})
        return [
            {"name": name, "host": host, "pid": None}
            for host, names in found.items()
            for name in names
        ]

    def rows(self) -> list[dict[str, Any]]:
        """All workers of this user on all hosts, for a person; a line for a host that failed."""
        rows: list[dict[str, Any]] = []

        def ask(host: Host) -> list[dict[str, Any]]:
            try:
                return host.rows()
            except SshError as error:
                return [{"error": str(error)}]

        for name, told in self._on_hosts(dict.fromkeys(self._hosts, ask)).items():
            rows += [{**row, "host": name} for row in told]
        return rows

    def close(self) -> None:
        """Hang up everywhere; workers go on."""
        self._closed = True
        self._placing.close()
        self._wake.set()
        for host in self._hosts.values():
            host.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # ── Watching ───────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while True:
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            if self._closed:
                return
            try:
                self._look()
            except Exception:
                log.exception("crew-ssh could not look after its workers; it goes on")

    def _look(self) -> None:
        with self._lock:
            live = by_host(worker for worker in self._workers.values() if worker.is_live)
            usable = self._book.usable(self._clock())
            due = [
                (name, workers)
                for name, workers in live.items()
                if name in usable and (name not in self._busy or self._busy[name].done())
            ]
            for name, workers in due:
                self._busy[name] = self._threads.submit(self._tend, name, workers)
            self._forget_old()
        self._placing.advance()

    def _tend(self, name: str, workers: Sequence[Worker]) -> None:
        """Look after the workers of one host."""
        host = self._hosts[name]
        try:
            states = host.poll([worker.name for worker in workers])
            logs = {worker.name: worker.sizes for worker in workers if worker.order.get("log")}
            pieces = host.mirror(logs) if logs else []
        except SshError as error:
            with self._lock:
                self._placing.failed(name, error)
                for worker in workers:
                    worker.hear(unreachable(str(error)))
            return
        paths = {worker.name: (worker.order["log"], worker.sizes) for worker in workers if logs}
        keep_pieces(pieces, paths)
        with self._lock:
            self._book.worked(name)
            for worker, state in zip(workers, states, strict=True):
                self._note(worker, state)
            self._placing.recount()
        if any(worker.is_over for worker in workers):
            self._wake.set()

    def _note(self, worker: Worker, state: Mapping[str, Any]) -> None:
        worker.hear(report_of(state))
        self._note_end(worker)

    def _note_end(self, worker: Worker) -> None:
        if worker.is_over:
            self._ended_at.setdefault(worker.name, self._clock())

    def _end_on(self, host: Host, workers: Sequence[Worker]) -> None:
        names = [worker.name for worker in workers]
        host.end(names)
        states = host.poll(names)
        with self._lock:
            for worker, state in zip(workers, states, strict=True):
                self._note(worker, state)
            self._placing.recount()

    def _forget_old(self) -> None:
        oldest = self._clock() - _KNOWN_SECONDS
        for name in [name for name, at in self._ended_at.items() if at < oldest]:
            del self._ended_at[name]
            self._workers.pop(name, None)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _told(self, name: str) -> dict[str, Any]:
        reason = self._placing.reason(name)
        return self._workers[name].report if reason is None else waiting(*reason)

    def _adopt(self, handles: Sequence[Mapping[str, Any]]) -> None:
        """Learn of workers that another process has started."""
        with self._lock:
            strange = [handle for handle in handles if str(handle["name"]) not in self._workers]
            for handle in strange:
                place = handle["host"] if handle["host"] in self._hosts else None
                self._workers[str(handle["name"])] = Worker(
                    str(handle["name"]), host=place, pid=handle["pid"]
                )
        lost = [str(handle["name"]) for handle in strange if handle["host"] is None]
        for found in self._find_quietly(lost):
            with self._lock:
                self._workers[found["name"]].host = found["host"]
        if strange:
            with self._lock:
                fresh = by_host(self._workers[str(handle["name"])] for handle in strange)
            self._wait_for([self._threads.submit(self._tend, *each) for each in fresh.items()])

    def _find_quietly(self, names: Sequence[str]) -> list[dict[str, Any]]:
        if not names:
            return []
        try:
            return self.find(names)
        except SshError as error:
            log.debug("%s", error)
            return []

    def _on_hosts(self, deeds: Mapping[str, Callable[[Host], Any]]) -> dict[str, Any]:
        """Do something on several hosts at once; what came of it.

        Raises:
            SshError: of the first host that failed, once all others are done.
        """
        futures = {
            name: self._threads.submit(deed, self._hosts[name]) for name, deed in deeds.items()
        }
        wait(futures.values())
        return {name: future.result() for name, future in futures.items()}

    def _wait_for(self, futures: Sequence[Future[None]]) -> None:
        wait(futures)
        for future in futures:
            future.result()
