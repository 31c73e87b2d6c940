"""``crew explain``: says why there are so many workers, and why a job waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from crew_core._cli.names import complete_sessions
from crew_core._cli.tables import as_json, show_value
from crew_core._model.errors import ConfigError

if TYPE_CHECKING:
    from crew_core._controller.journal import Story


@click.command()
@click.argument("controller", required=False, shell_complete=complete_sessions)
@click.argument("job", required=False)
@click.option("-n", "lines", type=click.IntRange(min=1), default=20, help="How many entries.")
@as_json
def explain(controller: str | None, job: str | None, lines: int, as_json: bool) -> None:
    """Say why there are as many workers as there are.

    What was decided lately is shown with its reasons. CONTROLLER is a controller of a session on
    this computer; without it all that live are explained, or else the latest that has ended. JOB is
    one of its jobs, as the platform names it: what is known of it, such as why it waits.
    """
    from crew_core._controller import account

    stories = _chosen(controller)
    if job is not None:
        _explain_job(stories[-1], job, as_json=as_json)
        return
    told = [(story, is_live(story)) for story in stories]
    if as_json:
        show_value([account.facts(story, live=live, lines=lines) for story, live in told])
        return
    now = time.time()
    texts = [account.tell(story, now=now, live=live, lines=lines) for story, live in told]
    click.echo("\n\n".join(texts) or "no controller of yours has asked for workers here lately")


def is_live(story: Story) -> bool:
    """Its session goes on."""
    from crew_core._launcher.processes import lived_at

    return not story.has_ended and lived_at(story.header.pid, story.header.began)


def _chosen(controller: str | None) -> list[Story]:
    """The sessions that are meant, the latest last."""
    from crew_core._controller import journal

    stories = journal.read_all(journal.directory())
    if controller is None:
        return [story for story in stories if is_live(story)] or stories[-1:]
    mine = [story for story in stories if story.header.controller == controller]
    if not mine:
        raise ConfigError(_unknown(controller, [story.header.controller for story in stories]))
    return [story for story in mine if is_live(story)] or mine[-1:]


def _unknown(controller: str, known: list[str]) -> str:
    from crew_core._model.options import nearest

    latest = ", ".join(dict.fromkeys(known[::-1][:10])) or "none"
    return (
        f"no session of controller {controller!r} has asked for workers on this computer lately."
        f"{nearest(controller, known)} Known here: {latest}"
    )


def _explain_job(story: Story, job: str, *, as_json: bool) -> None:
    from crew_core._controller import account

    text = account.tell_job(story, job)
    if text is None:
        raise ConfigError(
            f"nothing is known of job {job!r} of controller {story.header.controller!r}; "
            f"crew monitor {story.header.launcher} shows what the platform says"
        )
    if as_json:
        told = account.facts(story, live=is_live(story), lines=len(story.entries))
        entries = [entry for entry in told["entries"] if job in entry["jobs"]]
        show_value({"controller": story.header.controller, "job": job, "entries": entries})
    else:
        click.echo(text)
