"""The large buffers of a task: those of its arguments, mapped, and those of its value, given away.

An argument's segment is the client's, which must keep it until the task has ended: another attempt
may need it. With the outcome it is told whether the segment is mapped here any longer. User code
may have kept the array, or a child may have been forked that has it, too: then it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from crew_core._model.errors import SerializationError
from crew_core._wire.messages import Beside
from crew_core._wire.segments.store import SegmentStore, length, split

if TYPE_CHECKING:
    import mmap


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
        whole = store.borrow(beside.segment, length(beside.sizes))
        return split(whole, beside.sizes)
    except (OSError, ValueError) as error:
        raise SerializationError(
            f"{what} cannot be found in this computer's memory any more: {error}. Something has "
            "removed files of crew's from /dev/shm"
        ) from error


class _Taken(NamedTuple):
    """A segment with arguments, and the mapping or the copy of it."""

    segment: str
    whole: mmap.mmap | bytearray

    @property
    def is_ours_alone(self) -> bool:
        """True when no part of the segment is used any more."""
        return isinstance(self.whole, bytearray) or sys.getrefcount(self.whole) == _ALONE


_sample = _Taken("", bytearray())
_ALONE = sys.getrefcount(_sample.whole)
"""References that are counted when there is no other: that depends on the version of Python."""


class LargeBuffers:
    """Takes in and gives away, for one task after the other.

    Args:
        store: the segments of this computer; None: all buffers are in the messages.
    """

    def __init__(self, store: SegmentStore | None = None) -> None:
        self._store = store
        self._taken: _Taken | None = None
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
            self._taken = _Taken(beside.segment, cast("mmap.mmap | bytearray", found[0].obj))
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
        if taken is not None and taken.is_ours_alone and not self._forked:
            assert self._store is not None
            if not isinstance(taken.whole, bytearray):
                self._store.give_back(taken.segment, taken.whole)
            found.append(taken.segment)
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
