"""No contender but the least that a machine must do: what a target is given in terms of."""

from __future__ import annotations

import importlib
import multiprocessing
import platform
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.contenders.base import Adapter


class Floor(Adapter):
    """Two warm memory copies for an array, bare processes for busy tasks, imports for a start."""

    distribution = "python"

    @property
    def version(self) -> str:
        """Python's own version."""
        return platform.python_version()

    def start(self, workers: int) -> None:
        """Import what any design on NNG and pickles imports."""
        for module in ("pynng", "cloudpickle"):
            importlib.import_module(module)
        self._workers = workers
        self._there: Any = None
        self._back: Any = None

    def call(self, function: Callable[..., Any], *args: Any) -> Any:  # noqa: ARG002
        """Copy an array into memory that was used before, and from there once more."""
        if not args:
            return None
        import numpy as np

        array = args[0]
        if self._there is None or self._there.shape != array.shape:
            self._there, self._back = np.ones_like(array), np.ones_like(array)
        np.copyto(self._there, array)
        np.copyto(self._back, self._there)
        return self._back

    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        """Split the values once, and let a process do each part."""
        parts = [values[first :: self._workers] for first in range(self._workers)]
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=_run_all, args=(function, part)) for part in parts]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        return [None] * len(values)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Nothing is queued here."""
        return self.call(function, *args)

    def result(self, handle: Any) -> Any:
        """It is there already."""
        return handle

    def map_with_array(
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        """Call it here."""
        return [function(value, array) for value in values]

    def close(self) -> None:
        """Nothing is left to end."""


def _run_all(function: Callable[[Any], Any], values: Sequence[Any]) -> None:
    for value in values:
        function(value)


ADAPTER = Floor
