"""A launcher around another that remembers what it was asked and what it gave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crew_core._launcher.base import Launcher
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import LaunchRequest
from crew_core._model.states import JobState


class Recorded(Launcher):
    """Does what another launcher does, and remembers.

    Args:
        inner: the launcher that does the work.

    Attributes:
        requests: every launch that was asked for.
        handles: every handle given out.
    """

    def __init__(self, inner: Launcher) -> None:
        super().__init__()
        self._inner = inner
        self._rename(inner.name)
        self.local = inner.local  # type: ignore[misc]  # its own: it stands for another
        self.requests: list[LaunchRequest] = []
        self.handles: list[Any] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Recorded, (self._inner,)

    def launch(self, request: LaunchRequest) -> list[Any]:
        """Remember the request and the handles."""
        self.requests.append(request)
        handles = self._inner.launch(request)
        self.handles += handles
        return handles

    def terminate(self, handles: Sequence[Any]) -> None:
        """End these workers."""
        self._inner.terminate(handles)

    def poll(self, handles: Sequence[Any]) -> Sequence[JobState | JobReport]:
        """What the platform says of these workers."""
        return self._inner.poll(handles)

    def find(self, names: Sequence[str]) -> list[Any]:
        """Workers of these names."""
        return self._inner.find(names)

    @property
    def steps(self) -> int:
        """How many steps its ladder has."""
        return self._inner.steps

    def seconds_life(self, step: int) -> float:
        """How long its workers live."""
        return self._inner.seconds_life(step)

    def logs(self, handle: Any) -> str | None:
        """The last output of this worker."""
        return self._inner.logs(handle)

    def log_place(self, handle: Any) -> str | None:
        """Where the platform keeps the output of this worker."""
        return self._inner.log_place(handle)

    def read_log(self, place: str) -> str | None:
        """What is there."""
        return self._inner.read_log(place)

    def job(self, handle: Any) -> str:
        """The platform's name of this worker."""
        return self._inner.job(handle)
