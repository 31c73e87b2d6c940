"""Every error a user can meet, one tree.

::

    CrewError
    ├── ConfigError (ValueError)      a setting or an argument is impossible; raised at the call
    ├── PluginError                   a plugin is at fault; names it
    │   ├── PluginNotFoundError       nothing installed provides this launcher or monitor
    │   └── PluginContractError       a plugin returned something its hook forbids
    ├── LaunchError                   a platform did not start workers
    ├── DispatcherError               the dispatcher did not start, or died
    ├── TaskError                     a task did not succeed
    │   ├── WorkerCrashError          its worker went away too often
    │   └── TaskTimeoutError (TimeoutError)   it ran, or waited, too long
    └── SerializationError            an object cannot cross a process border; names it

A cancelled task raises ``concurrent.futures.CancelledError``. ``TaskWarning`` is what
``error="warn"`` emits, ``InsecureWarning`` what ``tls="none"`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crew_core._model.record import Record


class CrewError(Exception):
    """Base of all errors that crew itself raises."""


class ConfigError(CrewError, ValueError):
    """A setting or an argument is impossible. Raised at the call, before anything starts."""


class PluginError(CrewError):
    """A plugin is broken. The message names the plugin and its distribution."""


class PluginNotFoundError(PluginError):
    """No installed plugin provides what was asked for. The message lists what is installed."""


class PluginContractError(PluginError):
    """A plugin returned or declared something that crew's plugin interface forbids."""


class LaunchError(CrewError):
    """A platform did not start workers.

    Attributes:
        transient: True when trying again later may help.
        argv: the command that failed, if one was run.
        returncode: its exit code.
        stderr: what it printed on standard error.
        log_tail: the last lines of the worker's own log, when there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        argv: Sequence[str] | None = None,
        returncode: int | None = None,
        stderr: str = "",
        log_tail: str = "",
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.argv = None if argv is None else tuple(argv)
        self.returncode = returncode
        self.stderr = stderr
        self.log_tail = log_tail


class DispatcherError(CrewError):
    """The dispatcher did not start in time, or died. Terminate the controller and start again."""


class TaskError(CrewError):
    """A task did not succeed.

    Attributes:
        record: the task's record. None where several tasks are meant; then the whole table is in
            ``controller.error``.
    """

    def __init__(self, message: str, record: Record | None = None) -> None:
        super().__init__(message)
        self.record = record


class WorkerCrashError(TaskError):
    """The worker went away while it ran the task, as often as ``crashes_max`` allows."""


class TaskTimeoutError(TaskError, TimeoutError):
    """A task ran longer than ``seconds_timeout`` or waited longer than ``seconds_queue``."""


class SerializationError(CrewError):
    """An object cannot cross a process border. Names the object and where it is."""


class InsecureWarning(UserWarning):
    """A controller was told to accept workers over a network without proof of who they are."""


class TaskWarning(UserWarning):
    """A task did not succeed, and ``error="warn"`` asked to hear of it as a warning."""
