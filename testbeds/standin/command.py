"""What every command of a stand-in does: it hands its arguments to the server, and its answer on.

It is started for each call, so it imports little.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from testbeds.standin.when_down import when_down

SOCKET = "server.sock"


def main(kind: str, program: str, place: str) -> int:
    """Run one command; its exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while True:
        connection = _connect(place)
        if connection is None:
            code = when_down(kind, program, sys.argv[1:], place)
            if code is not None:
                return code
            time.sleep(0.5)
            continue
        with connection:
            answer = _talk(connection, program, sys.argv[1:])
        if answer is None:  # it went down in the middle
            continue
        time.sleep(answer["delay_seconds"])
        if answer["helper_seconds"]:
            _leave_helper(place, answer["helper_seconds"])
        _write(1, answer["out"])
        _write(2, answer["err"])
        return int(answer["code"])


def _connect(place: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"{place}/{SOCKET}")
    except OSError:
        connection.close()
        return None
    return connection


def _talk(
    connection: socket.socket, program: str, arguments: Sequence[str]
) -> dict[str, Any] | None:
    try:
        folder = os.getcwd()
    except OSError:
        folder = "/nonexistent"
    request = {
        "program": program,
        "argv": [os.fsencode(argument).decode("latin-1") for argument in arguments],
        "env": {
            os.fsencode(name).decode("latin-1"): os.fsencode(value).decode("latin-1")
            for name, value in os.environ.items()
        },
        "cwd": folder,
    }
    with connection.makefile("rwb") as stream:
        try:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            while line := stream.readline():
                answer: dict[str, Any] = json.loads(line)
                if "code" in answer:
                    return answer
                if "say" in answer:
                    _write(1, answer["say"])
                if answer.get("wants") == "stdin":
                    with open(0, "rb", closefd=False) as given:
                        text = given.read().decode("latin-1")
                    stream.write(json.dumps(text).encode() + b"\n")
                    stream.flush()
        except OSError:
            return None
    return None


def _leave_helper(place: str, seconds: float) -> None:
    """Stay for some time as a process of the user that keeps all descriptors it inherited."""
    if os.fork() != 0:
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    connection = _connect(place)
    if connection is not None:
        connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            connection.recv(1)  # it ends with the testbed at the latest
    os._exit(0)


def _write(descriptor: int, text: str) -> None:
    left = text.encode("latin-1")
    while left:
        left = left[os.write(descriptor, left) :]
