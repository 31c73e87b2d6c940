"""Ends what earlier sessions of this user left behind, and spares live controllers.

A dispatcher or launch daemon is left over when the process it worked for is gone, a worker when its
dispatcher is gone or left over, a task's descendant when its worker is gone or left over, a
directory of sockets or objects when its dispatcher and its maker are gone, one of segments when
nobody holds it, a job on a platform when the session that launched it is gone.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crew_core._launcher.processes import (
    OurProcess,
    end,
    find,
    find_tasks,
    instances,
    lived_at,
)
from crew_core._launcher.undertaker import try_once
from crew_core._launcher.will import wills
from crew_core._model.errors import LaunchError
from crew_core._wire.places import controller_directories, object_directories, owner_pid
from crew_core._wire.segments.directory import sweep as sweep_segments

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("kind", "pid", "controller", "action")
"""The columns of ``clean()``."""


def clean() -> pd.DataFrame:
    """End what earlier sessions of yours left behind; live controllers are spared.

    That is on this computer, and jobs on platforms that sessions of this computer launched. Blocks
    as long as the platforms take.

    Returns:
        A row for each left-over: kind ("dispatcher", "daemon", "worker", "task", "directory" or
        "job"), pid, controller, and the action: "terminated", "killed", "gone" (it ended when
        another did), "not permitted", or in words which job was ended, or why not, and what was
        removed.

    Example::

        >>> from crew_core import clean
        >>> callable(clean)  # crew.clean() ends what earlier runs of this user left behind
        True
    """
    import pandas as pd

    rows = [*_end_processes(), *_end_jobs(), *_remove_directories()]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"pid": "Int64"})


def _end_processes() -> list[tuple[object, ...]]:
    # From the leaves up: whatever starts during the search then has parents that are found later,
    # and is not taken for an orphan.
    tasks = find_tasks()
    workers = find("worker")
    named = instances()
    dispatchers = find("dispatcher")

    left_daemons = [ours for ours in find("daemon") if not _has_client(ours)]
    left_dispatchers = [ours for ours in dispatchers if not _has_client(ours)]
    served = _directories(dispatchers) - _directories(left_dispatchers)
    left_workers = [ours for ours in workers if ours.directory and ours.directory not in served]
    living = named - _instances(left_workers)
    left_tasks = [ours for ours in tasks if ours.instance not in living and ours.pid != os.getpid()]

    # Dispatchers first, lest they put the tasks of ended workers on others; a nested controller's
    # worker is a task's descendant too, and is reported once.
    left = {
        ours.pid: ours for ours in [*left_tasks, *left_workers, *left_daemons, *left_dispatchers]
    }
    done = {
        **end([*left_dispatchers, *left_daemons]),
        **end(left_workers),
        **end(ours for ours in left_tasks if left[ours.pid] is ours),
    }
    return [(ours.kind, ours.pid, ours.controller, done[ours.pid]) for ours in left.values()]


def _end_jobs() -> list[tuple[object, ...]]:
    here = socket.gethostname()
    rows: list[tuple[object, ...]] = []
    for will in wills():
        if will.host != here:
            told = [f"left to crew clean on {will.host}"]
        elif lived_at(will.pid, will.made):
            continue
        else:
            try:
                jobs = try_once(will.controller, will.path)
                told = [f"ended job {job} of {will.name}" for job in jobs]
            except LaunchError as error:
                told = [f"failed: {error}"]
        rows += [("job", None, will.controller, action) for action in told]
    return rows


def _remove_directories() -> list[tuple[object, ...]]:
    directories = [*controller_directories(), *object_directories()]
    # A dispatcher's two directories have one name.
    served = {Path(directory).name for directory in _directories(find("dispatcher"))}
    removed: list[tuple[object, ...]] = []
    for directory in directories:
        if directory.name not in served and not _has_maker(directory):
            shutil.rmtree(directory, ignore_errors=True)
            if not directory.exists():
                removed.append(("directory", None, None, f"removed {directory}"))
    removed += [("directory", None, None, f"removed {path}") for path in sweep_segments()]
    return removed


def _has_client(dispatcher: OurProcess) -> bool:
    """True when the process that a dispatcher works for lives, or cannot be known."""
    if dispatcher.client_pid is None:
        return True
    return lived_at(dispatcher.client_pid, dispatcher.started)


def _has_maker(directory: Path) -> bool:
    pid = owner_pid(directory)
    try:
        # Sockets made later only move this time forward, to the safe side.
        made = directory.stat().st_mtime
    except OSError:
        return False
    return pid is not None and lived_at(pid, made)


def _directories(dispatchers: Sequence[OurProcess]) -> set[str]:
    return {ours.directory for ours in dispatchers if ours.directory}


def _instances(workers: Sequence[OurProcess]) -> set[str]:
    return {ours.instance for ours in workers if ours.instance}
