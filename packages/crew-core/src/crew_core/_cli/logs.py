"""``crew logs``: shows what workers print, also while they do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crew_core._cli.explain import is_live
from crew_core._cli.following import follow, last_lines
from crew_core._cli.names import complete_sessions
from crew_core._cli.tables import as_json, show
from crew_core._model.errors import ConfigError

if TYPE_CHECKING:
    from crew_core._controller.journal import Story

_COLUMNS = ("controller", "logs", "changed", "directory")
_BEFORE_SECONDS = 5.0  # clocks of disks differ from this computer's


@click.command()
@click.argument("controller", required=False, shell_complete=complete_sessions)
@click.argument("worker", required=False)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the session ends.")
@click.option("-n", "lines", type=click.IntRange(min=0), help="Only the last lines of each log.")
@as_json
def logs(
    controller: str | None, worker: str | None, following: bool, lines: int | None, as_json: bool
) -> None:
    """Show what workers of CONTROLLER's latest session print.

    WORKER is the id of one worker (the launcher's summary() has them), or how it begins; without it
    all are shown. Without CONTROLLER it is said which controllers have logs on this computer.
    With --json there is one object a line.
    """
    if controller is None:
        _list(as_json=as_json)
        return
    story = _latest(controller)
    directory = _directory(controller, story)

    def find() -> list[Path]:
        return _logs(directory, worker, story)

    # Asked before a line is shown: it imports, and who interrupts an import that calls exec()
    # makes Python end by the signal at last, with no exit code of ours.
    goes_on = following and _goes_on(controller)
    if not find() and not goes_on:
        raise ConfigError(_nothing(controller, worker, directory, story))
    if following:
        begin = 10 if lines is None else lines
        for instance, line in follow(find, begin, lambda: not _goes_on(controller)):
            _print(instance, line, as_json=as_json, named=worker is None)
        return
    found = find()
    for path in found:
        for line in last_lines(path, lines):
            _print(path.stem, line, as_json=as_json, named=len(found) > 1)


def _print(instance: str, line: str, *, as_json: bool, named: bool) -> None:
    if as_json:
        click.echo(json.dumps({"worker": instance, "line": line}, ensure_ascii=False))
    else:
        click.echo(f"{instance} | {line}" if named else line)


def _latest(controller: str) -> Story | None:
    from crew_core._controller import journal

    stories = journal.read_all(journal.directory())
    mine = [story for story in stories if story.header.controller == controller]
    return mine[-1] if mine else None


def _goes_on(controller: str) -> bool:
    story = _latest(controller)
    return story is not None and is_live(story)


def _directory(controller: str, story: Story | None) -> Path:
    """Where its workers write: as its latest session said, the configuration says, or usually."""
    from crew_core._controller import configuration
    from crew_core._wire.places import default_log_directory

    if story is not None:
        return Path(story.header.log_directory)
    section = configuration.find(controller)
    given = None if section is None else section.options.get("log_directory")
    return default_log_directory(controller) if given is None else Path(str(given))


def _logs(directory: Path, worker: str | None, story: Story | None) -> list[Path]:
    """The logs that are meant, the oldest first."""
    since = 0.0 if story is None or worker is not None else story.header.began - _BEFORE_SECONDS
    found: list[tuple[float, Path]] = []
    for path in directory.glob("*.log"):
        try:
            changed = path.stat().st_mtime
        except OSError:  # pruned just now
            continue
        if changed >= since and path.stem.startswith(worker or ""):
            found.append((changed, path))
    return [path for _, path in sorted(found)]


def _nothing(controller: str, worker: str | None, directory: Path, story: Story | None) -> str:
    whose = f"worker {worker!r} of controller {controller!r}" if worker else f"{controller!r}"
    told = f"no log of {whose} in {directory}."
    if story is None:
        return f"{told} crew logs, without a name, says which controllers have logs here"
    platform = story.header.launcher
    return f"{told} Its platform may have kept one: crew monitor {platform} log JOB"


def _list(*, as_json: bool) -> None:
    from crew_core._controller import journal
    from crew_core._wire.places import state_directory

    homes = {path.name: path for path in (state_directory() / "logs").glob("*") if path.is_dir()}
    for story in journal.read_all(journal.directory()):
        homes[story.header.controller] = Path(story.header.log_directory)
    rows = [row for name, path in sorted(homes.items()) if (row := _row(name, path)) is not None]
    show(rows, _COLUMNS, as_json=as_json, empty="no logs on this computer")


def _row(name: str, directory: Path) -> dict[str, Any] | None:
    found = _logs(directory, None, None)
    if not found:
        return None
    changed = time.gmtime(found[-1].stat().st_mtime)
    return {
        "controller": name,
        "logs": len(found),
        "changed": time.strftime("%Y-%m-%dT%H:%M:%SZ", changed),
        "directory": str(directory),
    }
