"""The launcher of the fake platform: what a launcher of a batch platform looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from crew_core._launcher.base import Launcher
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._model.checks import check_count
from crew_core._model.errors import LaunchError
from crew_core._model.states import JobState
from crew_core.testing.fake_platform import FakePlatform, NoAnswerError, RefusedError

_STATES = {
    "QUEUED": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "DONE": JobState.FINISHED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}


class FakePlatformLauncher(Launcher):
    """Submits workers to a ``FakePlatform``. Its handles are the jobs' ids.

    Example::

        >>> from crew_core.plugins import LaunchRequest, WorkerLaunch
        >>> from crew_core.testing import FakePlatform, FakePlatformLauncher
        >>> launcher = FakePlatformLauncher(FakePlatformLauncher.Options(folder="a folder"))
        >>> FakePlatform("a folder").hold()
        >>> worker = WorkerLaunch(worker=1, instance="a", name="crew-c-a", argv=("true",))
        >>> handles = launcher.launch(LaunchRequest(workers=(worker,)))
        >>> launcher.poll(handles), launcher.logs(handles[0])
        ([<JobState.PENDING: 'pending'>], None)
        >>> launcher.find(["crew-c-a", "crew-c-b"]) == handles
        True
        >>> launcher.terminate(handles)
        >>> launcher.poll(handles)
        [<JobState.CANCELLED: 'cancelled'>]
    """

    seconds_launch_default: ClassVar[float] = 30.0

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Which platform.

        Attributes:
            folder: the platform's folder; every launcher with the same one uses the same platform.
            limit: the most workers that the platform takes in one submission.
        """

        folder: str | Path
        limit: int = 3

        def __post_init__(self) -> None:
            check_count("limit", self.limit, least=1)

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._platform = FakePlatform(self.options.folder, limit=self.options.limit)
        self._ended: dict[str, JobState] = {}

    def launch(self, request: LaunchRequest) -> list[str]:
        """Submit the workers, all or none, in as few submissions as the platform allows."""
        jobs: list[str] = []
        limit = self.options.limit
        try:
            for first in range(0, len(request.workers), limit):
                jobs += self._submit(request.workers[first : first + limit])
        except LaunchError:
            self.terminate(jobs)
            raise
        return jobs

    def terminate(self, handles: Sequence[str]) -> None:
        """Cancel these jobs, wherever they are."""
        self._platform.cancel(handles)

    def poll(self, handles: Sequence[str]) -> list[JobState]:
        """What the platform says, in one question; what it said of ended jobs stays."""
        asked = [handle for handle in handles if handle not in self._ended]
        try:
            words = self._platform.states(asked) if asked else {}
        except NoAnswerError:
            words = {}
        states = {handle: _STATES[word] for handle, word in words.items()}
        self._ended |= {handle: state for handle, state in states.items() if state.final}
        return [
            self._ended.get(handle) or states.get(handle, JobState.UNKNOWN) for handle in handles
        ]

    def find(self, names: Sequence[str]) -> list[str]:
        """Jobs of these names, as far as there are any."""
        return list(self._find(names).values())

    def logs(self, handle: str) -> str | None:
        """What the job has printed."""
        return self._platform.output(handle)

    def _submit(self, workers: Sequence[WorkerLaunch]) -> list[str]:
        names = [worker.name for worker in workers]
        try:
            return self._platform.submit(workers)
        except RefusedError as error:
            raise LaunchError(
                f"the platform refused {names[0]}: {error}",
                transient=error.transient,
                stderr=str(error),
            ) from error
        except NoAnswerError as error:
            # They may have been taken all the same.
            found = self._find(names)
            if len(found) == len(names):
                return [found[name] for name in names]
            self.terminate(list(found.values()))
            raise LaunchError(
                f"the platform did not answer the submission of {names[0]}", transient=True
            ) from error

    def _find(self, names: Sequence[str]) -> dict[str, str]:
        try:
            return self._platform.find(names)
        except NoAnswerError:
            return {}
