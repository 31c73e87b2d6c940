"""Shows and ends crew's processes on this computer."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, ClassVar

from crew_core._launcher.command import job_name
from crew_core._launcher.monitor import JOB_COLUMNS, Monitor
from crew_core._launcher.processes import OurProcess, end, find
from crew_core._model.errors import ConfigError, CrewError
from crew_core._model.states import JobState

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("pid", "name", "status", "rss", "started", "controller", "instance")
"""The columns of the tables of processes. ``rss`` is bytes, ``started`` UTC."""


class LocalMonitor(Monitor):
    """Shows and ends this user's dispatchers, launch daemons and workers on this computer."""

    tables: ClassVar[tuple[str, ...]] = ("workers", "dispatchers", "daemons", "jobs")

    def dispatchers(self) -> pd.DataFrame:
        """The dispatchers, one for each started controller."""
        return _table(find("dispatcher"))

    def workers(self) -> pd.DataFrame:
        """The workers; their task processes are not shown."""
        return _table(find("worker"))

    def daemons(self) -> pd.DataFrame:
        """The launch daemons of controllers with ``processes=``."""
        return _table(find("daemon"))

    def jobs(self) -> pd.DataFrame:
        """The workers again, in the columns that all monitors have."""
        import pandas as pd

        return pd.DataFrame([_job(ours) for ours in find("worker")], columns=list(JOB_COLUMNS))

    def terminate(self, ids: int | Sequence[int] = (), *, all: bool = False) -> None:
        """End these dispatchers, launch daemons and workers, or all of this user's.

        Raises:
            ConfigError: for a process that is not one of them; then none is ended.
            CrewError: when a process could not be ended.
        """
        found = [*find("worker"), *find("daemon"), *find("dispatcher")]
        ours = {process.pid: process for process in found}
        wanted = list(ours) if all else [ids] if isinstance(ids, int) else list(ids)
        foreign = [pid for pid in wanted if pid not in ours]
        if foreign:
            raise ConfigError(
                f"not a dispatcher, daemon or worker of yours on this computer: {_list(foreign)}. "
                f"Yours: {_list(ours) or 'none'}"
            )
        done = end(ours[pid] for pid in wanted)
        left = [pid for pid, what in done.items() if what == "not permitted"]
        if left:
            raise CrewError(f"not permitted to end {_list(left)}")


def _table(processes: Sequence[OurProcess]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([_row(process) for process in processes], columns=list(COLUMNS))


def _row(ours: OurProcess) -> tuple[object, ...]:
    return (
        ours.pid,
        _name(ours),
        ours.status,
        ours.rss,
        _started(ours),
        ours.controller,
        ours.instance,
    )


def _job(ours: OurProcess) -> dict[str, object]:
    return {
        "job": str(ours.pid),
        "name": _name(ours),
        "state": JobState.RUNNING.value,
        "raw_state": ours.status,
        "host": socket.gethostname(),
        "submitted": _started(ours),
        "started": _started(ours),
        "instance": ours.instance,
        "controller": ours.controller,
    }


def _name(ours: OurProcess) -> str:
    if ours.instance is None:
        return f"crew-{ours.controller}"
    return job_name(str(ours.controller), ours.instance)


def _started(ours: OurProcess) -> datetime:
    return datetime.fromtimestamp(ours.started, timezone.utc)


def _list(pids: Sequence[int] | dict[int, OurProcess]) -> str:
    return ", ".join(str(pid) for pid in pids)
