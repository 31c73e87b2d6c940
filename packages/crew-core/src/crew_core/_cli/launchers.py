"""``crew launchers``: shows what workers can be launched with here."""

from __future__ import annotations

import click

from crew_core._cli.tables import as_json, show


@click.command()
@as_json
def launchers(as_json: bool) -> None:
    """Show the installed launchers. None of them is imported for that."""
    from crew_core._plugins.registry import launchers as installed

    found = installed()
    columns = ["name", "package", "version"]
    if any(info.problem for info in found):
        columns.append("problem")
    rows = [{name: getattr(info, name) for name in columns} for info in found]
    show(rows, columns, as_json=as_json)
