"""loky: a process pool that survives more than the standard library's."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import cast

import loky

from benchmarks.contenders.base import ExecutorAdapter


class Loky(ExecutorAdapter):
    """The plain executor, not the reusable one, so that each start is one."""

    distribution = "loky"

    def make(self, workers: int) -> Executor:
        """Make the pool."""
        return cast("Executor", loky.ProcessPoolExecutor(workers))


ADAPTER = Loky
