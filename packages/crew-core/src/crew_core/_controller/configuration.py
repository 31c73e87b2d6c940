"""Finds controllers that are described in configuration files.

Looked for, in this order: the file that ``$CREW_CONFIG`` names; ``crew.toml`` here or in a parent
folder; ``[tool.crew]`` of ``pyproject.toml`` here or in a parent folder; the user's own
``crew/crew.toml``. The first of them that has a ``[controllers.NAME]`` table decides about NAME.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from crew_core._model.errors import ConfigError
from crew_core._model.options import nearest
from crew_core._wire.places import configuration_directory

CONFIG_VARIABLE = "CREW_CONFIG"

FILE_NAME = "crew.toml"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One controller of a configuration file.

    Attributes:
        name: the table's name, which is the controller's too unless an option says otherwise.
        launcher: the launcher's name.
        options: all else that the table says.
        path: the file.
    """

    name: str
    launcher: str
    options: dict[str, Any] = {}
    path: Path


def find(name: str, only: Path | None = None) -> Section | None:
    """The section of this name, or None.

    Args:
        name: of the controller.
        only: the one file to look in; None: in all.

    Raises:
        ConfigError: for a file that cannot be read or understood.
    """
    for path, settings in _sources(only):
        section = _tables(path, settings).get(name)
        if section is not None:
            return _section(name, section, path)
    return None


def sections(path: Path | None = None) -> list[Section]:
    """All controllers of a file, or all that ``find`` would find, in the order of the files.

    Raises:
        ConfigError: for a file that cannot be read or understood.
    """
    found: dict[str, Section] = {}
    for source, settings in _sources(path):
        for name, table in _tables(source, settings).items():
            if name not in found:
                found[name] = _section(name, table, source)
    return list(found.values())


def names(only: Path | None = None) -> list[str]:
    """The names of all controllers that ``find`` would find."""
    found = {name for path, settings in _sources(only) for name in _tables(path, settings)}
    return sorted(found)


def _sources(only: Path | None = None) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Files that exist, with the part of them that is crew's, best first; or only this one."""
    if only is not None:
        yield only, _file_settings(only)
        return
    given = os.environ.get(CONFIG_VARIABLE, "")
    if given:
        yield Path(given), _settings(Path(given))
    folders = [Path.cwd(), *Path.cwd().parents]
    for folder in folders:
        if _is_file(folder / FILE_NAME):
            yield folder / FILE_NAME, _settings(folder / FILE_NAME)
            break
    for folder in folders:
        path = folder / "pyproject.toml"
        if _is_file(path) and (settings := _tool_settings(path)) is not None:
            yield path, settings
            break
    path = configuration_directory() / FILE_NAME
    if _is_file(path):
        yield path, _settings(path)


def _file_settings(path: Path) -> Mapping[str, Any]:
    """The part of a file that is crew's; a pyproject.toml may have none."""
    if path.name != "pyproject.toml":
        return _settings(path)
    return _tool_settings(path) or {}


def _settings(path: Path) -> Mapping[str, Any]:
    return _refuse_unknown(path, _parse(path, _read(path)))


def _tool_settings(path: Path) -> Mapping[str, Any] | None:
    """The [tool.crew] table of a pyproject.toml, or None."""
    text = _read(path)
    # Any project's file may lie on the way up: what is wrong in it concerns us only when it
    # speaks of crew.
    if "crew" not in text:
        return None
    tool = _parse(path, text).get("tool")
    settings = tool.get("crew") if isinstance(tool, dict) else None
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: tool.crew must be a table, not {settings!r}")
    return _refuse_unknown(path, settings)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):  # here, as many have no such file
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's message says line and column.
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _refuse_unknown(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    for key in settings:
        if key != "controllers":
            raise ConfigError(
                f"{path}: unknown table or key {key!r}.{nearest(key, ['controllers'])} "
                "Controllers are described in tables [controllers.NAME]"
            )
    return settings


def _tables(path: Path, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    tables = settings.get("controllers", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: controllers must be tables [controllers.NAME], not {tables!r}")
    return tables


def _section(name: str, table: object, path: Path) -> Section:
    where = f"{path}: controllers.{name}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table, not {table!r}")
    launcher = table.get("launcher")
    if not isinstance(launcher, str):
        said = "says no launcher" if launcher is None else f"says launcher = {launcher!r}"
        raise ConfigError(f'{where} {said}. Add the name of one, such as launcher = "local"')
    options = {key: value for key, value in table.items() if key != "launcher"}
    return Section(name=name, launcher=launcher, options=options, path=path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # a folder on the way up that we may not look into
