"""What every contender must be able to do, so that all are measured by the same code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from importlib.metadata import version
from itertools import repeat
from typing import Any, ClassVar


class Adapter(ABC):
    """Drives one contender, in the way its own documentation recommends for that use.

    Attributes:
        distribution: whose version the report shows.
    """

    distribution: ClassVar[str]

    @property
    def version(self) -> str:
        """What is measured, as the report names it."""
        return version(self.distribution)

    @abstractmethod
    def start(self, workers: int) -> None:
        """Make what takes tasks. Workers may come later, with the first tasks."""

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Queue one call; returns what `result` takes."""

    @abstractmethod
    def result(self, handle: Any) -> Any:
        """Wait for one call's value."""

    @abstractmethod
    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        """Call the function with each value: the contender's bulk call at its defaults."""

    @abstractmethod
    def map_with_array(
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        """As `map`, with one large second argument that all calls share."""

    @abstractmethod
    def close(self) -> None:
        """End everything that was started."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """There and back, once."""
        return self.result(self.submit(function, *args))

    def run_each(self, function: Callable[..., Any], count: int) -> Sequence[Any]:
        """So many separate submits, then all results."""
        handles = [self.submit(function) for _ in range(count)]
        return [self.result(handle) for handle in handles]

    def forget(self) -> None:  # noqa: B027 - most keep nothing
        """Drop what is kept of finished tasks beyond their handles."""


class ExecutorAdapter(Adapter):
    """Drives whatever has the shape of a `concurrent.futures.Executor`."""

    @abstractmethod
    def make(self, workers: int) -> Executor:
        """Make the executor."""

    def start(self, workers: int) -> None:  # noqa: D102 - the base says it
        self._executor = self.make(workers)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:  # noqa: D102
        return self._executor.submit(function, *args)

    def result(self, handle: Any) -> Any:  # noqa: D102
        return handle.result()

    def map(  # noqa: D102
        self, function: Callable[[Any], Any], values: Sequence[Any]
    ) -> Sequence[Any]:
        return list(self._executor.map(function, values))

    def map_with_array(  # noqa: D102
        self, function: Callable[[Any, Any], Any], array: Any, values: Sequence[Any]
    ) -> Sequence[Any]:
        return list(self._executor.map(function, values, repeat(array)))

    def close(self) -> None:  # noqa: D102
        self._executor.shutdown()
