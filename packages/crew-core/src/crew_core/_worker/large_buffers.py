"""The large buffers of a task: those of its arguments, mapped, and those of its value, given away.

An argument's segment is the client's, which must keep it until the task has ended: another attempt
may need it. With the outcome it is told whether the segment is mapped here any longer. User code
may have kept the array, or a child may have been forked that has it, too: then it is.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from crew_core._model.errors import SerializationError
from crew_core._wire.messages import Beside
from crew_core._wire.segments.store import SegmentStore, length, split


def find(store: SegmentStore | None, beside: Beside | None, what: str) -> Sequence[memoryview]:
    """The large buffers of a pickle, which may be written to.

    Args:
        store: the segments of this computer.
        beside: what a message says of them.
        what: what to call it in an error.

    Raises:
        SerializationError: their segment is gone.
    """
    if beside is None:
        return ()
    if not beside.segment:
        return [memoryview(bytearray(payload)) for payload in beside.payloads]
    try:
        if store is None:
            raise FileNotFoundError("this process has no directory for it")
        whole = store.map_or_read(beside.segment, length(beside.sizes))
        return split(whole, beside.sizes)
    except (OSError, ValueError) as error:
        raise SerializationError(
            f"{what} cannot be found in this computer's memory any more: {error}. Something has "
            "removed files of crew's from /dev/shm"
        ) from error


class LargeBuffers:
    """Takes in and gives away, for one task after the other.

    Args:
        store: the segments of this computer; None: all buffers are in the messages.
    """

    def __init__(self, store: SegmentStore | None = None) -> None:
        self._store = store
        self._taken: tuple[str, Callable[[], Any]] | None = None
        self._written: str | None = None
        self._forked = False
        if store is not None:
            os.register_at_fork(before=self._note_fork)

    @property
    def are_used(self) -> bool:
        """True when there is something to ``settle``."""
        return self._taken is not None or self._written is not None

    def take_in(self, beside: Beside) -> Sequence[memoryview]:
        """The buffers of a task's arguments, which may be written to.

        Raises:
            SerializationError: their segment is gone.
        """
        self._forked = False
        found = find(self._store, beside, "the task's large arguments")
        if beside.segment:
            import mmap  # here, as most task processes never need it

            whole = found[0].obj
            mapped = weakref.ref(whole) if isinstance(whole, mmap.mmap) else _nothing
            self._taken = beside.segment, mapped
        return found

    def give_away(self, buffers: Sequence[memoryview], *, share: bool) -> Beside:
        """The buffers of a task's value, on their way.

        Args:
            buffers: in the order of their pickle; at least one.
            share: whether a segment may hold them.
        """
        sizes = tuple(buffer.nbytes for buffer in buffers)
        if share and self._store is not None:
            self._written = self._store.write(buffers)
            if self._written is not None:
                return Beside(sizes, self._written)
        return Beside(sizes, payloads=tuple(buffers))

    def settle(self, *, success: bool) -> tuple[str, ...]:
        """The task has ended: the segments that are the client's from now on."""
        found = []
        taken, self._taken = self._taken, None
        if taken is not None and taken[1]() is None and not self._forked:
            found.append(taken[0])
        written, self._written = self._written, None
        if written is not None:
            assert self._store is not None
            if success:
                self._store.publish(written)
                found.append(written)
            else:
                self._store.withdraw(written)
        return tuple(found)

    def _note_fork(self) -> None:
        self._forked = True


def _nothing() -> None:
    """What is left of a mapping that never was."""
