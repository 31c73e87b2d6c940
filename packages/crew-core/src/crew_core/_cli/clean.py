"""``crew clean``: ends what earlier sessions left behind, here and on platforms."""

from __future__ import annotations

import click

from crew_core._cli.tables import as_json, show_frame


@click.command()
@as_json
def clean(as_json: bool) -> None:
    """End what earlier sessions of yours left behind.

    That is processes and files on this computer, and jobs that sessions of this computer launched
    anywhere. Live controllers are spared.
    """
    from crew_core._launcher.cleaning import clean as clean_up

    show_frame(clean_up(), as_json=as_json, empty="nothing to clean")
