"""Run Python tasks on workers that start when there is work and leave when there is none.

Example::

    import crew_core as crew

    with crew.controller("local", workers=2) as controller:
        task = controller.push(sum, ([1, 2, 3],))
        print(task.result())
"""

# General layout
#
# plugins.py, testing/      the doors of plugin authors and of their tests; this is the users'
# __main__.py, _cli/        the command line
# _controller/              what a user holds: tasks in, records out, how many workers to run
# _plugins/                 the hooks of plugins, and how plugins are found
# _client/                  the controller's connection to its dispatcher
# _launcher/                asks platforms for workers; this computer's own launcher
# _dispatcher/              the process that queues tasks and hands each to a ready worker
# _worker/                  what a launcher starts: a supervisor and its task process
# _wire/                    what crosses process borders, and where files are kept
# _model/                   immutable facts: errors, options, states, records
#
# Imports point down this list only, and never between _client, _launcher, _dispatcher and _worker.
# Names below are imported when they are first used: every worker and dispatcher imports this file,
# and must not pay for what it does not need.

from __future__ import annotations

TYPE_CHECKING = False  # the import of typing is not for those who are to start soon
if TYPE_CHECKING:
    from crew_core._controller.controller import Controller
    from crew_core._controller.everywhere import Everywhere
    from crew_core._controller.group import ControllerGroup
    from crew_core._controller.handle import Task
    from crew_core._controller.helpers import retry
    from crew_core._controller.making import controller, controllers, monitor
    from crew_core._controller.references import Reference
    from crew_core._launcher.cleaning import clean
    from crew_core._launcher.processes import terminate_process
    from crew_core._model.errors import (
        ConfigError,
        CrewError,
        DispatcherError,
        InsecureWarning,
        LaunchError,
        PluginContractError,
        PluginError,
        PluginNotFoundError,
        SerializationError,
        TaskError,
        TaskTimeoutError,
        TaskWarning,
        WorkerCrashError,
    )
    from crew_core._model.names import random_name
    from crew_core._model.network import NetworkOptions, TlsOptions
    from crew_core._model.options import (
        ClientOptions,
        LogOptions,
        RetryOptions,
        ScalingOptions,
        WorkerOptions,
    )
    from crew_core._model.record import Record
    from crew_core._model.streams import rng

    __version__: str

__all__ = [
    "ClientOptions",
    "ConfigError",
    "Controller",
    "ControllerGroup",
    "CrewError",
    "DispatcherError",
    "Everywhere",
    "InsecureWarning",
    "LaunchError",
    "LogOptions",
    "NetworkOptions",
    "PluginContractError",
    "PluginError",
    "PluginNotFoundError",
    "Record",
    "Reference",
    "RetryOptions",
    "ScalingOptions",
    "SerializationError",
    "Task",
    "TaskError",
    "TaskTimeoutError",
    "TaskWarning",
    "TlsOptions",
    "WorkerCrashError",
    "WorkerOptions",
    "__version__",
    "clean",
    "controller",
    "controllers",
    "monitor",
    "random_name",
    "retry",
    "rng",
    "terminate_process",
]

_HOMES = {
    "_controller.controller": ("Controller",),
    "_controller.everywhere": ("Everywhere",),
    "_controller.group": ("ControllerGroup",),
    "_controller.handle": ("Task",),
    "_controller.helpers": ("retry",),
    "_controller.making": ("controller", "controllers", "monitor"),
    "_controller.references": ("Reference",),
    "_launcher.cleaning": ("clean",),
    "_launcher.processes": ("terminate_process",),
    "_model.errors": (
        "ConfigError",
        "CrewError",
        "DispatcherError",
        "InsecureWarning",
        "LaunchError",
        "PluginContractError",
        "PluginError",
        "PluginNotFoundError",
        "SerializationError",
        "TaskError",
        "TaskTimeoutError",
        "TaskWarning",
        "WorkerCrashError",
    ),
    "_model.names": ("random_name",),
    "_model.network": ("NetworkOptions", "TlsOptions"),
    "_model.options": (
        "ClientOptions",
        "LogOptions",
        "RetryOptions",
        "ScalingOptions",
        "WorkerOptions",
    ),
    "_model.record": ("Record",),
    "_model.streams": ("rng",),
}

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from crew_core._plugins.findings import own_version

        value: object = own_version()
    elif name in _HOME_OF:
        from importlib import import_module

        from crew_core._model.quick_imports import without_collections

        with without_collections():
            value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
