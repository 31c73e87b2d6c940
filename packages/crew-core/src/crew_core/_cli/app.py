"""Puts the subcommands together, and turns crew's errors into a line and an exit code.

0: done. 1: what was looked at is not as it should be. 2: the call or the configuration is wrong.
3: crew, or a platform, could not do it. 130: interrupted.
"""

from __future__ import annotations

from typing import Any

import click

from crew_core._cli.bench import bench
from crew_core._cli.certify import certify
from crew_core._cli.clean import clean
from crew_core._cli.completion import completion
from crew_core._cli.doctor import doctor
from crew_core._cli.explain import explain
from crew_core._cli.launchers import launchers
from crew_core._cli.logs import logs
from crew_core._cli.monitor import monitor
from crew_core._cli.new_launcher import new_launcher
from crew_core._cli.script import script
from crew_core._model.errors import ConfigError, CrewError, PluginError

WRONG, FAILED, INTERRUPTED = 2, 3, 130


class CrewGroup(click.Group):
    """A group of commands whose crew errors end the program with one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except CrewError as error:
            click.echo(f"crew: {error}", err=True)
            ctx.exit(WRONG if isinstance(error, (ConfigError, PluginError)) else FAILED)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


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

    Exit codes: 0 done; 1 what was looked at is not as it should be; 2 the call or the configuration
    is wrong; 3 crew or a platform could not do it; 130 interrupted.
    """


for command in (
    bench,
    certify,
    clean,
    completion,
    doctor,
    explain,
    launchers,
    logs,
    monitor,
    new_launcher,
    script,
):
    app.add_command(command)
