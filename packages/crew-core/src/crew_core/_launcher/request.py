"""What a launcher is asked for: workers to start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class WorkerLaunch:
    """One worker to start.

    Attributes:
        worker: its slot, 1 to ``workers``.
        instance: id of this one life; unique.
        name: the job name to give it, ``crew-<controller>-<instance>``.
        argv: the command line, ready to run. It holds no secret.
        env: environment variables to add. They hold the worker's one-time secret: pass them in a
            way that other users of the platform cannot read.
        log: the file the worker writes its output to, on a machine that shares this one's disk.
        step: of the launcher's ladder, 0 for the first; see ``Launcher.options_at``.

    Example::

        >>> from crew_core.plugins import WorkerLaunch
        >>> worker = WorkerLaunch(worker=1, instance="i1", name="crew-c-i1", argv=("crew",))
        >>> worker.name
        'crew-c-i1'
    """

    worker: int
    instance: str
    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    log: str | None = None
    step: int = 0

    def __repr__(self) -> str:
        masked = dict.fromkeys(self.env, "***")
        return (
            f"WorkerLaunch(worker={self.worker!r}, instance={self.instance!r}, "
            f"name={self.name!r}, argv={self.argv!r}, env={masked!r}, log={self.log!r}, "
            f"step={self.step!r})"
        )


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """Workers to start, in one submission where the platform can do that.

    Attributes:
        controller: the controller's name.
        launcher: the launcher's name.
        workers: the workers, at least one.

    Example::

        >>> from crew_core.plugins import LaunchRequest, WorkerLaunch
        >>> worker = WorkerLaunch(worker=1, instance="i1", name="crew-c-i1", argv=("crew",))
        >>> len(LaunchRequest(controller="c", launcher="mine", workers=(worker,)).workers)
        1
    """

    controller: str = ""
    launcher: str = ""
    workers: tuple[WorkerLaunch, ...]

    @property
    def step(self) -> int:
        """The step of the launcher's ladder that all these workers are launched with.

        Example::

            >>> from crew_core.plugins import LaunchRequest, WorkerLaunch
            >>> worker = WorkerLaunch(worker=1, instance="a", name="crew-c-a", argv=(), step=2)
            >>> LaunchRequest(workers=(worker,)).step
            2
        """
        return self.workers[0].step
