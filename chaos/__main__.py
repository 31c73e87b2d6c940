"""The command line: `python -m chaos`, which `nox -s chaos` runs. README.md explains it."""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from chaos.faults.catalog import FAULTS
from chaos.run import Runner

_TASKS_PER_MINUTE = 5_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _leave)
    tasks = options.tasks or int(_TASKS_PER_MINUTE * options.minutes)
    chosen = [fault for fault in FAULTS if options.only in fault.name]
    if not chosen:
        print(f"no fault has {options.only!r} in its name", file=sys.stderr)
        return 2
    _say(f"seed {options.seed}, {options.minutes:g} minutes, {tasks} tasks")
    runner = Runner(
        chosen,
        minutes=options.minutes,
        tasks=tasks,
        seed=options.seed,
        once=options.once,
        say=_say,
    )
    for row in runner.report.rows:
        if row.lacks is not None:
            _say(f"SKIPPED, because it needs {row.lacks}: {row.fault.name}")
    report = runner.run()
    _say("")
    for line in report.lines():
        _say(line)
    return 0 if report.is_well else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nox -s chaos --", description="Strike running controllers with real faults."
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--tasks", type=int, help="in all; default: 5000 a minute")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--once", action="store_true", help="each fault once, then end")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="faults that have this in their names"
    )
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, flush=True)


def _leave(signum: int, _frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that every `finally` is run."""
    sys.exit(128 + signum)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
