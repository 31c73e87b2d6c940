"""What every launcher is: the class that plugin authors derive from."""

from __future__ import annotations

import math
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from crew_core._launcher.command import worker_command
from crew_core._launcher.finding import Finding
from crew_core._launcher.ladder import at_step, count_steps
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import LaunchRequest
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
    be raised as LaunchError, with ``transient=True`` when trying again later may help, and with
    ``too_many=True`` where it takes no more of this user's workers at present. Of any other
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
        ladders: names of options that may be a list of values instead of one, from the smallest to
            the largest: the steps of a ladder. After a worker or its task has died, other than by
            the doing of others, the next launch takes the next step, and the first again once
            a worker has done all it was given. Annotate such an option
            ``float | tuple[float, ...] | None``, or the like.
    """

    api_version: ClassVar[int] = API_VERSION
    seconds_launch_default: ClassVar[float] = 30.0
    gathers: ClassVar[bool] = False
    local: ClassVar[bool] = False
    ladders: ClassVar[tuple[str, ...]] = ()

    # Defaults on the class serve plugins whose __init__ does not call this one.
    _options: Any = None
    _name: str | None = None
    _owner: str | None = None
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

    @property
    def steps(self) -> int:
        """How many steps the longest ladder among the options has; 1 where there is none.

        Raises:
            ConfigError: a ladder is an empty list.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher(FakeLauncher.Options(memory=(4, 8, 16))).steps
            3
        """
        return count_steps(self.options, self.ladders) if self.ladders else 1

    def options_at(self, step: int) -> Any:
        """The options with one value for each ladder: that of this step, counted from 0.

        A ladder with fewer steps stays at its last one. A launch is asked for with
        ``request.step``.

        Raises:
            ConfigError: a ladder is an empty list.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> launcher = FakeLauncher(FakeLauncher.Options(memory=(4, 8, 16)))
            >>> launcher.options_at(1).memory
            8
        """
        return at_step(self.options, self.ladders, step)

    def seconds_life(self, step: int) -> float:  # noqa: ARG002 - for those who override it
        """How long a worker that is launched with this step may live: its job's wall time.

        The worker is told, and leaves in time. Infinity where the platform sets no limit.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().seconds_life(0)
            inf
        """
        return math.inf

    @property
    def host_default(self) -> str | None:
        """Where the dispatcher listens unless the user says ``host=``; None: on all interfaces.

        For a launcher whose workers come back by a way of its own, which begins on this computer.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().host_default is None
            True
        """
        return None

    def examine(self, hosts: Sequence[str], ports: tuple[int, int]) -> Iterable[Finding]:  # noqa: ARG002 - for those who override it
        """What workers need on the platform, looked at before any is launched.

        ``crew doctor`` shows it, and launches nothing where something is bad. Must launch nothing
        itself; may block for as long as the platform takes.

        Args:
            hosts: where workers are going to dial this computer; empty where they are on it.
            ports: the first and the last port that it may listen on; (0, 0): any.

        Raises:
            LaunchError: the platform cannot be looked at.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> list(FakeLauncher().examine([], (0, 0)))
            []
        """
        return ()

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

    def poll(self, handles: Sequence[Any]) -> Sequence[JobState | JobReport]:
        """What the platform says of each of these workers, in the same order.

        Lets crew notice within seconds that a job was refused or died in the queue. Answer
        ``JobState.UNKNOWN`` rather than guess. A ``JobReport`` says more than a state: how the
        worker died, what the platform waits for.

        Of a worker that was lost this is asked every ``seconds_interval`` for 15 s at most, until
        the state is final or there is a cause. Only then the fate of its task is decided: a task
        is not blamed for "wall_time", "preempted", "node_lost" and "job_ended".

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().poll(["i1"])
            [<JobState.UNKNOWN: 'unknown'>]
        """
        return [JobState.UNKNOWN] * len(handles)

    def find(self, names: Sequence[str]) -> list[Any]:  # noqa: ARG002 - for those who override it
        """Handles of this user's jobs with these names, as far as there are any.

        For launches in the middle of which the user's process was killed: whoever cleans up behind
        it knows the names that were asked for, and no handles.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().find(["crew-c-i1"])
            []
        """
        return []

    def logs(self, handle: Any) -> str | None:  # noqa: ARG002 - for those who override it
        """The last output of this worker as the platform kept it; None when it keeps none.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().logs("i1") is None
            True
        """
        return None

    def log_place(self, handle: Any) -> str | None:  # noqa: ARG002 - for those who override it
        """Where the platform keeps this worker's output, such as "cloudwatch:GROUP/JOB".

        None, as here: in the file that the worker was launched with (``WorkerLaunch.log``). Must
        not ask the platform. Records have the place in their column ``log``, and
        ``controller.logs()`` gives it to ``read_log``. It is no path.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().log_place("i1") is None
            True
        """
        return None

    def read_log(self, place: str) -> str | None:  # noqa: ARG002 - for those who override it
        """What is at a place that ``log_place`` has named; None when nothing is there (yet).

        Called by users, on any thread, also after the controller's end. May block.

        Raises:
            LaunchError: the platform did not answer.

        Example::

            >>> from crew_core.testing import FakeLauncher
            >>> FakeLauncher().read_log("nowhere:1") is None
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
        owner = self._owner or "CONTROLLER"
        return shlex.join(worker_command("PYTHON", "URL", "INSTANCE", owner))

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

    def _belong_to(self, controller: str) -> None:
        """Tell the launcher whose it will be, for what it shows before. For crew, not plugins."""
        self._owner = controller


def _remake(kind: type[Launcher], options: Any, name: str | None) -> Launcher:
    launcher = kind() if options is None else kind(options)
    launcher._name = name
    return launcher
