"""Large buffers on their way to tasks and back, and who may free the memory that they are in.

::

    push ──► pack ──► Lease, kept with the handle ──► freed, or used again, when the task has ended
    Finished ──► take_over ──► Parcel, kept with the handle ──► open ──► mapped by the result

A segment with arguments must stay for as long as the task may be tried again. It is used again only
if the one attempt that was made says that nobody maps it. A segment with a result is ours alone: it
is used again when what we mapped it into is gone, unless a forked child may have it, too. In doubt
a segment is removed, which takes nothing away from who maps it.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from crew_core._controller.likeness import are_equal
from crew_core._controller.packing import check_size
from crew_core._controller.references import Pickled
from crew_core._model.errors import CrewError, SerializationError
from crew_core._model.states import Status
from crew_core._wire import codec, messages
from crew_core._wire.segments.lock import Hold, remove
from crew_core._wire.segments.store import SegmentStore, length, split

if TYPE_CHECKING:
    from pathlib import Path

    from crew_core._controller.handle import Task

# Not the book's lock: results are opened by whoever asks for them, without it.
_opening = threading.RLock()
_all: weakref.WeakSet[Parcels] = weakref.WeakSet()


class Lease:
    """A segment with a task's arguments. Dropped, it is removed."""

    def __init__(self, store: SegmentStore, name: str, deaths: int) -> None:
        self.name = name
        self.deaths = deaths
        self._store = store
        self._end = weakref.finalize(self, store.discard, name)
        self._end.atexit = False

    def recycle(self) -> None:
        """Nobody maps it."""
        if self._end.detach() is not None:
            self._store.recycle(self.name)


class Parcel:
    """A segment with a task's value. Dropped before it was opened, it is used again."""

    def __init__(self, parcels: Parcels, name: str) -> None:
        self.name = name
        self._parcels = parcels
        self._whole: Any = None
        self._end = weakref.finalize(self, parcels._drop, name)
        self._end.atexit = False

    def open(self, sizes: Sequence[int] | None) -> list[memoryview]:
        """The buffers in it, the same ones each time. They keep it from being used again.

        Args:
            sizes: of the buffers; None: all of it is one, to be asked for in parts later.

        Raises:
            SerializationError: it is gone.
        """
        with _opening:
            if self._whole is None:
                self._whole = self._open(sizes)
            return split(self._whole, sizes) if sizes is not None else []

    def _open(self, sizes: Sequence[int] | None) -> Any:
        try:
            whole = self._parcels._open(self.name, sizes)
        except (OSError, ValueError) as error:
            raise SerializationError(
                f"the result is no longer in this computer's memory: {error}. Something has "
                "removed files of crew's from /dev/shm"
            ) from error
        self._end.detach()
        return whole


class Parcels:
    """What one run of a controller has in segments.

    Args:
        made: the directory, held, when all workers are on this computer; None: there is none, and
            buffers go into the messages.
    """

    def __init__(self, made: tuple[Path, Hold] | None) -> None:
        self.directory = "" if made is None else os.fspath(made[0])
        self._hold = None if made is None else made[1]
        self._store: SegmentStore | None = None
        self._deaths = 0  # of workers whose tasks may, for all we know, still run
        self._forks = 0  # of this process
        self._unopened: dict[str, weakref.ref[Parcel]] = {}
        if made is not None:
            self._store = SegmentStore(self.directory, f"client.{os.getpid()}")
            with _opening:
                _all.add(self)

    # ── Arguments ──────────────────────────────────────────────────────────────────────────────

    def pack(
        self, pickled: Pickled, what: str = "args and data", *, share: bool = True
    ) -> messages.Beside:
        """Send a pickle's large buffers; what the message says of them.

        Args:
            pickled: the pickle.
            what: what to call it in an error.
            share: whether a segment may hold them; the caller then asks for its ``lease``.

        Raises:
            SerializationError: they are too large for a message, and there is no room elsewhere.
        """
        buffers = pickled.beside
        sizes = tuple(buffer.nbytes for buffer in buffers)
        if share and self._store is not None:
            name = self._store.write(buffers)
            if name is not None:
                self._store.publish(name)
                return messages.Beside(sizes, name)
        check_size(len(pickled.data) + sum(sizes), what)
        return messages.Beside(sizes, payloads=tuple(buffers))

    def lease(self, beside: messages.Beside) -> Lease | None:
        """The segment that was packed, to be kept until its task has ended."""
        if not beside.segment:
            return None
        assert self._store is not None
        return Lease(self._store, beside.segment, self._deaths)

    def shows(self, lease: Lease, buffers: Sequence[memoryview]) -> bool:
        """True when a segment has what these buffers of the same sizes have."""
        assert self._store is not None
        sizes = [buffer.nbytes for buffer in buffers]
        try:
            whole = self._store.map_or_read(lease.name, length(sizes))
        except (OSError, ValueError):
            return False
        return are_equal(buffers, split(whole, sizes))

    def inline(self, body: messages.TaskBody) -> messages.TaskBody:
        """A task's body with its buffers inside, for workers elsewhere.

        Raises:
            CrewError: they are gone.
        """
        if body.beside is None or not body.beside.segment:
            return body
        return msgspec.structs.replace(body, beside=self._inside(body.beside, body.arguments))

    def inline_object(self, order: memoryview) -> memoryview:
        """An object's order with its buffers inside, for workers elsewhere.

        Raises:
            CrewError: they are gone.
        """
        hold = messages.decode_to_task_process(order)
        assert isinstance(hold, messages.HoldObject)
        if hold.beside is None or not hold.beside.segment:
            return order
        inside = msgspec.structs.replace(hold, beside=self._inside(hold.beside, hold.payload))
        return memoryview(codec.encode(inside))

    # ── Results ────────────────────────────────────────────────────────────────────────────────

    def take_over(self, handle: Task[Any], finished: messages.FinishedTask) -> None:
        """A task has ended, and has given us segments. Called under the book's lock."""
        if self._store is None:
            return  # there are none, whatever a worker says
        lease = handle.lease
        for name in finished.segments:
            if lease is None or name != lease.name:
                parcel = self._parcel(name)
                handle.parcel = parcel if finished.status == Status.SUCCESS else None
            elif finished.attempts == 1 and lease.deaths == self._deaths:
                lease.recycle()

    def note_death(self) -> None:
        """A worker is lost. What it ran may go on, and see arguments that we would use again."""
        self._deaths += 1

    # ── The end ────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Remove the directory. Results that were not looked at can still be."""
        if self._hold is None:
            return
        self._secure(copy=True)
        remove(self.directory)
        assert self._store is not None
        self._store.let_go()
        self._hold.release()

    def discard_parts(self, instance: str) -> None:
        """A worker is gone: remove what it was writing."""
        if self._store is not None:
            self._store.discard_parts(f"{instance}.")

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _inside(self, beside: messages.Beside, data: bytes | memoryview) -> messages.Beside:
        assert self._store is not None
        check_size(len(data) + sum(beside.sizes), "what goes to a backup")
        try:
            whole = self._store.read(beside.segment, length(beside.sizes))
        except OSError as error:
            raise CrewError(f"large buffers of a task are lost: {error}") from error
        return messages.Beside(beside.sizes, payloads=tuple(split(whole, beside.sizes)))

    def _parcel(self, name: str) -> Parcel:
        parcel = Parcel(self, name)
        self._unopened[name] = weakref.ref(parcel)
        return parcel

    def _drop(self, name: str) -> None:
        """Nobody has looked at a result, or ever will. Called at any instruction."""
        self._unopened.pop(name, None)
        assert self._store is not None
        self._store.recycle(name)

    def _open(self, name: str, sizes: Sequence[int] | None) -> Any:
        store = self._store
        assert store is not None
        if store.is_elsewhere:
            raise OSError("it belongs to the process that this one was forked from")
        self._unopened.pop(name, None)
        size = store.size(name) if sizes is None else length(sizes)
        whole = store.map_or_read(name, size)
        if isinstance(whole, bytearray):
            store.recycle(name)
        else:
            end = weakref.finalize(whole, self._unmapped, name, self._forks)
            end.atexit = False
        return whole

    def _unmapped(self, name: str, forks: int) -> None:
        """What a result was mapped into is gone. Called at any instruction."""
        assert self._store is not None
        if forks == self._forks:
            self._store.recycle(name)
        else:
            self._store.discard(name)

    def _secure(self, *, copy: bool) -> None:
        """Open what was not looked at, so that it can be, whatever becomes of the files.

        Args:
            copy: also what is one mapping too many.
        """
        for found in list(self._unopened.values()):
            if not copy and (self._store is None or not self._store.may_map):
                return
            if (parcel := found()) is not None:
                try:
                    parcel.open(None)
                except SerializationError:  # who asks for it is told
                    continue

    def _before_fork(self) -> None:
        # The child sees what we see now, and frees nothing. We may free it only for good.
        self._secure(copy=False)
        self._forks += 1

    def _in_child(self) -> None:
        if self._hold is not None:
            self._hold.release()


def _before_fork() -> None:
    _opening.acquire()
    for parcels in list(_all):
        parcels._before_fork()


def _in_child() -> None:
    _opening.release()
    for parcels in list(_all):
        parcels._in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_opening.release, after_in_child=_in_child
    )
