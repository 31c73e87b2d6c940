"""The objects that were put during a controller's run, and when they are freed.

::

    put ──► counted by content ──► PutObject ──► dispatcher ──► workers
    last reference dropped ──► SimpleQueue ──► thread ──► DropBlobs ──► dispatcher ──► workers

A reference can be dropped at any instruction of any thread, also by the garbage collector and
under any lock. So whoever drops the last one only puts a note into a queue that can take it then,
and a thread of its own, started with the first put, does the rest.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

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
        self._lock = threading.Lock()
        self._counts: dict[bytes, int] = {}
        self._dropped: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, pickled: Pickled) -> Reference[T]:
        """A reference to what was pickled, sent unless the dispatcher has it."""
        check_home(pickled.references, self.home, self.home.controller)
        digest, size = _identify(pickled)
        reference: Reference[T] = Reference(self.home, digest, size, pickled.references)
        self._count(reference, digest, lambda: self._order(digest, pickled, size))
        return reference

    def adopt(self, digest: bytes, fetch: Callable[[bytes], memoryview]) -> Reference[Any]:
        """A reference to an object of another controller, fetched unless our dispatcher has it."""
        # What it mentions need not be known here: whoever adopts it adopts that, too.
        reference: Reference[Any] = Reference(self.home, digest, 0, ())
        self._count(reference, digest, lambda: fetch(digest))
        return reference

    def close(self) -> None:
        """The run is over: references mean nothing any more."""
        self.home.over = True
        self._dropped.put(None)

    def _count(
        self, reference: Reference[Any], digest: bytes, order: Callable[[], bytes | memoryview]
    ) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._free, name="crew-free", daemon=True)
                self._thread.start()
            if digest not in self._counts:
                whole = memoryview(order())
                self._send(messages.PutObject(digest, len(whole), whole))
            self._counts[digest] = self._counts.get(digest, 0) + 1
        end = weakref.finalize(reference, self._dropped.put, digest)
        end.atexit = False

    def _order(self, digest: bytes, pickled: Pickled, size: int) -> bytes:
        beside = None
        if pickled.beside:
            share = size <= self._share_bytes
            beside = self._parcels.pack(pickled, "the object", share=share)
            if (lease := self._parcels.lease(beside)) is not None:
                self._share_bytes -= size
                self._leases[digest] = lease, size
        return codec.encode(messages.HoldObject(digest, memoryview(pickled.data), beside))

    def _free(self) -> None:
        while (digest := self._dropped.get()) is not None:
            with self._lock:
                self._counts[digest] -= 1
                if not self._counts[digest]:
                    del self._counts[digest]
                    self._drop([digest])
                    self._share_bytes += self._leases.pop(digest, (None, 0))[1]


def _identify(pickled: Pickled) -> tuple[bytes, int]:
    """What a pickle is known by, and its size."""
    found = hashlib.blake2b(pickled.data, digest_size=16)
    for buffer in pickled.beside:
        found.update(buffer)
    return found.digest(), len(pickled.data) + sum(buffer.nbytes for buffer in pickled.beside)
