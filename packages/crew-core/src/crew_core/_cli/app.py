"""Puts the subcommands together and turns crew's errors into a line on standard error."""

from __future__ import annotations

from typing import Any

import click

from crew_core._cli.clean import clean
from crew_core._cli.launchers import launchers
from crew_core._cli.monitor import monitor
from crew_core._model.errors import CrewError


class CrewGroup(click.Group):
    """A group of commands whose crew errors end the program with one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except CrewError as error:
            click.echo(f"crew: {error}", err=True)
            ctx.exit(2)


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from crew_core._plugins.findings import own_version

        click.echo(f"crew {own_version()}")
        ctx.exit()


@click.group(cls=CrewGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def app() -> None:
    """Run Python tasks on workers that start when there is work and leave when there is none.

    "crew worker" is what launch commands run on a worker's machine.
    """


app.add_command(clean)
app.add_command(launchers)
app.add_command(monitor)
