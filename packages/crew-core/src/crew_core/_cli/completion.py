"""``crew completion``: prints what makes a shell complete crew's commands and names."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete what one types.

    That is commands, options, and names of controllers and launchers.

    For bash, put this line into ~/.bashrc: eval "$(crew completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = click.get_current_context().find_root()
    if kind is None:
        raise click.UsageError(f"click does not know {shell}")
    click.echo(kind(root.command, {}, "crew", "_CREW_COMPLETE").source())
