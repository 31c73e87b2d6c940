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
    """Base of all errors that crew itself raises.

    Example::

        >>> try:
        ...     crew.controller("no such launcher")
        ... except crew.CrewError as error:
        ...     type(error).__name__
        'PluginNotFoundError'
    """


class ConfigError(CrewError, ValueError):
    """A setting or an argument is impossible. Raised at the call, before anything starts.

    Example::

        >>> try:
        ...     crew.controller("local", workers=0)
        ... except crew.ConfigError as error:
        ...     "workers" in str(error)
        True
    """


class PluginError(CrewError):
    """A plugin is broken. The message names the plugin and its distribution.

    Example::

        >>> issubclass(crew.PluginContractError, crew.PluginError)
        True
    """


class PluginNotFoundError(PluginError):
    """No installed plugin provides what was asked for. The message lists what is installed.

    Example::

        >>> try:
        ...     crew.controller("lokal")
        ... except crew.PluginNotFoundError as error:
        ...     "local" in str(error)
        True
    """


class PluginContractError(PluginError):
    """A plugin returned or declared something that crew's plugin interface forbids.

    Example::

        >>> issubclass(crew.PluginContractError, crew.CrewError)
        True
    """


class LaunchError(CrewError):
    """A platform did not start workers.

    Attributes:
        transient: True when trying again later may help.
        too_many: True when the platform has no room for so many workers now, and may have for
            fewer: a limit of the user's jobs. crew then asks for fewer, and for the others later.
        argv: the command that failed, if one was run.
        returncode: its exit code.
        stderr: what it printed on standard error.
        log_tail: the last lines of the worker's own log, when there is one.

    Example::

        >>> error = crew.LaunchError("no quota", transient=True, argv=["sbatch"], returncode=1)
        >>> error.transient, error.argv, error.returncode
        (True, ('sbatch',), 1)
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        too_many: bool = False,
        argv: Sequence[str] | None = None,
        returncode: int | None = None,
        stderr: str = "",
        log_tail: str = "",
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.too_many = too_many
        self.argv = None if argv is None else tuple(argv)
        self.returncode = returncode
        self.stderr = stderr
        self.log_tail = log_tail


class DispatcherError(CrewError):
    """The dispatcher did not start in time, or died. Terminate the controller and start again.

    Example::

        >>> issubclass(crew.DispatcherError, crew.CrewError)
        True
    """


class TaskError(CrewError):
    """A task did not succeed.

    Attributes:
        record: the task's record. None where several tasks are meant; then the whole table is in
            ``controller.error``.

    Example::

        >>> task = controller.push("1 / 0", name="broken")
        >>> controller.wait()
        True
        >>> try:
        ...     controller.pop(error="stop")
        ... except crew.TaskError as error:
        ...     error.record.name
        'broken'
    """

    def __init__(self, message: str, record: Record | None = None) -> None:
        super().__init__(message)
        self.record = record


class WorkerCrashError(TaskError):
    """The worker went away while it ran the task, as often as ``crashes_max`` allows.

    Example::

        >>> with crew.controller("local", crashes_max=0) as controller:
        ...     type(controller.push("import os; os._exit(1)").exception()).__name__
        'WorkerCrashError'
    """


class TaskTimeoutError(TaskError, TimeoutError):
    """A task ran longer than ``seconds_timeout`` or waited longer than ``seconds_queue``.

    Example::

        >>> task = controller.push("import time; time.sleep(600)", seconds_timeout=0.1)
        >>> isinstance(task.exception(), TimeoutError)
        True
    """


class SerializationError(CrewError):
    """An object cannot cross a process border. Names the object and where it is.

    Example::

        >>> import threading
        >>> try:
        ...     controller.push(print, (threading.Lock(),))
        ... except crew.SerializationError as error:
        ...     "lock" in str(error)
        True
    """


class InsecureWarning(UserWarning):
    """A controller was told to accept workers over a network without proof of who they are.

    Example::

        >>> issubclass(crew.InsecureWarning, UserWarning)
        True
    """


class TaskWarning(UserWarning):
    """A task did not succeed, and ``error="warn"`` asked to hear of it as a warning.

    Example::

        >>> import warnings
        >>> task = controller.push("1 / 0")
        >>> controller.wait()
        True
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     record = controller.pop(error="warn")
        >>> told[0].category.__name__
        'TaskWarning'
    """
