"""The state of ``random`` and ``numpy.random`` at the start of each task.

Every task is seeded, so nothing has to be put back afterwards. A module that nobody imported yet is
not imported for it: it is seeded at the moment the task imports it. NumPy's generator, which takes
long to seed, is seeded when the task uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from crew_core._model.streams import CURRENT, Stream, python_seed, seed_sequence

if TYPE_CHECKING:
    from crew_core._worker.lazy_numpy import LazyNumpy

_LEGACY_SEED_MAX = 2**32 - 1  # what numpy.random.seed takes as a number
_WORDS = 8


class Seeder:
    """Gives each task its random state.

    Args:
        root: of the controller's streams.
        own: False in a process that is not crew's: NumPy's generator is seeded and left as it is.
    """

    def __init__(self, root: int, *, own: bool = True) -> None:
        self._root = root
        self._own = own
        self._numpy: LazyNumpy | None = None
        self._stream: tuple[int, int, int | None, str | None] = (root, 0, None, None)
        watched = {"random": self._seed_random, "numpy.random": self._seed_numpy}
        missing = {name: seed for name, seed in watched.items() if name not in sys.modules}
        self._finder = _FirstImport(missing)
        sys.meta_path.insert(0, self._finder)

    def withdraw(self) -> None:
        """No task follows: what is imported from now on is none of ours."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)

    def begin(
        self,
        index: int,
        seed: int | None,
        algorithm: str | None,
        elsewhere: tuple[str, int] | None = None,
    ) -> None:
        """Set the state for a task.

        Args:
            index: the task's number at this controller.
            seed: as given to ``push``.
            algorithm: as given to ``push``.
            elsewhere: root and number at the controller where it was pushed, if that is another.
        """
        if elsewhere is None:
            self._stream = (self._root, index, seed, algorithm)
        else:
            self._stream = (int(elsewhere[0]), elsewhere[1], seed, algorithm)
        CURRENT.set(self._stream)
        if "random" in sys.modules:
            self._seed_random()
        if self._numpy is not None:
            self._numpy.postpone()
        elif "numpy.random" in sys.modules:
            self._seed_numpy()
            if self._own:
                self._be_lazy(sys.modules["numpy.random"])

    def _be_lazy(self, module: ModuleType) -> None:
        from crew_core._worker.lazy_numpy import LazyNumpy

        try:
            self._numpy = LazyNumpy(module, self._seed_numpy)
        except (AttributeError, TypeError):  # a NumPy that we do not know
            self._own = False

    def _seed_random(self) -> None:
        import random

        random.seed(python_seed(Stream(*self._stream)))

    def _seed_numpy(self) -> None:
        import numpy as np

        # While the import that called this goes on, numpy does not know its part yet.
        legacy = np.random = sys.modules["numpy.random"]
        stream = Stream(*self._stream)
        seed = stream.seed
        if seed is not None and seed <= _LEGACY_SEED_MAX:
            legacy.seed(seed)
        else:
            legacy.seed(seed_sequence(stream).generate_state(_WORDS))


class _FirstImport:
    """A finder that finds nothing itself, but calls a function once a module was first imported.

    Args:
        watched: what to call, by the module's full name. The finder goes when all were called.
    """

    def __init__(self, watched: dict[str, Callable[[], None]]) -> None:
        self._watched = watched

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._watched:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Wrapped(spec.loader, self._imported)  # type: ignore[assignment]
                return spec
        return None

    def _imported(self, name: str) -> None:
        seed = self._watched.pop(name, None)
        if not self._watched and self in sys.meta_path:
            sys.meta_path.remove(self)
        if seed is not None:
            seed()


class _Wrapped:
    """A module's loader, which says so when the module was executed, and leaves no trace."""

    def __init__(self, loader: Any, imported: Callable[[str], None]) -> None:
        self._loader = loader
        self._imported = imported

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._imported(module.__name__)
