"""Writes the pages of docs/reference that are made from the code, and checks that they are.

launchers.md, configuration.md, errors.md, hooks.md and command-line.md: from options, errors,
hooks and commands as they are installed here, all packages together. Run with --check to write
nothing, and to fail when a page is not what the code says.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import crew_core as crew
from crew_core._cli.app import app
from crew_core._plugins import hookspecs
from crew_core._plugins.registry import find_launcher, launchers

PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py from the code. Change that, and run it. -->\n"
GROUPS = (
    ("ClientOptions", "The controller's own side"),
    ("WorkerOptions", "Workers"),
    ("ScalingOptions", "How many workers"),
    ("RetryOptions", "Tasks whose worker crashed"),
    ("NetworkOptions", "Network"),
    ("LogOptions", "Logs"),
)
PLATFORMS = {
    "local": "processes of this computer",
    "sequential": "the calling process itself, for debugging",
    "slurm": "jobs of SLURM",
    "sge": "jobs of Grid Engine",
    "pbs": "jobs of PBS Pro and OpenPBS",
    "torque": "jobs of TORQUE, and of SLURM behind TORQUE's commands",
    "lsf": "jobs of LSF",
    "aws_batch": "jobs of AWS Batch",
    "ssh": "processes on hosts that are reached by SSH",
}


def configuration() -> str:
    """The options of all controllers."""
    parts = [
        "# Options of every controller",
        "",
        "Keywords of `crew.controller(...)`, and keys of a table `[controllers.NAME]`, with any",
        "launcher. Keywords win over the file. Times are seconds unless a name says otherwise;",
        "`inf` is infinity, in TOML as well.",
        "",
        "## Where configuration is looked for",
        "",
        "The first of these that describes `NAME` decides about it:",
        "",
        "1. the file that `$CREW_CONFIG` names",
        "2. `crew.toml` in the working directory or the nearest folder above it",
        "3. `[tool.crew]` of the nearest `pyproject.toml`",
        "4. `crew/crew.toml` in `$XDG_CONFIG_HOME`, or else in `~/.config`",
    ]
    for name, title in GROUPS:
        parts += ["", f"## {title}", "", *table(getattr(crew, name))]
    return page(parts)


def launcher_page() -> str:
    """The options of every launcher."""
    parts = [
        "# Launchers and their options",
        "",
        "Beside [the options of every controller](configuration.md). Options marked (steps) may be",
        "lists: the launch after a worker's death takes the next value.",
    ]
    for info in (info for info in launchers() if info.name in PLATFORMS):
        kind = find_launcher(info.name)
        about = PLATFORMS[info.name]
        parts += ["", f"## {info.name}", "", f"Workers are {about}. Comes with `{info.package}`."]
        limit = f"{kind.seconds_launch_default:g}"
        parts += [
            f"A worker may take {limit} s to connect, unless `seconds_launch` says otherwise."
        ]
        if dataclasses.fields(kind.Options):
            parts += ["", *table(kind.Options)]
        else:
            parts += ["", "It has no options of its own."]
    return page(parts)


def errors() -> str:
    """The tree of errors, and what each means."""
    from crew_core._model import errors as module

    doc = inspect.getdoc(module) or ""
    tree = doc[doc.index("    CrewError") :].split("\n\n")[0]
    parts = ["# Errors", "", "All derive from `crew.CrewError`.", "", "```text"]
    parts += [inspect.cleandoc("\n" + tree), "```"]
    kinds = [getattr(crew, name) for name in crew.__all__ if name.endswith(("Error", "Warning"))]
    for kind in kinds:
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        parts += ["", f"## {kind.__name__}", "", f"From {bases}. {summary(kind)}"]
        attributes = described(kind)
        if attributes:
            parts += ["", *(f"- `{name}`: {text}" for name, text in attributes.items())]
    return page(parts)


def hooks() -> str:
    """What a plugin may implement."""
    parts = [
        "# Hooks",
        "",
        "Functions that a plugin marks with `crew_core.plugins.hookimpl`, in the module that its",
        "entry point of the group `crew` names. Two register classes; the others observe. An",
        "observer is called in crew's own threads and should return at once; what it raises is",
        "logged and ignored. Arguments that it does not want it may leave out.",
        "",
        "| hook | |",
        "| --- | --- |",
    ]
    for name, hook in vars(hookspecs).items():
        if name.startswith("crew_") and inspect.isfunction(hook):
            arguments = ", ".join(inspect.signature(hook).parameters)
            parts.append(f"| `{name}({arguments})` | {cell(summary(hook))} |")
    return page(parts)


def commands() -> str:
    """The command line."""
    parts = [
        "# Command line",
        "",
        "`crew`, or `python -m crew_core`. People see tables, pipes get plain columns, and with",
        "`--json` there is JSON. Errors are one line on standard error.",
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        "| 0 | done |",
        "| 1 | what was looked at is not as it should be (`doctor`, `certify`) |",
        "| 2 | the call or the configuration is wrong |",
        "| 3 | crew or a platform could not do it |",
        "| 130 | interrupted |",
    ]
    for name, command in sorted(app.commands.items()):
        context = click.Context(command, info_name=f"crew {name}", terminal_width=80)
        parts += ["", f"## crew {name}", "", "```text", command.get_help(context), "```"]
    parts += ["", "## crew worker", "", "What launch commands run on a worker's machine."]
    return page(parts)


def table(kind: type) -> list[str]:
    """A row per field of a dataclass of options, with its default and its meaning."""
    meanings = described(kind)
    rows = ["| option | default | meaning |", "| --- | --- | --- |"]
    for field in dataclasses.fields(kind):
        default = cell(f"`{value(default_of(field))}`")
        rows.append(f"| `{field.name}` | {default} | {cell(meanings[field.name])} |")
    return rows


def described(kind: type) -> dict[str, str]:
    """What the docstrings of a class and of those it derives from say of attributes."""
    found: dict[str, str] = {}
    for home in reversed(kind.__mro__):
        if home.__module__.startswith("crew_"):
            found |= dict(attributes_of(home.__dict__.get("__doc__") or ""))
    return found


def attributes_of(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and texts below "Attributes:"."""
    text = inspect.cleandoc(docstring)
    begin = re.search(r"^Attributes:\n", text, re.MULTILINE)
    if begin is None:
        return
    block = re.split(r"\n(?=\S)", text[begin.end() :])[0]
    for entry in re.split(r"\n(?=    \S)", block):
        name, _, meaning = entry.strip().partition(":")
        yield name, " ".join(meaning.split())


def default_of(field: dataclasses.Field[Any]) -> object:
    """What a field is when nobody says anything."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return "required" if field.default is dataclasses.MISSING else field.default


def value(default: object) -> str:
    """A default as people write it."""
    if default is None:
        return "None"
    if isinstance(default, float) and math.isinf(default):
        return "inf"
    if isinstance(default, float):
        return f"{default:g}"
    return repr(list(default) if isinstance(default, tuple) else default)


def summary(thing: Any) -> str:
    """The first paragraph of a docstring."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("``", "`").replace("|", "\\|").replace("**", "\\*\\*")


def page(parts: list[str]) -> str:
    """A whole page."""
    return MADE + "\n" + "\n".join(parts) + "\n"


FILES: dict[str, Callable[[], str]] = {
    "command-line.md": commands,
    "configuration.md": configuration,
    "errors.md": errors,
    "hooks.md": hooks,
    "launchers.md": launcher_page,
}


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    for name, make in FILES.items():
        path = PAGES / name
        text = make()
        if check and (not path.is_file() or path.read_text("utf-8") != text):
            stale.append(name)
        elif not check:
            path.write_text(text, "utf-8")
    if stale:
        print(f"not what the code says: {', '.join(stale)}. Run: python scripts/reference.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
