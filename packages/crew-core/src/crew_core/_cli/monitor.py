"""``crew monitor``: shows and ends the jobs of a platform, or crew's processes on this computer."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

import click

from crew_core._cli.names import complete_monitors
from crew_core._cli.tables import as_json, show_frame, show_value
from crew_core._model.errors import ConfigError, CrewError
from crew_core._model.options import nearest

if TYPE_CHECKING:
    import pandas as pd

    from crew_core._launcher.monitor import Monitor


@click.command()
@click.argument("name", shell_complete=complete_monitors)
@click.argument("action", required=False)
@click.argument("ids", nargs=-1)
@click.option("--follow", is_flag=True, help="With log: show what comes, until the job is over.")
@click.option("--all", "every", is_flag=True, help="Terminate all that crew launched there.")
@as_json
def monitor(
    name: str,
    action: str | None,
    ids: tuple[str, ...],
    every: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Show or end what crew runs on the platform NAME.

    It does not matter which session started it. NAME is a launcher's, or that of a controller in
    the configuration. ACTION is the name of a table, or "terminate" followed by IDS, or "log"
    followed by an id where the platform's monitor knows jobs' output. For "local" the tables are
    workers (the default), dispatchers, daemons and jobs, and IDS are process ids.
    """
    from crew_core._controller.monitors import monitors_of

    chosen = monitors_of(name)
    if action == "terminate":
        _terminate(chosen, name, ids, every, as_json=as_json)
        return
    if every:
        raise ConfigError("--all goes with terminate alone")
    if action == "log" and hasattr(chosen[0], "log"):
        _log(chosen, name, ids, follow, as_json=as_json)
        return
    if follow and action != "log":
        raise ConfigError("--follow goes with log alone")
    action = action or chosen[0].tables[0]
    if action not in chosen[0].tables or ids:
        _refuse(chosen[0], name, action, ids)
    show_frame(_table(chosen, action), as_json=as_json, empty=f"no {action}")


def _table(chosen: Sequence[Monitor], name: str) -> pd.DataFrame:
    """A table of all monitors; what several of them show is there once.

    One of several that fails is reported: it may be about what a session of long ago has left.
    """
    tables: list[pd.DataFrame] = []
    for number, each in enumerate(chosen, start=1):
        try:
            tables.append(getattr(each, name)())
        except CrewError as error:
            if number == len(chosen) and not tables:
                raise
            click.echo(f"crew: {error}", err=True)
    if len(tables) == 1:
        return tables[0]
    import pandas as pd

    shown = [table for table in tables if len(table)] or tables[:1]
    joined: pd.DataFrame = pd.concat(shown, ignore_index=True)
    # What tells jobs apart; other columns may change from one question to the next.
    keys = [column for column in ("job", "name") if column in joined]
    return joined.drop_duplicates(subset=keys or None)


def _whose(chosen: Sequence[Monitor], ids: Sequence[str]) -> list[tuple[Any, list[str]]]:
    """Which of several monitors knows which of these jobs; the first is asked of the others."""
    left = list(ids)
    shares: list[tuple[Any, list[str]]] = []
    for monitor in chosen[1:]:
        try:
            jobs = monitor.jobs()
        except CrewError as error:
            click.echo(f"crew: {error}", err=True)
            continue
        known = {*map(str, jobs["job"]), *map(str, jobs["name"])}
        mine = [word for word in left if word in known]
        left = [word for word in left if word not in known]
        shares.append((monitor, mine))
    return [(each, mine) for each, mine in [(chosen[0], left), *shares] if mine]


def _log(
    chosen: Sequence[Monitor], name: str, ids: tuple[str, ...], follow: bool, *, as_json: bool
) -> None:
    if len(ids) != 1:
        raise ConfigError(f"the log of which job? Say: crew monitor {name} log ID")
    ((monitor, _),) = _whose(chosen, ids)
    if follow:
        if "follow" not in signature(monitor.log).parameters:
            raise ConfigError(f"the monitor {name!r} cannot follow a log: leave out --follow")
        for line in monitor.log(ids[0], follow=True):
            show_value(line) if as_json else click.echo(line)
        return
    text = _text(monitor.log(ids[0]))
    if as_json:
        show_value({"id": ids[0], "log": text or None})
    else:
        click.echo(text or f"nothing is kept of {ids[0]}", nl=not text)


def _text(told: str | pd.DataFrame | None) -> str:
    """What a monitor told of a log: its text, or a table with a row for each line."""
    if told is None or isinstance(told, str):
        return told or ""
    return "".join(f"{line}\n" for line in told["message"])


def _terminate(
    chosen: Sequence[Monitor], name: str, ids: tuple[str, ...], every: bool, *, as_json: bool
) -> None:
    if every and not ids:
        for monitor in chosen:
            monitor.terminate(all=True)
        _say(["all"], as_json=as_json)
        return
    if every or not ids:
        raise ConfigError(
            f"nothing to terminate. Say which: crew monitor {name} terminate ID..., or --all alone"
        )
    for monitor, words in _whose(chosen, ids):
        monitor.terminate([int(text) if text.isdecimal() else text for text in words])
    _say(ids, as_json=as_json)


def _say(terminated: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        show_value({"terminated": list(terminated)})
    else:
        click.echo(f"terminated {', '.join(terminated)}")


def _refuse(chosen: Monitor, name: str, action: str, ids: tuple[str, ...]) -> None:
    actions = [*chosen.tables, "terminate", *(["log"] if hasattr(chosen, "log") else [])]
    if action in chosen.tables:
        raise ConfigError(f"crew monitor {name} {action} takes no more words, not {ids[0]!r}")
    raise ConfigError(
        f"the monitor {name!r} has no {action!r}.{nearest(action, actions)} "
        f"It has: {', '.join(actions)}"
    )
