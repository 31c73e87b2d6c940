"""Workers that decide for themselves: each runs a loop, and all share tasks through a store.

Example::

    import crew_rush


    def loop(rush):
        while not rush.terminated:
            xs = propose(rush.fetch_finished_tasks())
            keys = rush.push_running_tasks([xs])
            rush.finish_tasks(keys, [evaluate(xs)])


    with crew_rush.Rush() as rush:
        rush.start_local_workers(loop, n_workers=4)
        rush.wait_for_workers()
"""

# General layout
#
# _manager/    what a manager holds: starts, watches and stops workers
# _loop/       the process that runs a user's loop, and what the loop is given
# _worker/     what launchers start: a supervisor, which runs no user's code
# _tasks/      what managers and loops alike can do with tasks
# _store/      where everything is kept: the interface, and two implementations
# _model/      immutable facts: states, errors, names
#
# Imports point down this list only, and never between _manager, _loop and _worker. Names below are
# imported when they are first used: every worker imports this file.

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crew_rush._loop.worker import RushWorker, TaskRecord
    from crew_rush._manager.plan import Plan, current_plan, plan, remove_plan
    from crew_rush._manager.rush import Rush
    from crew_rush._model.errors import (
        NetworkNotFoundError,
        OversizedObjectError,
        RushError,
        RushWarning,
        StoreError,
        WorkerGoneError,
    )
    from crew_rush._model.states import TaskState, WorkerState
    from crew_rush._store.embedded.owner import EmbeddedStore

__all__ = [
    "EmbeddedStore",
    "NetworkNotFoundError",
    "OversizedObjectError",
    "Plan",
    "Rush",
    "RushError",
    "RushWarning",
    "RushWorker",
    "StoreError",
    "TaskRecord",
    "TaskState",
    "WorkerGoneError",
    "WorkerState",
    "current_plan",
    "plan",
    "remove_plan",
]

_HOMES = {
    "_loop.worker": ("RushWorker", "TaskRecord"),
    "_manager.plan": ("Plan", "current_plan", "plan", "remove_plan"),
    "_manager.rush": ("Rush",),
    "_model.errors": (
        "NetworkNotFoundError",
        "OversizedObjectError",
        "RushError",
        "RushWarning",
        "StoreError",
        "WorkerGoneError",
    ),
    "_model.states": ("TaskState", "WorkerState"),
    "_store.embedded.owner": ("EmbeddedStore",),
}

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
