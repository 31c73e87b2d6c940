"""NumPy's global generator, seeded for a task only when the task uses it.

To seed it takes longer than many a task. But whoever draws from it takes its lock first, and all
else goes by an attribute of its bit generator. So a stand-in with a lock of its own is put in the
bit generator's place, for free. Who comes first puts the real one back and seeds it; from then on,
until the next task, the generator is as NumPy made it, and as quick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any


class LazyNumpy:
    """The global generator of one ``numpy.random``.

    Args:
        module: ``numpy.random``, whole.
        seed: seeds the generator for the task that runs.

    Raises:
        AttributeError: this NumPy is not as expected; likewise ``TypeError``.
    """

    def __init__(self, module: ModuleType, seed: Callable[[], None]) -> None:
        self._generator: Any = module.mtrand._rand
        self._real = self._generator._bit_generator
        self._seed = seed
        self._once = threading.RLock()
        self._is_placing = False
        self._gate = _Gate(self._open, self._real.lock)
        self._stand_in = _stand_in(module.MT19937, self)

    def postpone(self) -> None:
        """From now on, the first use seeds."""
        if self._generator._bit_generator is not self._stand_in:
            self._is_placing = True
            try:
                self._generator.__init__(self._stand_in)
            finally:
                self._is_placing = False

    def attribute(self, name: str) -> Any:
        """An attribute of the stand-in."""
        if not self._is_placing:
            self._open()
        elif name == "lock":
            return self._gate
        return getattr(self._real, name)

    def set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute of the stand-in."""
        self._open()
        if name == "state":
            self._generator.set_state(value)  # a part of it is the generator's
        else:
            setattr(self._real, name, value)

    def _open(self) -> None:
        with self._once:
            if self._generator._bit_generator is self._stand_in and not self._is_placing:
                self._generator.__init__(self._real)
                self._seed()


class _Gate:
    """The generator's lock until it is seeded."""

    def __init__(self, open_: Callable[[], None], lock: Any) -> None:
        self._open = open_
        self._lock = lock

    def __enter__(self) -> Any:
        self._open()
        return self._lock.__enter__()

    def __exit__(self, *error: object) -> Any:
        return self._lock.__exit__(*error)


def _stand_in(kind: type[Any], lazy: LazyNumpy) -> Any:
    # Of the real one's type, for NumPy asks; but whatever is asked of it is answered elsewhere.
    class StandIn(kind):  # type: ignore[misc]  # known at run time only
        def __getattribute__(self, name: str) -> Any:
            return lazy.attribute(name)

        def __setattr__(self, name: str, value: Any) -> None:
            lazy.set_attribute(name, value)

    return StandIn()
