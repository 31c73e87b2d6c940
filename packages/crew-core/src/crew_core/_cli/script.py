"""``crew script``: shows what a launcher would submit to its scheduler."""

from __future__ import annotations

import click

from crew_core._cli.names import complete_controllers, make_controller
from crew_core._cli.tables import as_json, show_value
from crew_core._model.errors import ConfigError


@click.command()
@click.argument("name", shell_complete=complete_controllers)
@click.argument("workers", type=click.IntRange(min=1), default=1)
@as_json
def script(name: str, workers: int, as_json: bool) -> None:
    """Show the job script that NAME would submit.

    It is the script for an array of so many WORKERS; nothing is submitted. NAME is a controller of
    the configuration, with its options and its name, or a launcher; then CONTROLLER stands for the
    controller's name.
    """
    launcher = make_controller(name).launcher
    make = getattr(launcher, "script", None)
    if make is None:
        raise ConfigError(f"the launcher {launcher.name!r} submits no scripts")
    text = make(workers)
    if as_json:
        show_value({"name": name, "launcher": launcher.name, "workers": workers, "script": text})
    else:
        click.echo(text, nl=False)
