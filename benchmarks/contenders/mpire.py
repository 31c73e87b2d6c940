"""mpire, with a pool that stays warm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mpire import WorkerPool

from benchmarks.contenders.base import Adapter


class Mpire(Adapter):
    """`keep_alive`, so that a map does not start its workers anew."""

    distribution = "mpire"

    def start(self, workers: int) -> None:
        """Make the pool."""
        self._pool = WorkerPool(n_jobs=workers, keep_alive=True)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Apply once."""
        return self._pool.apply_async(function, args=args)

    def result(self, handle: Any) -> Any:
        """Get one value."""
        return handle.get()

    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        """Its map, which sends 64 chunks to each worker by default."""
        results: Sequence[Any] = self._pool.map(function, values, concatenate_numpy_output=False)
        return results

    def map_with_array(
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        """With the function, which a running pool sends to each worker once."""
        return self.map(partial(_swapped, function, array), values)

    def close(self) -> None:
        """End the workers."""
        self._pool.stop_and_join()
        self._pool.terminate()


def _swapped(function: Callable[[Any, Any], Any], array: Any, value: Any) -> Any:
    return function(value, array)


ADAPTER = Mpire
