"""``python -m crew_rush._store.embedded.server FOLDER``: the process of an embedded store.

It says "ready" on standard output, and ends when its standard input says so, by SIGTERM, or when
nobody has asked it for anything for a while: its maker may be gone, and its workers too.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from crew_core.services import Service, ServiceKeys, runtime_directory
from crew_rush._model.errors import RushError, StoreError
from crew_rush._store.embedded import messages as m
from crew_rush._store.embedded.home import Address, Home, write_private
from crew_rush._store.embedded.journal import Journal
from crew_rush._store.embedded.networks import Networks
from crew_rush._store.embedded.summary import Kept, read_record, restore, summarize

IDLE_SECONDS = 120.0
"""How long a store without its maker stays when nobody asks for anything."""

SHORTENED_FROM = 10_000
"""A journal of so many changes is written anew, as what they led to, when a process begins."""

_LOOK_SECONDS = 0.5


class Clerk:
    """Answers requests, and writes changes down before it answers them."""

    def __init__(self, journal: Journal | None) -> None:
        self._networks = Networks()
        self._journal = journal
        self._looked_at = 0.0
        self.asked_at = time.monotonic()
        if journal is not None:
            self._go_on_with(journal)
        self._networks.hear_all(time.time())

    def answer(self, requests: Sequence[bytes]) -> list[bytes]:
        """The answers to some requests."""
        self.asked_at = time.monotonic()
        now = time.time()
        changes: list[tuple[float, bytes]] = []
        self._lose_overdue(now, changes)
        answers = [self._answer(request, now, changes) for request in requests]
        if self._journal is not None and changes:
            self._keep(self._journal, changes)
        return answers

    def _go_on_with(self, journal: Journal) -> None:
        """Do again what was done, and write down its outcome instead where that is shorter."""
        count = 0
        for at, change in journal.read():
            record = read_record(change)
            if isinstance(record, Kept):
                restore(self._networks, record)
            else:
                self._networks.perform(record, at)
                count += 1
        if count < SHORTENED_FROM:
            return
        now = time.time()
        try:
            journal.replace((now, m.encode(record)) for record in summarize(self._networks))
        except StoreError as error:  # it does as it is
            sys.stderr.write(f"crew-rush: {error}\n")

    def _answer(self, encoded: bytes, now: float, changes: list[tuple[float, bytes]]) -> bytes:
        try:
            request = m.read_request(encoded)
            result = self._networks.perform(request, now)
        except RushError as error:
            return m.encode(m.Bad(type(error).__name__, str(error)))
        except (msgspec.MsgspecError, ValueError) as error:
            return m.encode(m.Bad("StoreError", f"the store does not understand this: {error}"))
        if _is_change(request, result):
            changes.append((now, encoded))
        return m.encode(m.Good(msgspec.Raw(m.encode(result))))

    def _lose_overdue(self, now: float, changes: list[tuple[float, bytes]]) -> None:
        if time.monotonic() < self._looked_at + _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        for lost in self._networks.overdue(now):
            self._networks.perform(lost, now)
            changes.append((now, m.encode(lost)))

    def _keep(self, journal: Journal, changes: list[tuple[float, bytes]]) -> None:
        try:
            journal.add(changes)
        except StoreError as error:
            # What is not on disk must not be answered; the next process begins with what is.
            sys.stderr.write(f"crew-rush: the store ends: {error}\n")
            sys.stderr.flush()
            os._exit(5)


def _is_change(request: Any, result: object) -> bool:
    if isinstance(request, m.Pop):
        return result is not None
    return isinstance(request, m.Change)


def main(argv: list[str]) -> int:
    """Be a store until told to end."""
    threading.excepthook = _end_in_shame
    home = Home(Path(argv[0]))
    lock = home.lock.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.stderr.write(f"{home.path} is in use by another store: join it with store={home.url}\n")
        return 3
    try:
        journal = Journal(home.journal) if "--keep" in argv else None
        clerk = Clerk(journal)
        service, here = _open(home, clerk)
    except (RushError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _stay(clerk)
    service.close()
    Path(here).unlink(missing_ok=True)
    if journal is None:
        shutil.rmtree(home.path, ignore_errors=True)  # nobody can use what is in it
    else:
        journal.close()
    return 0


def _open(home: Home, clerk: Clerk) -> tuple[Service, str]:
    keys = ServiceKeys.from_bytes(home.keys.read_bytes())
    service = Service(clerk.answer, keys)
    # The same for the next process on this folder, and nothing of the secret itself.
    name = hashlib.sha256(keys.secret.encode()).hexdigest()[:8]
    socket_path = os.fspath(runtime_directory() / f"rush-{name}")
    here = service.listen_here(socket_path)
    abroad = ""
    if keys.settings is not None:
        abroad, port = service.listen_abroad()
        # The next process on this folder listens at the same port, where workers look for it.
        write_private(home.keys, keys.at_port(port).to_bytes())
    identity = keys.pass_to(abroad).identity if abroad else ""
    home.write_address(
        Address(here, socket.gethostname(), os.getpid(), abroad, keys.secret, identity)
    )
    return service, socket_path


def _end_in_shame(failure: threading.ExceptHookArgs) -> None:
    """A store that is not sound any more must not answer."""
    threading.__excepthook__(failure)
    sys.stderr.flush()
    os._exit(6)


def _stay(clerk: Clerk) -> None:
    """Until the maker says so; without a maker, until nobody asks any more."""
    told = threading.Event()
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    gone = threading.Event()

    def listen() -> None:
        (told if sys.stdin.readline() else gone).set()

    threading.Thread(target=listen, daemon=True).start()
    while not told.wait(_LOOK_SECONDS) and not signals:
        if gone.is_set() and time.monotonic() > clerk.asked_at + IDLE_SECONDS:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
