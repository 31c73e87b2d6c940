"""``crew monitor``: shows and ends the jobs of a platform, or crew's processes on this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crew_core._cli.tables import as_json, show_frame
from crew_core._model.errors import ConfigError
from crew_core._model.options import nearest

if TYPE_CHECKING:
    from crew_core._launcher.monitor import Monitor


@click.command()
@click.argument("name")
@click.argument("action", required=False)
@click.argument("ids", nargs=-1)
@as_json
def monitor(name: str, action: str | None, ids: tuple[str, ...], as_json: bool) -> None:
    """Show or end what crew runs on the platform NAME, whichever session started it.

    ACTION is the name of a table, or "terminate" followed by IDS. For "local" the tables are
    workers (the default), dispatchers, daemons and jobs, and IDS are process ids.
    """
    from crew_core._controller.making import monitor as make_monitor

    chosen = make_monitor(name)
    if action == "terminate":
        _terminate(chosen, name, ids)
        return
    action = action or chosen.tables[0]
    if action not in chosen.tables or ids:
        _refuse(chosen, name, action, ids)
    show_frame(getattr(chosen, action)(), as_json=as_json, empty=f"no {action}")


def _terminate(chosen: Monitor, name: str, ids: tuple[str, ...]) -> None:
    if not ids:
        raise ConfigError(f"nothing to terminate. Say which: crew monitor {name} terminate ID...")
    chosen.terminate([int(text) if text.isdecimal() else text for text in ids])
    click.echo(f"terminated {', '.join(ids)}")


def _refuse(chosen: Monitor, name: str, action: str, ids: tuple[str, ...]) -> None:
    actions = [*chosen.tables, "terminate"]
    if action in chosen.tables:
        raise ConfigError(f"crew monitor {name} {action} takes no more words, not {ids[0]!r}")
    raise ConfigError(
        f"the monitor {name!r} has no {action!r}.{nearest(action, actions)} "
        f"It has: {', '.join(actions)}"
    )
