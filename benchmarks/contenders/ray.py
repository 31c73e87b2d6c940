"""Ray, on this machine alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

# Before the import, which reads it: nothing is to be told to anybody about a benchmark.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray

from benchmarks.contenders.base import Adapter


class Ray(Adapter):
    """Remote functions, for many at once a list of their calls, as its documentation does.

    Not its `multiprocessing.Pool`, which deals the work out beforehand, without regard to who is
    free.
    """

    distribution = "ray"

    def start(self, workers: int) -> None:
        """Start Ray's processes, with their files in the current folder."""
        self._remote: dict[Any, Any] = {}
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=os.getcwd(),
        )

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call the remote function, which is made once."""
        if function not in self._remote:
            self._remote[function] = ray.remote(function)
        return self._remote[function].remote(*args)

    def result(self, handle: Any) -> Any:
        """Get one value."""
        return ray.get(handle)

    def run_each(self, function: Callable[..., Any], count: int) -> Sequence[Any]:
        """Get all values at once, as Ray's documentation asks for."""
        values: Sequence[Any] = ray.get([self.submit(function) for _ in range(count)])
        return values

    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        """Remote calls in a list, all got at once."""
        results: Sequence[Any] = ray.get([self.submit(function, value) for value in values])
        return results

    def map_with_array(
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        """The array in the object store."""
        shared = ray.put(array)
        results: Sequence[Any] = ray.get([self.submit(function, value, shared) for value in values])
        return results

    def close(self) -> None:
        """End Ray's processes."""
        ray.shutdown()


ADAPTER = Ray
