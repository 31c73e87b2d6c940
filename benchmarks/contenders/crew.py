"""crew itself, with the local launcher and its default options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import crew_core as crew
from benchmarks.contenders.base import Adapter


class Crew(Adapter):
    """`push` and `pop` for separate tasks, `map` with full records for many."""

    distribution = "crew-core"

    def start(self, workers: int) -> None:
        """Start a controller."""
        self._controller = crew.controller("local", workers=workers)
        self._controller.start()

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Push one task."""
        return self._controller.push(function, args)

    def result(self, handle: Any) -> Any:
        """Wait for one task; its record stays to be popped."""
        return handle.result()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Push one task, wait for it, and pop its record."""
        value = self._controller.push(function, args).result()
        self._controller.pop()
        return value

    def run_each(self, function: Callable[..., Any], count: int) -> Sequence[Any]:
        """Push each, wait for all, pop each."""
        for _ in range(count):
            self._controller.push(function)
        self._controller.wait()
        records = [self._controller.pop() for _ in range(count)]
        return [record.result for record in records if record is not None]

    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        """A table of full records, in the order of the values."""
        table = self._controller.map(function, {_parameters(function)[0]: values})
        return list(table["result"])

    def map_with_array(
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        """The array as a reference."""
        first, second = _parameters(function)
        shared = {second: self._controller.put(array)}
        table = self._controller.map(function, {first: values}, data=shared)
        return list(table["result"])

    def forget(self) -> None:
        """Pop all records."""
        while self._controller.pop() is not None:
            pass

    def close(self) -> None:
        """Terminate the controller."""
        self._controller.terminate()


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


ADAPTER = Crew
