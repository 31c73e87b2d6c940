"""What a dispatcher becomes when its user's process was killed: ends the jobs that this one left.

``python -m crew_core._launcher.undertaker --controller NAME --will FILE [--once]``

With ``--once`` it tries once and prints what came of it, for ``crew clean``: the launcher's code
runs in no process of the user's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from crew_core._launcher.processes import lived_at
from crew_core._launcher.will import read_will, wills
from crew_core._model.errors import CrewError, LaunchError

SECONDS = 45.0
"""How long it tries. What is left then is found by ``crew clean``."""

_DEATH_SECONDS = 5.0  # whose end was seen by a closed connection is gone by then
_PAUSE_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_ONCE_SECONDS = 120.0

log = logging.getLogger("crew")


def command(controller: str, will: Path) -> tuple[str, ...]:
    """The command line that ends what is left of a session.

    Args:
        controller: its name, for people who read process lists.
        will: what it has written down.
    """
    module = "crew_core._launcher.undertaker"
    return (sys.executable, "-m", module, "--controller", controller, "--will", str(will))


def begin(controller: str) -> None:
    """Have jobs ended that earlier sessions of this name have left here. Does not wait."""
    for will in wills():
        here = will.host == socket.gethostname() and will.controller == controller
        if here and not lived_at(will.pid, will.made):
            argv = command(controller, will.path)
            threading.Thread(target=_run, args=(argv,), name="crew-undertaker", daemon=True).start()


def try_once(controller: str, will: Path) -> list[str]:
    """Have it done by another process, and wait; the platform's names of the jobs that were ended.

    Raises:
        LaunchError: it was not done.
    """
    argv = [*command(controller, will), "--once"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ONCE_SECONDS, check=False
        )
        told = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise LaunchError(f"no answer within {_ONCE_SECONDS:g} s") from None
    except (OSError, LookupError, ValueError) as error:
        raise LaunchError(f"the process that was to do it failed: {error}") from error
    if "error" in told:
        raise LaunchError(told["error"])
    return list(told["jobs"])


def _run(argv: Sequence[str]) -> None:
    with contextlib.suppress(OSError):  # ``crew clean`` will do it, then
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True, check=False
        )


def main() -> int:
    """End what is left, as soon as the session's process is gone."""
    parser = argparse.ArgumentParser(prog="crew undertaker")
    parser.add_argument("--controller", required=True)
    parser.add_argument("--will", required=True, type=Path)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    return _tell(options.will) if options.once else _persist(options.will)


def _tell(path: Path) -> int:
    will = read_will(path)
    try:
        told: dict[str, object] = {"jobs": [] if will is None else will.execute()}
    except CrewError as error:
        told = {"error": str(error)}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _persist(path: Path) -> int:
    began = time.monotonic()
    while (will := read_will(path)) is not None:
        passed = time.monotonic() - began
        if lived_at(will.pid, will.made):
            if passed > _DEATH_SECONDS:
                return 1  # it lives, and sees to its jobs itself
            time.sleep(_LOOK_SECONDS)
            continue
        try:
            will.execute()
        except CrewError as error:
            log.warning("%s", error)
        if passed > SECONDS:
            return 1
        time.sleep(_PAUSE_SECONDS if path.exists() else 0.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
