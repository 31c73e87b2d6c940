"""What a bench launches instead of a worker: a program that reports how it was started.

The text of this file is copied to where workers can read it and runs there, so that it may import
nothing but the standard library. It writes what it was given to ``report.json``, holds a lock for
as long as it lives, and leaves when a file tells it to, or after two minutes.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import time

LIFE_SECONDS = 120.0
"""A probe that nobody releases leaves after this long: it is never left behind for good."""


def main(folder: str, *arguments: str) -> int:
    """Report, wait to be released, and end as told."""
    with open(os.path.join(folder, "plan.json"), encoding="utf-8") as file:
        plan = json.load(file)
    os.umask(0o077)  # the report holds secrets
    if plan["stubborn"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(os.path.join(folder, "starts"), "a", encoding="ascii") as starts:
        starts.write("started\n")
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sys.stdout.write(plan["output"] + "\n")
        sys.stdout.flush()
        _report(folder, arguments)
        return _await_release(folder)


def _report(folder: str, arguments: tuple[str, ...]) -> None:
    facts = {
        "arguments": arguments,
        "environment": dict(os.environ),
        "pid": os.getpid(),
        "group": os.getpgrp(),
        "host": socket.gethostname(),
    }
    unfinished = os.path.join(folder, "report.new")
    # Bytes that are no text come as lone surrogates, which only ASCII escapes can carry.
    with open(unfinished, "w", encoding="ascii") as file:
        json.dump(facts, file)
    os.replace(unfinished, os.path.join(folder, "report.json"))


def _await_release(folder: str) -> int:
    release = os.path.join(folder, "release")
    deadline = time.monotonic() + LIFE_SECONDS
    while time.monotonic() < deadline and os.path.isdir(folder):
        if os.path.exists(release):
            with open(release, encoding="ascii") as file:
                code = int(file.read())
            if code < 0:
                os.kill(os.getpid(), -code)
            return code
        time.sleep(0.01)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
