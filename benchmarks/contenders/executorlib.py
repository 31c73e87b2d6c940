"""executorlib, on a single node."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import cast

from executorlib import SingleNodeExecutor

from benchmarks.contenders.base import ExecutorAdapter


class Executorlib(ExecutorAdapter):
    """With block allocation, its way to run many small tasks: else each starts a process."""

    distribution = "executorlib"

    def make(self, workers: int) -> Executor:
        """Make the executor; without a cache folder, as nothing is to come from a cache."""
        executor = SingleNodeExecutor(
            max_workers=workers, block_allocation=True, hostname_localhost=True
        )
        return cast("Executor", executor)


ADAPTER = Executorlib
