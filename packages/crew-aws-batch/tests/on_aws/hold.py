"""A task that works until a test says that it is enough, wherever it runs."""

from __future__ import annotations

import socket
from collections.abc import Callable

from testbeds.aws_batch import AwsBatchBed


class Hold:
    """Something that a task waits for, and that only a test can bring about.

    Args:
        bed: whose jobs wait.
    """

    def __init__(self, bed: AwsBatchBed) -> None:
        # Who dials is taken by nobody, and waits until nobody listens any more.
        self._listener = socket.create_server((bed.address, 0), backlog=16)
        self.task = _waiting(bed.address, self._listener.getsockname()[1])

    def release(self) -> None:
        """Let those that wait go on, and wait no more."""
        self._listener.close()


def _waiting(host: str, port: int) -> Callable[[], int]:
    def wait() -> int:
        import contextlib
        import socket

        with contextlib.suppress(OSError), socket.create_connection((host, port)) as dialed:
            dialed.recv(1)
        return 7

    return wait
