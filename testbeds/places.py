"""Where testbeds keep their state, and which ports are free; so that two clones do not collide."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import socket
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from testbeds.errors import BedError

_CLONE = Path(__file__).resolve().parents[1]
_PORTS = range(20000, 32000)  # below those that systems give to whoever asks for any
_GIVEN = "ports.json"
_SECONDS_GIVEN = 600.0  # so long, at most, takes who is given a port until it listens there


def root() -> Path:
    """This user's folder for all testbeds; paths in it are short, for there are sockets."""
    return Path(f"/var/tmp/crew-testbeds-{os.getuid()}")


def software() -> Path:
    """Where unpacked packages stay from one time to the next."""
    return root() / "software"


def place_of(bed: str, label: str) -> Path:
    """The folder of one testbed of this clone."""
    name = hashlib.sha256(f"{_CLONE}\n{label}".encode()).hexdigest()[:8]
    return root() / f"{bed}-{name}"


def left_behind(bed: str) -> list[Path]:
    """The folders of all testbeds of a kind, of every clone."""
    return [path for path in root().glob(f"{bed}-????????") if path.is_dir()]


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Let nobody else make or clear away a folder meanwhile.

    Raises:
        BedError: the folder of all testbeds is somebody else's.
    """
    root().mkdir(parents=True, exist_ok=True)
    if root().stat().st_uid != os.getuid():
        raise BedError(f"{root()} belongs to somebody else: have it removed")
    with (root() / "places.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_ports(count: int) -> list[int]:
    """Ports in a row that nobody listens on, nor will soon: no other bed was given them lately.

    Raises:
        BedError: the folder of all testbeds is somebody else's.
    """
    with locked():
        given = _given_lately()
        row = _free_row(count, given)
        new = root() / "ports.new"
        new.write_text(json.dumps([*given.items(), *((port, time.time()) for port in row)]))
        new.replace(root() / _GIVEN)
    return row


def _given_lately() -> dict[int, float]:
    """Ports that may not be listened on yet, and when they were given."""
    try:
        given = dict(json.loads((root() / _GIVEN).read_text()))
    except FileNotFoundError:
        return {}
    return {port: at for port, at in given.items() if abs(time.time() - at) < _SECONDS_GIVEN}


def _free_row(count: int, given: Collection[int]) -> list[int]:
    while True:
        first = random.choice(_PORTS)
        row = list(range(first, first + count))
        if not set(row) & set(given) and all(_is_free(port) for port in row):
            return row


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
