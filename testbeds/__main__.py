"""Brings a testbed up, turns it, and takes it down, for a person at a prompt."""

from __future__ import annotations

import argparse
import inspect
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from testbeds.bed import Bed
from testbeds.catalog import BEDS
from testbeds.errors import BedError

_TURNS = {
    "stop": "stop the scheduler's daemon; jobs go on",
    "start": "start it again",
    "refuse": "reject every submission",
    "accept": "take submissions again",
}
_HOST_TURNS = {"drain": "start no more jobs on a host", "restore": "let it have jobs again"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit code."""
    options = _parser().parse_args(arguments)
    bed_type = BEDS[options.bed]
    try:
        return _do(bed_type, options)
    except BedError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testbeds", description=__doc__)
    parser.add_argument("bed", choices=sorted(BEDS))
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="bring it up; prints what a shell needs (eval it)")
    up.add_argument("options", nargs="*", metavar="NAME=VALUE", help="see the README")
    actions.add_parser("env", help="print what a shell needs")
    actions.add_parser("status", help="say what runs")
    actions.add_parser("down", help="end everything, and leave nothing behind")
    for name, meaning in _TURNS.items():
        actions.add_parser(name, help=meaning)
    for name, meaning in _HOST_TURNS.items():
        actions.add_parser(name, help=meaning).add_argument("host")
    enter = actions.add_parser("enter", help="run a command on one of its hosts")
    enter.add_argument("host")
    enter.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def _do(bed_type: type[Bed], options: argparse.Namespace) -> int:
    if options.action == "up":
        bed = bed_type(_options(bed_type, options.options))
        bed.up()
        _print_environment(bed)
        return 0
    bed = bed_type()
    if options.action == "status":
        for name, line in bed.status().items():
            print(f"{name}: {line}")
        return 0
    if options.action == "down":
        bed.down()
        return 0
    if not bed.is_up:
        raise BedError(f"the {bed.name} testbed is not up")
    if options.action == "env":
        _print_environment(bed)
    elif options.action == "enter":
        command = [*bed.enter(options.host), *(options.command or ["bash"])]
        os.execvpe(command[0], command, {**os.environ, **bed.environment()})
    else:
        _turn(bed, options)
    return 0


def _turn(bed: Bed, options: argparse.Namespace) -> None:
    turns: dict[str, Any] = {
        "stop": bed.stop_scheduler,
        "start": bed.start_scheduler,
        "refuse": bed.refuse,
        "accept": bed.accept,
        "drain": bed.drain,
        "restore": bed.restore,
    }
    given = [options.host] if "host" in options else []
    turns[options.action](*given)


def _print_environment(bed: Bed) -> None:
    for name, value in bed.environment().items():
        print(f"export {name}={shlex.quote(value)}")


def _options(bed_type: type[Bed], given: Sequence[str]) -> Any:
    """Read NAME=VALUE by the types of the defaults."""
    known = inspect.signature(bed_type.options_type).parameters
    values: dict[str, Any] = {}
    for option in given:
        name, _, text = option.partition("=")
        if name not in known:
            raise BedError(f"{bed_type.name} has no option {name!r}; it has {', '.join(known)}")
        default = known[name].default
        if isinstance(default, bool):
            values[name] = text.lower() in ("1", "true", "yes")
        else:
            values[name] = type(default)(text)
    return bed_type.options_type(**values)


if __name__ == "__main__":
    sys.exit(main())
