"""A selector that never waits: whoever asks it was woken."""

from __future__ import annotations

import selectors
from typing import Any


class Selector(selectors.BaseSelector):
    """Tells who has something to say. It never waits: whoever asks was woken."""

    def __init__(self) -> None:
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._ready: dict[Any, None] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, fileobj if type(fileobj) is int else 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self._ready.pop(fileobj, None)
        return self._keys.pop(fileobj)

    def mark(self, fileobj: Any) -> None:
        """It has something to say."""
        self._ready[fileobj] = None

    def events(self, fileobj: Any) -> int:
        """What somebody wants to know of it."""
        key = self._keys.get(fileobj)
        return 0 if key is None else key.events

    def select(
        self, timeout: float | None = None, *, but: int | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        keys = self._keys
        held = but in self._ready
        self._ready.pop(but, None)
        ready = [(keys[one], selectors.EVENT_READ) for one in self._ready if one in keys]
        self._ready.clear()
        if held:
            self._ready[but] = None
        return ready

    def get_map(self) -> Any:
        return self._keys
