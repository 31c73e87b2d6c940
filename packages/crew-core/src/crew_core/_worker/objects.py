"""The objects that a task process holds: loaded when a task first needs them, then shared."""

from __future__ import annotations

from typing import Any

from crew_core._wire.messages import HoldObject
from crew_core._wire.pickling import load
from crew_core._wire.segments.store import SegmentStore
from crew_core._worker.large_buffers import find


class Objects:
    """Objects by digest: pickled until they are needed, and themselves from then on.

    Attributes:
        store: the segments of this computer, which the large ones may be in.
    """

    def __init__(self) -> None:
        self.store: SegmentStore | None = None
        self._pickled: dict[bytes, HoldObject] = {}
        self._loaded: dict[bytes, Any] = {}

    def hold(self, order: HoldObject) -> None:
        """Keep a pickled object."""
        self._pickled[order.digest] = order

    def forget(self, digests: list[bytes]) -> None:
        """No task will need these, unless they are held again."""
        for digest in digests:
            self._pickled.pop(digest, None)
            self._loaded.pop(digest, None)

    def get(self, digest: bytes, anew: bool) -> Any:
        """An object, the same one each time.

        Args:
            digest: which.
            anew: no, another one each time; true for all tasks that ask for this one, or for none.

        Raises:
            LookupError: it was never sent.
            SerializationError: it cannot be loaded here.
        """
        if digest in self._loaded:
            return self._loaded[digest]
        if digest not in self._pickled:
            raise LookupError(f"an object of put() ({digest.hex()[:8]}) did not come with its task")
        # Kept pickled until it is there: what fails once may succeed when a module is installed.
        order, what = self._pickled[digest], "the task's data" if anew else "an object of put()"
        loaded = load(order.payload, what, find(self.store, order.beside, what))
        if anew:
            return loaded
        self._loaded[digest] = loaded
        del self._pickled[digest]
        return loaded
