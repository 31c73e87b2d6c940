"""Shows and ends this user's workers on hosts, whichever session has started them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from crew_core.plugins import JOB_COLUMNS, ConfigError, CrewError, Monitor
from crew_ssh._carrier.client import Carrier
from crew_ssh._carrier.told import told_of
from crew_ssh._hosts.workers import report_of
from crew_ssh._options.options import SshOptions

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (*JOB_COLUMNS, "pid", "since", "cpu", "memory")
"""Those of all monitors, and: process group, seconds since its start, processor seconds, bytes."""


@dataclass(frozen=True, kw_only=True)
class SshMonitorOptions(SshOptions, Monitor.Options):
    """What a user can say: the launcher's options, of which the hosts are needed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.all_hosts()


class SshMonitor(Monitor):
    """Shows and ends this user's workers on hosts reached by SSH.

    Example::

        >>> monitor = crew.monitor("ssh", hosts=["node1", "node2"])
        >>> callable(monitor.jobs)
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("hosts",)
    options: Any
    Options = SshMonitorOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._carrier = Carrier(told_of(self.options))

    def jobs(self) -> pd.DataFrame:
        """The workers on all hosts, a row for each; ended ones for some days.

        Blocks as long as hosts take to let us in and answer.

        Raises:
            CrewError: a host was not reached; nothing is shown then, lest a worker be missed.

        Example::

            >>> callable(crew.monitor("ssh", hosts=["node1"]).jobs)
            True
        """
        import pandas as pd

        table = pd.DataFrame([_row(told) for told in self._told()], columns=list(COLUMNS))
        for column in ("submitted", "started", "finished"):
            table[column] = pd.to_datetime(table[column], utc=True)
        return table.astype({"index": "Int64", "exit_code": "Int64", "pid": "Int64"})

    def terminate(self, ids: str | Sequence[str] = (), *, all: bool = False) -> None:
        """End these workers and all that their tasks started, or with ``all`` every one of crew's.

        Args:
            ids: jobs as ``jobs()`` shows them, such as "node1:4711", or their names.
            all: all of them.

        Raises:
            ConfigError: for a worker that does not run, or is not crew's; then none is ended.
            CrewError: a host was not reached.

        Example::

            >>> crew.monitor("ssh", hosts=["node1"]).terminate([])
        """
        wanted = [ids] if isinstance(ids, str) else list(ids)
        if not wanted and not all:
            return
        live = [told for told in self._told() if told["state"] == "running"]
        chosen = live if all else [_choose(live, str(word)) for word in wanted]
        if chosen:
            self._carrier.ask("end", handles=[_handle(told) for told in chosen])

    def log(self, job: str) -> str | None:
        """What a worker printed last.

        Raises:
            ConfigError: for a worker that no host knows.
            CrewError: a host was not reached.

        Example::

            >>> callable(crew.monitor("ssh", hosts=["node1"]).log)
            True
        """
        told: str | None = self._carrier.ask("output", handle=_handle(_choose(self._told(), job)))
        return told

    def _told(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._carrier.ask("rows")
        errors = [row["error"] for row in rows if "error" in row]
        if errors:
            raise CrewError("\n".join(errors))
        return rows


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    report = report_of(told)
    since = told.get("since")
    started = None if since is None else datetime.fromtimestamp(since, timezone.utc)
    return {
        "job": _job(told),
        "name": told["name"],
        "state": report["state"],
        "raw_state": told["state"],
        "reason": report.get("reason", ""),
        "host": told["host"],
        "submitted": started,
        "started": started,
        "exit_code": told.get("code"),
        "instance": told.get("instance"),
        "controller": told.get("controller"),
        "pid": told.get("pid"),
        "since": told.get("age"),
        "cpu": told["cpu"],
        "memory": told["memory"],
    }


def _job(told: Mapping[str, Any]) -> str:
    pid = told.get("pid")
    return str(told["name"]) if pid is None else f"{told['host']}:{pid}"


def _handle(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": told["name"], "host": told["host"], "pid": told.get("pid")}


def _choose(rows: Sequence[Mapping[str, Any]], word: str) -> Mapping[str, Any]:
    for told in rows:
        if word in (_job(told), told["name"]):
            return told
    known = ", ".join(_job(told) for told in rows) or "none"
    raise ConfigError(f"{word!r} is no worker of yours that runs there. Yours: {known}")
