"""Writes docs/reference/parity.md from docs/reference/parity/*.toml, and checks both.

A row of the data is [original, here, note]. A list of originals stands for a row each, a list
under "here" for several names in one row. Such a name is written as one of these:

    crew.Controller.push                        a function, class, method, property or field
    crew.Controller.push(scale=)                a parameter
    crew.controller(workers=)                   an option that all controllers have
    crew.controller("slurm", partition=)        an option of a launcher
    crew.Controller.summary()["tasks"]          a column of a table
    crew.monitor("local").workers               a method of a monitor
    $ crew clean                                a command

Every such name is looked up; every public name must be in some row. Run with --check
to write nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "reference" / "parity"
PAGE = ROOT / "docs" / "reference" / "parity.md"

FILES = ("crew", "classes", "groups", "cluster", "aws_batch", "mirai", "rush", "ours")
"""In the order of the page."""

DOORS = {
    "crew_core": "crew",
    "crew_core.plugins": "crew.plugins",
    "crew_core.services": "crew.services",
    "crew_core.testing": "crew.testing",
    "crew_rush": "crew_rush",
}
INNER = {
    "crew.Controller.client": "crew_core._client.client:Client",
    "crew.Controller.launcher": "crew_core._launcher.base:Launcher",
    'crew.monitor("local")': "crew_core._launcher.local_monitor:LocalMonitor",
    "crew.Controller.executor()": "crew_core._controller.executor:ControllerExecutor",
    "crew_rush.Rush.start_workers": "crew_rush._manager.starts:WorkerSettings",
}
"""What a user holds without having named its class."""

BASES = {
    "crew_rush._tasks.census:Census": "crew_rush.Rush",
    "crew_rush._tasks.tasks:Tasks": "crew_rush.Rush",
}
"""Classes without a public name, and who stands in rows for all that derive from them."""

TABLES = {
    "crew.Controller.summary()": "crew_core._controller.tables:CONTROLLER_SUMMARY_COLUMNS",
    "crew.Controller.client.summary()": "crew_core._client.summary:COLUMNS",
    "crew.Controller.client.resources()": "crew_core._client.resources:COLUMNS",
    "crew.plugins.Launcher.summary()": "crew_core._launcher.base:SUMMARY_COLUMNS",
    "crew.plugins.Monitor.jobs()": "crew_core._launcher.monitor:JOB_COLUMNS",
    'crew.monitor("local").workers()': "crew_core._launcher.local_monitor:COLUMNS",
}
"""Where the columns of the tables are listed."""

MADE_BY_USERS = (
    "crew.Controller",
    "crew.LaunchError",
    "crew.plugins.Launcher",
    "crew.plugins.Looks",
    "crew.services.Service",
    "crew.services.Caller",
    "crew_rush.EmbeddedStore",
    "crew_rush.Rush",
)
"""Classes whose constructor is public and no list of fields."""

NOT_CALLED = re.compile(
    r"crew\.Task\.(abandon|fail|run_callbacks|settle|take_callbacks)\b"
    r"|crew\.testing\.(Launcher|Platform)Conformance\."
)
"""What is called by crew itself, or by pytest, only."""

COMMAND = re.compile(r"\$ crew ([\w-]+)")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    original: str
    here: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Section:
    """A heading and the rows below it."""

    title: str
    about: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Chapter:
    """One file of the data."""

    title: str
    about: str
    sections: tuple[Section, ...]


@dataclass
class Surface:
    """Every name that a row may use, and what it stands for.

    Attributes:
        names: the way to write it; two ways may stand for one thing.
        public: the things that must be in some row.
    """

    names: dict[str, str] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)

    def add(self, name: str, thing: str | None = None, *, public: bool = True) -> None:
        """Add a name, for a thing of another name when one is given."""
        self.names[name] = thing or name
        if public and thing is None and not NOT_CALLED.match(name):
            self.public.add(name)


# ── The data ─────────────────────────────────────────────────────────────────────────────────────


def read() -> list[Chapter]:
    """All chapters, in the order of the page."""
    found = {path.stem for path in DATA.glob("*.toml")}
    return [_chapter(DATA / f"{name}.toml") for name in FILES if name in found]


def _chapter(path: Path) -> Chapter:
    data = tomllib.loads(path.read_text("utf-8"))
    return Chapter(data["title"], data["about"], tuple(_section(part) for part in data["section"]))


def _section(part: dict[str, Any]) -> Section:
    rows = [row for each in part["rows"] for row in _rows(*each)]
    return Section(part["title"], part.get("about", ""), tuple(rows))


def _rows(originals: str | list[str], here: str | list[str], note: str = "") -> list[Row]:
    names = tuple(name for name in ([here] if isinstance(here, str) else here) if name)
    each = [originals] if isinstance(originals, str) else originals
    return [Row(original, names, note) for original in each]


# ── What there is ────────────────────────────────────────────────────────────────────────────────


def surface() -> Surface:
    """Look at the packages, installed or not."""
    with _importable(sorted((ROOT / "packages").glob("*/src"))):
        return _surface()


@contextmanager
def _importable(folders: list[Path]) -> Iterator[None]:
    kept = list(sys.path)
    sys.path += map(str, folders)
    try:
        yield
    finally:
        sys.path[:] = kept


def _surface() -> Surface:
    found = Surface()
    kinds: dict[type, str] = {}
    seen: dict[int, str] = {}
    for door, prefix in DOORS.items():
        module = import_module(door)
        for name in module.__all__:
            thing = getattr(module, name)
            written = f"{prefix}.{name}"
            known = seen.setdefault(id(thing), written)
            found.add(written, None if known == written else known)
            if inspect.isclass(thing):
                kinds.setdefault(thing, known)
            elif inspect.isfunction(thing):
                _add_parameters(found, written, thing)
    bases = {_load(place): written for place, written in BASES.items()}
    for kind, written in kinds.items():
        _add_members(found, written, kind, bases | kinds)
    for written, place in INNER.items():
        _add_members(found, written, _load(place), kinds, public="monitor" in written)
    for written, place in TABLES.items():
        for column in _load(place):
            found.add(f'{written}["{column}"]')
    _add_options(found)
    _add_plugins(found)
    _add_commands(found)
    return found


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _add_members(
    found: Surface, written: str, kind: type, kinds: dict[type, str], *, public: bool = True
) -> None:
    for name in _fields(kind):
        found.add(f"{written}.{name}", public=public)
        found.add(f"{written}({name}=)", f"{written}.{name}")
    for name in _constants(kind):
        found.add(f"{written}.{name}", public=public)
    if written in MADE_BY_USERS:
        _add_parameters(found, written, kind)
    for name, member in _members(kind):
        home = next((k for k in reversed(kind.__mro__) if name in vars(k) and k in kinds), kind)
        known = f"{kinds.get(home, written)}.{name}"
        found.add(
            f"{written}.{name}", None if known == f"{written}.{name}" else known, public=public
        )
        if inspect.isfunction(member):
            _add_parameters(found, f"{written}.{name}", member, known, public=public)


def _fields(kind: type) -> list[str]:
    """The fields of a data class, ours or msgspec's; of others none."""
    if dataclasses.is_dataclass(kind):
        return [each.name for each in dataclasses.fields(kind)]
    return list(getattr(kind, "__struct_fields__", ()))


def _constants(kind: type) -> list[str]:
    """What a class says of itself that no base of it says already."""
    inherited = {name for base in kind.__mro__[1:] for name in vars(base)}
    said = vars(kind).get("__annotations__", {})
    return [
        name
        for name, annotation in said.items()
        if str(annotation).startswith("ClassVar") and name[0] != "_" and name not in inherited
    ]


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that crew itself defines in a class or its bases."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("crew_")]
    for name in dict.fromkeys(name for base in ours for name in vars(base)):
        member = inspect.getattr_static(kind, name)
        if not name.startswith("_") and (
            inspect.isfunction(member) or isinstance(member, property)
        ):
            yield name, member


def _add_parameters(
    found: Surface, written: str, function: Any, known: str | None = None, *, public: bool = True
) -> None:
    for parameter in inspect.signature(function).parameters.values():
        plain = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if plain and parameter.name != "self":
            name = f"{written}({parameter.name}=)"
            # What a group's method has in common with a controller's is said once.
            single = name.replace("crew.ControllerGroup.", "crew.Controller.")
            shared = single != name and single in found.names
            other = single if shared else f"{known or written}({parameter.name}=)"
            found.add(name, other if other != name else None, public=public)


def _add_options(found: Surface) -> None:
    """The flat options of a controller, which stand for those of the classes."""
    groups = (
        "ClientOptions",
        "LogOptions",
        "NetworkOptions",
        "RetryOptions",
        "ScalingOptions",
        "WorkerOptions",
    )
    for group in groups:
        for name in _fields(getattr(import_module("crew_core"), group)):
            found.add(f"crew.controller({name}=)", f"crew.{group}.{name}")
    for name in _fields(_load("crew_core._launcher.local:LocalLauncher").Options):
        found.add(f'crew.controller("local", {name}=)')


def _add_plugins(found: Surface) -> None:
    """The options of launchers and monitors in this repository's other packages."""
    for path in sorted((ROOT / "packages").glob("*/src/*/_plugin.py")):
        hooks = import_module(f"{path.parent.name}._plugin")
        kinds = {"controller": hooks.crew_launchers(), "monitor": hooks.crew_monitors()}
        for maker, places in kinds.items():
            for name, place in places.items():
                for option in _fields(_load(place).Options):
                    found.add(f'crew.{maker}("{name}", {option}=)', public=False)


def _add_commands(found: Surface) -> None:
    commands = _load("crew_core._cli.app:app").commands
    for name in (*commands, "worker"):
        found.add(f"$ crew {name}", public=False)


# ── Judgement ────────────────────────────────────────────────────────────────────────────────────


def problems(chapters: Iterable[Chapter], there: Surface) -> list[str]:
    """What is wrong with the rows, and which public names are in none."""
    found = []
    covered = set()
    for chapter in chapters:
        for section in chapter.sections:
            place = f"{chapter.title}, {section.title}"
            found += _doubles(place, section)
            for row in section.rows:
                if not row.here and not row.note:
                    found.append(f"{place}: {row.original}: neither a name here nor a reason")
                for name in row.here:
                    known = there.names.get(name, name)
                    covered |= {known, known.partition("(")[0]}
                    if name not in there.names:
                        found.append(f"{place}: {row.original}: there is no {name}")
    missing = sorted(there.public - covered)
    return found + [f"{name}: public, but in no row of docs/reference/parity" for name in missing]


def _doubles(place: str, section: Section) -> list[str]:
    originals = [row.original for row in section.rows]
    doubles = sorted({name for name in originals if name and originals.count(name) > 1})
    return [f"{place}: {name}: two rows" for name in doubles]


# ── The page ─────────────────────────────────────────────────────────────────────────────────────


def page(chapters: list[Chapter]) -> str:
    """The page as Markdown."""
    rows = [row for chapter in chapters for section in chapter.sections for row in section.rows]
    lines = [
        "# From crew for R to crew for Python",
        "",
        "<!-- Written by scripts/parity.py from docs/reference/parity/*.toml. Edit those. -->",
        "",
        "What crew, crew.cluster, crew.aws.batch and rush for R offer, today and in earlier",
        "releases, and what their users meet of mirai: each function, method, field, argument and",
        "column, what it is called here, or why it is not. The names in the middle are checked",
        "against the code.",
        "",
        f"{len(rows)} rows. `crew` stands for `crew_core`, as in `import crew_core as crew`.",
        "",
    ]
    for chapter in chapters:
        lines += [f"## {chapter.title}", "", *_paragraph(chapter.about)]
        for section in chapter.sections:
            lines += [f"### {section.title}", "", *_paragraph(section.about)]
            lines += ["| original | here | note |", "| --- | --- | --- |"]
            lines += [_line(row) for row in section.rows]
            lines.append("")
    return "\n".join(lines)


def _paragraph(text: str) -> list[str]:
    return [text.strip(), ""] if text else []


def _line(row: Row) -> str:
    original = f"`{row.original}`" if row.original else "—"
    here = "<br>".join(f"`{name}`" for name in row.here)
    cells = (original, here or "—", row.note)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    """Write the page, or with --check only look; print what is wrong; return the exit code."""
    parser = argparse.ArgumentParser(description="Write and check docs/reference/parity.md.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    chapters, there = read(), surface()
    found = problems(chapters, there)
    text = page(chapters)
    if check and (not PAGE.exists() or PAGE.read_text("utf-8") != text):
        found.append(f"{PAGE.relative_to(ROOT)} is stale: run python scripts/parity.py")
    if not check:
        PAGE.write_text(text, "utf-8")
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
