"""A session with a shell of this computer: what an errand needs, without any SSH."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import IO


class LocalSession:
    """A command with pipes.

    Args:
        command: for the login shell.
        shell: which one.
    """

    def __init__(self, command: str, shell: str = "sh") -> None:
        self._process = subprocess.Popen(
            [shell, "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def sendall(self, data: bytes) -> None:
        """Write to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def recv(self, size: int) -> bytes:
        """Read its standard output."""
        return _read(self._process.stdout, size)

    def recv_stderr(self, size: int) -> bytes:
        """Read its standard error."""
        return _read(self._process.stderr, size)

    def recv_exit_status(self) -> int:
        """Wait for its end."""
        return self._process.wait()

    def close(self) -> None:
        """Close its standard input, and wait for its end."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended before
            self._process.stdin.close()
        self._process.wait()


def _read(pipe: IO[bytes] | None, size: int) -> bytes:
    """What has arrived; at its end the pipe is closed, as nobody reads on."""
    assert pipe is not None
    data = os.read(pipe.fileno(), size)
    if not data:
        pipe.close()
    return data
