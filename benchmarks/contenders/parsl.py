"""Parsl, with its high-throughput executor on this machine."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from typing import cast

from parsl.concurrent import ParslPoolExecutor
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

from benchmarks.contenders.base import ExecutorAdapter


class Parsl(ExecutorAdapter):
    """One block with all workers; its own log, which it writes at debug level, is off."""

    distribution = "parsl"

    def make(self, workers: int) -> Executor:
        """Make the executor, with its files in the current folder."""
        executor = HighThroughputExecutor(
            label="benchmark",
            address="127.0.0.1",
            max_workers_per_node=workers,
            cores_per_worker=1e-3,
            provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
        )
        config = Config(
            executors=[executor], run_dir=os.getcwd(), strategy="none", initialize_logging=False
        )
        return cast("Executor", ParslPoolExecutor(config))


ADAPTER = Parsl
