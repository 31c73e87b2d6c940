"""``crew new-launcher``: makes the project of a launcher that others can install."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crew_core._cli.tables import as_json, show_value
from crew_core._model.errors import ConfigError, CrewError

if TYPE_CHECKING:
    from importlib.abc import Traversable

_NAME = r"[a-z][a-z0-9]*([_-][a-z0-9]+)*"
_SUFFIX = ".template"


@click.command("new-launcher")
@click.argument("name")
@click.argument("path", required=False, type=click.Path(path_type=Path, file_okay=False))
@as_json
def new_launcher(name: str, path: Path | None, as_json: bool) -> None:
    """Make a project that brings a launcher NAME.

    The project is in the folder PATH, by default crew-NAME. It can be installed, tested, certified
    and published as it is; launcher.py has the few lines to change.
    """
    _check_name(name)
    distribution = f"crew-{name.replace('_', '-')}"
    folder = Path(distribution) if path is None else path
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is there already, and not empty. Say another PATH")
    words = _words(name, distribution)
    made = [_write(folder, source, where, words) for where, source in _templates()]
    if as_json:
        show_value({"name": name, "path": str(folder), "files": sorted(made)})
        return
    click.echo(f"made {folder}: {len(made)} files. Next:")
    click.echo(f"  cd {folder}")
    click.echo("  pip install --editable .")
    click.echo(f"  crew doctor {name}")
    click.echo(f"  crew certify {name}")
    click.echo(f"Then change launch() in src/{words['PACKAGE']}/launcher.py.")


def _check_name(name: str) -> None:
    from crew_core._plugins.registry import WELL_KNOWN, registry

    if not re.fullmatch(_NAME, name):
        raise ConfigError(
            f"{name!r}: a launcher's name is of small letters, digits and single _ or -, and "
            "begins with a letter"
        )
    if name in registry().launchers or name in WELL_KNOWN:
        raise ConfigError(f"{name!r} is the name of another launcher already. Choose another")


def _words(name: str, distribution: str) -> dict[str, str]:
    """What stands in a project where its template has a word in capitals between percent signs."""
    from crew_core._launcher.base import API_VERSION
    from crew_core._plugins.findings import own_version

    parts = name.replace("-", "_").split("_")
    version = re.match(r"(\d+)\.(\d+)", own_version())
    major, minor = (0, 1) if version is None else (int(version[1]), int(version[2]))
    return {
        "NAME": name,
        "DISTRIBUTION": distribution,
        "PACKAGE": f"crew_{'_'.join(parts)}",
        "CLASS": f"{''.join(part.title() for part in parts)}Launcher",
        "CREW": f"{major}.{minor}",
        "NEXT": f"{major}.{minor + 1}" if major == 0 else f"{major + 1}",
        "API": str(API_VERSION),
    }


def _templates() -> Iterator[tuple[str, Traversable]]:
    """Each file of the template, with its path in a project."""
    root = resources.files("crew_core._cli") / "templates" / "launcher"
    yield from _below(root, "")


def _below(folder: Traversable, where: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{where}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield where + entry.name.removesuffix(_SUFFIX), entry


def _write(folder: Path, source: Traversable, where: str, words: dict[str, str]) -> str:
    where = where.replace("PACKAGE", words["PACKAGE"]).replace("NAME", words["NAME"])
    text = source.read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(f"%{word}%", value)
    target = folder / where
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CrewError(f"cannot write {target}: {error.strerror}") from error
    return where
