"""Deletes what several workers have been started with, once the last of them has fetched it."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import describe
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._aws.names import split
from crew_aws_batch._launcher.handle import Handle, handles_of
from crew_aws_batch._launcher.look import LARGE, waits_whole
from crew_aws_batch._launcher.vault import Vault

log = logging.getLogger("crew")

_SECONDS = 60.0
"""Between two looks. A job that runs at two of them has fetched what it needs."""

_OVER = ("SUCCEEDED", "FAILED")


@dataclass
class _Shared:
    """The bundles of one submission that are still there: who uses each."""

    vault: Vault
    users: dict[int, set[str]]
    running: set[str] = field(default_factory=set)  # at the last look


class Sweeper:
    """Looks after the bundles of one launcher that more than one worker uses.

    Args:
        clients: how to ask about jobs.
        seconds: between two looks.
    """

    def __init__(self, clients: Clients, seconds: float = _SECONDS) -> None:
        self._clients = clients
        self._seconds = seconds
        self._lock = threading.Lock()
        self._shared: dict[str, _Shared] = {}
        self._known: set[str] = set()  # all submissions that were ever noted
        self._thread: threading.Thread | None = None

    @property
    def left(self) -> list[str]:
        """The submissions that still have bundles."""
        with self._lock:
            return list(self._shared)

    def note(self, vault: Vault, handles: Sequence[Handle], share: int) -> None:
        """A submission whose workers share bundles, so many each."""
        bundles = range(0, len(handles), share)
        users = {i: {h.element for h in handles[at : at + share]} for i, at in enumerate(bundles)}
        with self._lock:
            self._known.add(handles[0].name)
            self._shared[handles[0].name] = _Shared(vault, users)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="crew-sweeper", daemon=True)
                self._thread.start()
                _at_exit(self)

    def adopt(self, vault: Vault, handle: Handle) -> None:
        """See to a submission of somebody who has died since, unless that is done already.

        Asks once which of its workers are over. Never raises.
        """
        with self._lock:
            if handle.name in self._known:
                return
        handles = handles_of(handle.job, handle.name, handle.count, handle.share)
        self.note(vault, handles, handle.share)
        # Whether it is the second look at those that run nobody knows, so it is none.
        states = self._states(handle.element for handle in handles)
        self._settle({name for name, state in states.items() if state in _OVER})

    def over(self, elements: Iterable[str]) -> None:
        """These workers need nothing any more."""
        self._settle(set(elements))

    def sweep(self) -> None:
        """Look at the jobs, and delete what nobody needs any more. Never raises."""
        with self._lock:
            asked = {e for s in self._shared.values() for users in s.users.values() for e in users}
        states = self._states(asked)
        if not states:
            return
        running = {name for name, state in states.items() if state == "RUNNING"}
        with self._lock:
            for shared in self._shared.values():
                was_running, shared.running = shared.running, running
                states.update(dict.fromkeys(was_running & running, _OVER[0]))
        self._settle({name for name, state in states.items() if state in _OVER})

    def _states(self, elements: Iterable[str]) -> dict[str, str]:
        """AWS's words for the states of these; nothing when it does not answer."""
        try:
            details = describe(self._clients, self._worth_asking(elements))
        except AwsError as error:
            log.debug("cannot look whether workers have started: %s", error)
            return {}
        return {name: str(detail.get("status")) for name, detail in details.items()}

    def _worth_asking(self, elements: Iterable[str]) -> list[str]:
        """All but those of large arrays none of whose jobs has started."""
        by_job: defaultdict[str, list[str]] = defaultdict(list)
        for element in elements:
            by_job[split(element)[0]].append(element)
        arrays = [job for job, members in by_job.items() if len(members) > LARGE]
        parents = describe(self._clients, arrays)
        waiting = {job for job in arrays if waits_whole(parents.get(job, {}))}
        return [e for job, members in by_job.items() if job not in waiting for e in members]

    def close(self) -> None:
        """Delete all that is left: nobody is waited for any more. One failure is enough to stop."""
        with self._lock:
            left, self._shared = self._shared, {}
        for name, shared in left.items():
            for number in shared.users:  # one by one: at its end a process has no more threads
                if not shared.vault.remove(name, [number]):
                    return

    def _settle(self, done: set[str]) -> None:
        emptied: list[tuple[Vault, str, list[int]]] = []
        with self._lock:
            for name, shared in list(self._shared.items()):
                for users in shared.users.values():
                    users.difference_update(done)
                numbers = [number for number, users in shared.users.items() if not users]
                for number in numbers:
                    del shared.users[number]
                if numbers:
                    emptied.append((shared.vault, name, numbers))
                if not shared.users:
                    del self._shared[name]
        for vault, name, numbers in emptied:
            vault.remove(name, numbers)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._seconds)
            self.sweep()
            with self._lock:
                if not self._shared:
                    self._thread = None
                    return


def _at_exit(sweeper: Sweeper) -> None:
    """Delete what is left when this process ends, though not when a fork of it does."""
    pid = os.getpid()

    def close() -> None:
        if os.getpid() == pid:
            sweeper.close()

    atexit.register(close)
