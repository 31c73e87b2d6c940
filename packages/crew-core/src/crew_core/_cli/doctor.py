"""``crew doctor``: tries step by step what a controller needs, and says which step fails."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from crew_core._cli.names import complete_controllers
from crew_core._cli.tables import as_json, is_terminal, show_value

if TYPE_CHECKING:
    from crew_core._cli.checkup import Step


@click.command()
@click.argument("name", required=False, shell_complete=complete_controllers)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="How long a worker may take to connect; by default as NAME says, 300 at most.",
)
@as_json
@click.pass_context
def doctor(ctx: click.Context, name: str | None, seconds: float | None, as_json: bool) -> None:
    """Run one task on one worker of NAME, and say what fails.

    It goes step by step, in plain words. Before that the platform is looked at, where its plugin
    can do so: if something there is bad, nothing is launched.

    NAME is a controller of the configuration, with its options, or a launcher. Without it this
    computer is examined and a local worker tried. Exit code 1: some step has failed.
    """
    from crew_core._cli.checkup import checkup

    # A step that takes its time is printed when it is over, before the next begins.
    told = _with_log(checkup(name or "local", seconds, here=name is None))
    steps = list(told) if as_json else list(_printed(told))
    well = all(step.ok for step in steps)
    if as_json:
        show_value({"ok": well, "steps": [asdict(step) for step in steps]})
    elif well:
        click.echo(f"all well: tasks run on {name or 'this computer'}")
    if not well:
        ctx.exit(1)


class _Held(logging.Handler):
    """Holds back what crew logs until it is known whether a step says it as well."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _with_log(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps; what was logged meanwhile, and none of them says, follows on standard error."""
    held, log = _Held(), logging.getLogger("crew")
    said: list[str] = []
    log.addHandler(held)
    try:
        for step in steps:
            said.append(step.said)
            yield step
    finally:
        log.removeHandler(held)
        for text in held.texts:
            if not any(text in each for each in said):
                click.echo(text, err=True)


def _mark(step: Step) -> tuple[str, str]:
    if step.doubtful:
        return "doubt ", "yellow"
    return ("ok    ", "green") if step.ok else ("FAILED", "red")


def _printed(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        mark, colour = _mark(step)
        took = f" ({step.seconds:.1f} s)" if step.seconds >= 0.1 else ""
        mark = click.style(mark, fg=colour) if is_terminal() else mark
        click.echo(f"{mark}  {step.name}: {step.said}{took}")
        if step.advice:
            click.echo(f"        {step.advice}")
        yield step
