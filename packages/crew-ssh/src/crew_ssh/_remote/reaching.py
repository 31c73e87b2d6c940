"""Finds out which addresses can be reached from a host."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence


def reachable(addresses: Sequence[tuple[str, int]], seconds: float) -> list[list[object]]:
    """Those where somebody listens, in the given order. All are tried at the same time."""
    found = [False] * len(addresses)

    def attempt(index: int, host: str, port: int) -> None:
        with contextlib.suppress(OSError):
            socket.create_connection((host, port), seconds).close()
            found[index] = True

    threads = [
        threading.Thread(target=attempt, args=(index, host, int(port)), daemon=True)
        for index, (host, port) in enumerate(addresses)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * seconds)
    return [list(address) for index, address in enumerate(addresses) if found[index]]
