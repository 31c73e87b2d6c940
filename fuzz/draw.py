"""Makes structured things of bytes, so that a fuzzer's bytes reach behind the first check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Gives what the bytes say, and what is simplest once they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, most: int) -> bytes:
        """As many as the next byte says, at most so many."""
        count = self.number(most + 1)
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def number(self, below: int) -> int:
        """From zero up to a limit of at most 256."""
        if not self:
            return 0
        self._at += 1
        return self._data[self._at - 1] % below

    def choice(self, of: Sequence[T]) -> T:
        """One of these."""
        return of[self.number(len(of))]

    def rest(self) -> bytes:
        """All that is left."""
        taken, self._at = self._data[self._at :], len(self._data)
        return taken
