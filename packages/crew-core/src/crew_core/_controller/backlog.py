"""Names of tasks that a caller does not want to push yet: first in, first out."""

from __future__ import annotations

import threading

from crew_core._model.errors import ConfigError


class Backlog:
    """A queue of distinct names. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, None] = {}

    def push(self, name: str) -> None:
        """Add a name.

        Raises:
            ConfigError: it is there already.
        """
        with self._lock:
            if name in self._names:
                raise ConfigError(f"{name!r} is in the backlog already")
            self._names[name] = None

    def pop(self, most: int) -> list[str]:
        """Take up to ``most`` names, oldest first."""
        with self._lock:
            names = list(self._names)[: max(most, 0)]
            for name in names:
                del self._names[name]
            return names

    def clear(self) -> None:
        """Forget all names."""
        with self._lock:
            self._names.clear()
