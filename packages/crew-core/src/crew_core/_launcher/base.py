"""What every launcher is: the class that plugin authors derive from, and what it is given."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from crew_core._launcher.command import worker_command
from crew_core._model.errors import LaunchError
from crew_core._model.states import JobState

if TYPE_CHECKING:
    import pandas as pd

API_VERSION = 1
"""The version of everything that plugins derive from, are given, and return."""

SUMMARY_COLUMNS = (
    "worker",
    "launches",
    "online",
    "discovered",
    "assigned",
    "complete",
    "state",
    "instance",
    "job",
    "host",
)
"""The columns of ``launcher.summary()``."""

_ERRORS_KEPT = 100


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

    def __repr__(self) -> str:
        masked = dict.fromkeys(self.env, "***")
        return (
            f"WorkerLaunch(worker={self.worker!r}, instance={self.instance!r}, "
            f"name={self.name!r}, argv={self.argv!r}, env={masked!r}, log={self.log!r})"
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


class LaunchDesk(Protocol):
    """What the controller attaches to its launcher: the roster of what was launched."""

    @property
    def errors(self) -> Sequence[LaunchError]:
        """Errors of launches, oldest first."""

    def summary(self) -> pd.DataFrame:
        """A row per slot used so far."""

    def reset(self) -> None:
        """Forget failures, so that launching goes on."""

    def call(self) -> str:
        """The command line of a worker of this controller, without secrets."""


class Launcher(ABC):
    """Asks a platform to start workers. Derive from it and write ``launch``.

    crew makes one object of the class per controller, with ``Options`` filled from the user's
    keywords or configuration. ``launch``, ``poll`` and ``terminate`` are called from the
    controller's scaling thread, one at a time: they may block for as long as the platform takes,
    but nothing is scaled meanwhile. With ``processes=`` copies of the object, made from the same
    options, are called in launch daemons instead, and scaling goes on; what concerns a worker is
    asked of the copy that launched it, unless that has died. Whatever the platform refuses should
    be raised as LaunchError, with ``transient=True`` when trying again later may help. Of any other
    exception crew takes the same care, but its message will not tell a user what to do.

    Example::

        >>> import os
        >>> from crew_core.plugins import Launcher
        >>> class MyLauncher(Launcher):
        ...     def launch(self, request):
        ...         return [
        ...             os.posix_spawn(worker.argv[0], worker.argv, {**os.environ, **worker.env})
        ...             for worker in request.workers
        ...         ]
        >>> with crew.controller(MyLauncher()) as controller:
        ...     controller.push("6 * 7").result()
        42

    Attributes:
        api_version: the version of crew's plugin interface that the class was written for.
        seconds_launch_default: a launched worker that has not connected after this long is given
            up, unless the user says otherwise. Include the time jobs wait in the platform's queue.
        gathers: True for a platform that takes many workers in one submission and dislikes many
            small ones: launches then wait for ``seconds_interval``, so that a slow series of pushes
            is one. False: they wait a few milliseconds for the end of a burst.
        local: True for a platform whose workers are this user's processes on this computer: they
            reach the dispatcher by a private socket, and no port is opened. False: they come over
            the network, with a certificate that is made for each, which works everywhere.
    """

    api_version: ClassVar[int] = API_VERSION
    seconds_launch_default: ClassVar[float] = 30.0
    gathers: ClassVar[bool] = False
    local: ClassVar[bool] = False

    # Defaults on the class serve plugins whose __init__ does not call this one.
    _options: Any = None
    _name: str | None = None
    _desk: LaunchDesk | None = None

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """No options. A plugin's own frozen dataclass of this name declares the user's keywords."""

    def __init__(self, options: Any = None) -> None:
        if options is not None and not isinstance(options, self.Options):
            raise TypeError(
                f"{type(self).__name__}(options=…): must be {type(self).__name__}.Options or None, "
                f"not {type(options).__name__}"
            )
        self._options = options

    @property
    def name(self) -> str:
        """The name it was asked for by, else its class's name in lower case.

        Example::

            >>> controller.launcher.name
            'local'
        """
        return self._name or type(self).__name__.lower()

    @property
    def options(self) -> Any:
        """The options, an instance of ``Options``.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher(FakeLauncher.Options(failures=2)).options.failures
            2
        """
        if self._options is None:
            self._options = self.Options()
        return self._options

    @abstractmethod
    def launch(self, request: LaunchRequest) -> list[Any]:
        """Start the workers and return one handle for each, in the same order.

        A handle is any object that pickle can copy (a job id, usually); it is all that ``poll``,
        ``terminate``, ``logs`` and ``job`` get to know. A list of another length is an error. When
        only some of the workers can be started, end those and raise.

        Raises:
            LaunchError: the platform did not start them.

        Example::

            >>> from crew_core.plugins import LaunchRequest, WorkerLaunch
            >>> from crew_core.testing import FakeLauncher
            >>> worker = WorkerLaunch(worker=1, instance="i1", name="crew-c-i1", argv=("crew",))
            >>> FakeLauncher().launch(LaunchRequest(workers=(worker,)))
            ['i1']
        """

    def terminate(self, handles: Sequence[Any]) -> None:  # noqa: B027 - optional, not forgotten
        """End these workers, pending or running. Those that ended already are no error.

        Called again for the same handles at will. By default nothing is done: workers then leave
        when their dispatcher has gone.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().terminate(["a worker that ended already"])
        """

    def poll(self, handles: Sequence[Any]) -> list[JobState]:
        """What the platform says of each of these workers, in the same order.

        Lets crew notice within seconds that a job was refused or died in the queue. Answer
        ``JobState.UNKNOWN`` rather than guess.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().poll(["i1"])
            [<JobState.UNKNOWN: 'unknown'>]
        """
        return [JobState.UNKNOWN] * len(handles)

    def logs(self, handle: Any) -> str | None:  # noqa: ARG002 - for those who override it
        """The last output of this worker as the platform kept it; None when it keeps none.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().logs("i1") is None
            True
        """
        return None

    def job(self, handle: Any) -> str:
        """The platform's own name of this worker, as people and the platform's tools write it.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().job(4711)
            '4711'
        """
        return str(handle)

    @property
    def errors(self) -> list[LaunchError]:
        """The latest launches' errors, oldest first; at most 100.

        Example::

            >>> list(controller.launcher.errors)
            []
        """
        return [] if self._desk is None else list(self._desk.errors)[-_ERRORS_KEPT:]

    def summary(self) -> pd.DataFrame:
        """A row per slot used so far: how often it was launched, what its worker does now.

        Example::

            >>> controller.push("1 + 1").result()
            2
            >>> int(controller.launcher.summary()["launches"].sum()) >= 1
            True
        """
        if self._desk is not None:
            return self._desk.summary()
        import pandas as pd

        return pd.DataFrame(columns=list(SUMMARY_COLUMNS))

    def reset(self) -> None:
        """Forget the failures that stopped launching, so that it goes on.

        Example::

            >>> controller.launcher.reset()
        """
        if self._desk is not None:
            self._desk.reset()

    def call(self) -> str:
        """A worker's command line, to look at or to try by hand. It holds no secret.

        Before a controller owns the launcher, words in capitals stand for what is not known yet.

        Example::

            >>> "INSTANCE" in controller.launcher.call()
            True
        """
        if self._desk is not None:
            return self._desk.call()
        return shlex.join(worker_command("PYTHON", "URL", "INSTANCE", "CONTROLLER"))

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies anew from the options: what an object holds besides stays in its process.

        Launch daemons (``processes=``) get such copies. A class whose ``__init__`` takes something
        else must define this, too.
        """
        return _remake, (type(self), self._options, self._name)

    def _attach(self, desk: LaunchDesk | None) -> None:
        """Tell the launcher whose it is. For the controller, not for plugins."""
        self._desk = desk

    def _rename(self, name: str) -> None:
        """Tell the launcher the name it was asked for by. For crew, not for plugins."""
        self._name = name


def _remake(kind: type[Launcher], options: Any, name: str | None) -> Launcher:
    launcher = kind() if options is None else kind(options)
    launcher._name = name
    return launcher
