"""The standard library's process pool, at its defaults: what all others are compared with."""

from __future__ import annotations

import platform
from concurrent.futures import Executor, ProcessPoolExecutor

from benchmarks.contenders.base import ExecutorAdapter


class Pool(ExecutorAdapter):
    """Starts processes the way this Python does by default, and maps in chunks of one."""

    distribution = "python"

    @property
    def version(self) -> str:
        """Python's own version."""
        return platform.python_version()

    def make(self, workers: int) -> Executor:
        """Make the pool."""
        return ProcessPoolExecutor(workers)


ADAPTER = Pool
