"""ipyparallel, with a controller and engines on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import ipyparallel as ipp

from benchmarks.contenders.base import Adapter


class IPyParallel(Adapter):
    """The load-balanced view: a direct view would split the work without regard to who is free."""

    distribution = "ipyparallel"

    def start(self, workers: int) -> None:
        """Start controller and engines, and wait for them."""
        self._cluster = ipp.Cluster(n=workers, log_level=logging.ERROR)
        self._client = self._cluster.start_and_connect_sync()
        self._view = self._client.load_balanced_view()

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Apply once."""
        return self._view.apply_async(function, *args)

    def result(self, handle: Any) -> Any:
        """Get one value."""
        return handle.get()

    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        """The view's own map."""
        return list(self._view.map_sync(function, values))

    def map_with_array(
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        """The array pushed to each engine once, and mentioned by its name there."""
        self._client[:].push({"shared_array": array}, block=True)
        there = ipp.Reference("shared_array")
        handles = [self._view.apply_async(function, value, there) for value in values]
        return [handle.get() for handle in handles]

    def close(self) -> None:
        """End client, engines and controller."""
        self._client.close()
        self._cluster.stop_cluster_sync()


ADAPTER = IPyParallel
