"""The objects that were put during a controller's run, and when they are freed.

::

    put ──► counted by content ──► PutObject ──► dispatcher ──► workers
    last reference dropped ──► SimpleQueue ──► thread ──► DropBlobs ──► dispatcher ──► workers

A reference can be dropped at any instruction of any thread, also by the garbage collector and
under any lock. So whoever drops the last one only puts a note into a queue that can take it then,
and a thread of its own, started with the first put, does the rest.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from crew_core._controller.likeness import digest_of, look_of
from crew_core._controller.parcels import Lease, Parcels
from crew_core._controller.references import Home, Pickled, Reference, check_home
from crew_core._wire import codec, messages

T = TypeVar("T")


class ObjectBook:
    """Keeps account of objects.

    Args:
        controller: its name.
        send: sends an object to the dispatcher.
        drop: tells the dispatcher that no task will need these.
        parcels: has large buffers where workers of this computer find them.
        share_bytes: of objects, at most, that it may have there.
    """

    def __init__(
        self,
        controller: str,
        send: Callable[[messages.PutObject], None],
        drop: Callable[[list[bytes]], None],
        parcels: Parcels,
        share_bytes: int,
    ) -> None:
        self.home = Home(controller)
        self._send = send
        self._drop = drop
        self._parcels = parcels
        self._share_bytes = share_bytes  # that are left
        self._leases: dict[bytes, tuple[Lease, int]] = {}
        self._alike: dict[bytes, list[bytes]] = {}  # with large buffers: digests by their looks
        self._looks: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self._counts: dict[bytes, int] = {}
        self._dropped: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, pickled: Pickled, *, apart: bool = False) -> Reference[T]:
        """A reference to what was pickled, sent unless the dispatcher has it.

        Args:
            pickled: the object.
            apart: send it even so, as one that no other reference is to.
        """
        check_home(pickled.references, self.home, self.home.controller)
        size = len(pickled.data) + sum(buffer.nbytes for buffer in pickled.beside)
        with self._lock:
            digest: bytes | None = os.urandom(16)
            if not apart:
                digest = self._find(pickled) if pickled.beside else digest_of(pickled)
            if digest is None or digest not in self._counts:
                digest = self._hold(digest, pickled, size)
            reference: Reference[T] = Reference(self.home, digest, size, pickled.references)
            self._count(reference, digest)
        return reference

    def adopt(self, digest: bytes, fetch: Callable[[bytes], memoryview]) -> Reference[Any]:
        """A reference to an object of another controller, fetched unless our dispatcher has it."""
        # What it mentions need not be known here: whoever adopts it adopts that, too.
        reference: Reference[Any] = Reference(self.home, digest, 0, ())
        with self._lock:
            if digest not in self._counts:
                self._give(digest, fetch(digest))
            self._count(reference, digest)
        return reference

    def close(self) -> None:
        """The run is over: references mean nothing any more."""
        self.home.over = True
        self._dropped.put(None)

    # ── Inside, under the lock ─────────────────────────────────────────────────────────────────

    def _count(self, reference: Reference[Any], digest: bytes) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._free, name="crew-free", daemon=True)
            self._thread.start()
        self._counts[digest] = self._counts.get(digest, 0) + 1
        end = weakref.finalize(reference, self._dropped.put, digest)
        end.atexit = False

    def _give(self, digest: bytes, order: bytes | memoryview) -> None:
        whole = memoryview(order)
        self._send(messages.PutObject(digest, len(whole), whole))

    def _find(self, pickled: Pickled) -> bytes | None:
        """The digest of the object with large buffers that was pickled alike, if there is one."""
        for digest in self._alike.get(look_of(pickled), ()):
            lease, _ = self._leases.get(digest, (None, 0))
            if lease is None:
                same = digest == digest_of(pickled)
            else:
                same = self._parcels.shows(lease, pickled.beside)
            if same:
                return digest
        return None

    def _hold(self, digest: bytes | None, pickled: Pickled, size: int) -> bytes:
        """Have workers find it; what it is known by.

        Args:
            digest: what it is known by, if that is given; others are not compared with it then.
            pickled: the object.
            size: its bytes.
        """
        is_compared = digest is None
        beside = lease = None
        if pickled.beside:
            share = size <= self._share_bytes
            beside = self._parcels.pack(pickled, "the object", share=share)
            lease = self._parcels.lease(beside)
        if digest is None:
            digest = digest_of(pickled) if lease is None else os.urandom(16)
        if digest in self._counts:  # another controller's, which has it in its messages, too
            return digest
        order = messages.HoldObject(digest, memoryview(pickled.data), beside)
        self._give(digest, codec.encode(order))
        if lease is not None:
            self._share_bytes -= size
            self._leases[digest] = lease, size
        if is_compared:
            look = self._looks[digest] = look_of(pickled)
            self._alike.setdefault(look, []).append(digest)
        return digest

    def _forget(self, digest: bytes) -> None:
        self._share_bytes += self._leases.pop(digest, (None, 0))[1]
        look = self._looks.pop(digest, None)
        if look is not None:
            self._alike[look].remove(digest)
            if not self._alike[look]:
                del self._alike[look]

    # ── The thread ─────────────────────────────────────────────────────────────────────────────

    def _free(self) -> None:
        while (digest := self._dropped.get()) is not None:
            with self._lock:
                self._counts[digest] -= 1
                if not self._counts[digest]:
                    del self._counts[digest]
                    self._drop([digest])
                    self._forget(digest)
