"""A launcher that starts nothing, remembers all it was asked, and answers as a test tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from crew_core._launcher.base import Launcher
from crew_core._launcher.report import JobReport, report_of
from crew_core._launcher.request import LaunchRequest
from crew_core._model.errors import LaunchError
from crew_core._model.states import JobState


class FakeLauncher(Launcher):
    """Starts nothing. Its handles are the instances' ids.

    Example::

        >>> from crew_core.plugins import JobState, LaunchRequest, WorkerLaunch
        >>> from crew_core.testing import FakeLauncher
        >>> launcher = FakeLauncher(FakeLauncher.Options(failures=1))
        >>> worker = WorkerLaunch(worker=1, instance="i1", name="crew-c-i1", argv=("crew",))
        >>> try:
        ...     launcher.launch(LaunchRequest(workers=(worker,)))
        ... except crew.LaunchError as error:
        ...     error.transient
        True
        >>> handles = launcher.launch(LaunchRequest(workers=(worker,)))
        >>> launcher.states["i1"] = JobState.RUNNING
        >>> launcher.outputs["i1"] = "hello"
        >>> launcher.poll(handles), launcher.logs("i1")
        ([<JobState.RUNNING: 'running'>], 'hello')
        >>> launcher.terminate(handles)
        >>> launcher.poll(handles)
        [<JobState.CANCELLED: 'cancelled'>]

    Attributes:
        requests: every launch that was asked for, refused ones too.
        launched: the handles given out.
        terminated: the handles it was told to end, each as often as it was told.
        states: what ``poll`` says, by handle. "pending" at first, "cancelled" after ``terminate``;
            set it to play a platform.
        outputs: what ``logs`` says, by handle.
    """

    seconds_launch_default: ClassVar[float] = 5.0
    local: ClassVar[bool] = True
    ladders: ClassVar[tuple[str, ...]] = ("memory",)

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """What goes wrong, and a ladder.

        Attributes:
            failures: how many of the first launches are refused.
            transient: whether the refusals say that trying again may help.
            memory: nothing is done with it. It may be a ladder.
        """

        failures: int = 0
        transient: bool = True
        memory: float | tuple[float, ...] | None = None

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.requests: list[LaunchRequest] = []
        self.launched: list[str] = []
        self.terminated: list[str] = []
        self.states: dict[str, JobState | JobReport] = {}
        self.outputs: dict[str, str] = {}

    def launch(self, request: LaunchRequest) -> list[str]:
        """Remember the request; refuse it if that is this launch's turn."""
        self.requests.append(request)
        if len(self.requests) <= self.options.failures:
            raise LaunchError(
                f"launch {len(self.requests)} of {self.options.failures} that this fake refuses",
                transient=self.options.transient,
            )
        handles = [worker.instance for worker in request.workers]
        self.launched += handles
        self.states |= dict.fromkeys(handles, JobState.PENDING)
        return handles

    def terminate(self, handles: Sequence[str]) -> None:
        """Remember the handles; those that had not ended are cancelled."""
        self.terminated += handles
        for handle in handles:
            if not report_of(self.states.get(handle, JobState.UNKNOWN)).state.final:
                self.states[handle] = JobState.CANCELLED

    def poll(self, handles: Sequence[str]) -> list[JobState | JobReport]:
        """What the test put into ``states``."""
        return [self.states.get(handle, JobState.UNKNOWN) for handle in handles]

    def logs(self, handle: str) -> str | None:
        """What the test put into ``outputs``."""
        return self.outputs.get(handle)
