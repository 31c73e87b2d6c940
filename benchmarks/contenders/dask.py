"""dask.distributed, with a cluster of processes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from distributed import Client, LocalCluster

from benchmarks.contenders.base import Adapter


class Dask(Adapter):
    """One thread in each worker, and no results taken from earlier calls (`pure=False`)."""

    distribution = "distributed"

    def start(self, workers: int) -> None:
        """Start scheduler and workers; the dashboard stays off, as it would listen to everybody."""
        self._cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
        )
        self._client = Client(self._cluster)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Submit one call."""
        return self._client.submit(function, *args, pure=False)

    def result(self, handle: Any) -> Any:
        """Wait for one call."""
        return handle.result()

    def run_each(self, function: Callable[..., Any], count: int) -> Sequence[Any]:
        """Gather all results at once, which is much quicker here than one after another."""
        gathered: Sequence[Any] = self._client.gather([self.submit(function) for _ in range(count)])
        return gathered

    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        """Map and gather."""
        futures = self._client.map(function, values, pure=False)
        gathered: Sequence[Any] = self._client.gather(futures)
        return gathered

    def map_with_array(
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        """Scatter the array once."""
        future = self._client.scatter(array)
        gathered: Sequence[Any] = self._client.gather(
            [self._client.submit(function, value, future, pure=False) for value in values]
        )
        return gathered

    def close(self) -> None:
        """End client and cluster."""
        self._client.close()
        self._cluster.close()


ADAPTER = Dask
