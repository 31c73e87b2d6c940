"""The monitor of any scheduler: shows and ends this user's jobs that crew launched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from crew_cluster._cluster.checks import check_fields
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.names import is_ours, parse
from crew_cluster._cluster.options import AMOUNT, PATH, Place, Via
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._cluster.seat import seat_of
from crew_core.plugins import JOB_COLUMNS, ConfigError, Monitor

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class MonitorOptions(Monitor.Options):
    """What a user can say to a monitor.

    Attributes:
        command_list: the program that lists jobs; None: the scheduler's own, found on PATH.
        command_terminate: the program that cancels jobs; None: likewise.
        script_directory: the launcher's, where it was not left to crew.
        seconds_command: how long a command of the scheduler may take.
        via: the launcher's, where commands are run on a login node.
    """

    command_list: Place = field(default=None, metadata=PATH)
    command_terminate: Place = field(default=None, metadata=PATH)
    script_directory: Place = field(default=None, metadata=PATH)
    seconds_command: float = field(default=60.0, metadata=AMOUNT)
    via: Via = None

    def __post_init__(self) -> None:
        check_fields(self)


class ClusterMonitor(Monitor):
    """Shows and ends this user's jobs that crew launched, whichever session did.

    Attributes:
        scheduler: what the scheduler does its own way.
    """

    scheduler: ClassVar[type[Scheduler]]
    options: Any
    Options = MonitorOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._scheduler = self.scheduler()
        own = self.options
        seat = seat_of(self._scheduler, own)
        self._run = seat.run(own.seconds_command)
        self._shelf = seat.shelf

    def jobs(self) -> pd.DataFrame:
        """The jobs, a row for each worker; ended ones as long as the scheduler knows them.

        Raises:
            CrewError: the scheduler did not answer.

        Example::

            >>> callable(crew.monitor("slurm").jobs)
            True
        """
        import pandas as pd

        facts = [self._facts(row) for row in self._ours()]
        table = pd.DataFrame(facts, columns=list(JOB_COLUMNS))
        for column in ("submitted", "started", "finished"):
            table[column] = pd.to_datetime(table[column], utc=True)
        return table.astype({"index": "Int64", "exit_code": "Int64"})

    def terminate(self, ids: str | int | Sequence[str | int] = (), *, all: bool = False) -> None:
        """Cancel these jobs, or with ``all`` every job that crew launched for this user.

        Args:
            ids: names as ``jobs()`` shows them, or ids of whole submissions.
            all: all of them.

        Raises:
            ConfigError: for a job that crew did not launch, or that is over; then none is
                cancelled.
            CrewError: the scheduler did not answer.

        Example::

            >>> crew.monitor("slurm").terminate([])
        """
        wanted = [ids] if isinstance(ids, str | int) else list(ids)
        if not wanted and not all:
            return
        live = [row for row in self._ours() if row.state in ("pending", "running", "ending")]
        chosen = live if all else _choose(live, [str(word) for word in wanted])
        handles = [self._handle(row, live) for row in chosen]
        self._shelf.withdraw(handles)
        if handles:
            self._scheduler.cancel(self._run, handles)

    def log(self, job: str | int) -> str | None:
        """What a job printed, where ``log_output`` was left to crew; None when nothing is kept.

        Raises:
            ConfigError: for a job that the scheduler does not know, or that is not crew's.
            CrewError: the scheduler did not answer.

        Example::

            >>> callable(crew.monitor("slurm").log)
            True
        """
        row = _choose(self._ours(), [str(job)])[0]
        return self._shelf.folder(self._shelf.directory / row.name).output(row.index or 1)

    def _ours(self) -> list[Row]:
        ours = [row for row in self._scheduler.rows(self._run) if is_ours(row.name)]
        return [self._scheduler.placed(row, self._shelf.directory / row.name) for row in ours]

    def _facts(self, row: Row) -> dict[str, object]:
        named = parse(row.name)
        record = self._shelf.record(self._shelf.directory / row.name)
        instances = record["instances"] or [named.instance]
        if row.index is None and len(instances) > 1:
            instances = []  # which of an array's it is, nobody tells
        place = (row.index or 1) - 1
        return {
            **asdict(row),
            "instance": instances[place] if 0 <= place < len(instances) else None,
            "controller": record["controller"] or named.controller,
        }

    def _handle(self, row: Row, live: Sequence[Row]) -> Handle:
        count = sum(other.submission == row.submission for other in live)
        folder = str(self._shelf.directory / row.name)
        return Handle(row.submission, row.index, count, row.name, folder)


def _choose(rows: Sequence[Row], words: Sequence[str]) -> list[Row]:
    """The rows that are meant by a job's name or a submission's id."""
    chosen: list[Row] = []
    for word in words:
        found = [row for row in rows if word in (row.job, row.submission)]
        if not found:
            known = ", ".join(dict.fromkeys(row.submission for row in rows)) or "none"
            raise ConfigError(f"{word!r} is no job of yours that crew launched. Yours: {known}")
        chosen += found
    return list(dict.fromkeys(chosen))
