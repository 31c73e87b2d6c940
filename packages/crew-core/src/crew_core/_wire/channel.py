"""NNG connections between the dispatcher and workers on the same computer; see ``transport``.

The only module that imports pynng. NNG is not fork-safe, so only the dispatcher and the
supervisors, which run no user code, may import this.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque

import pynng

from crew_core._wire.link import FRAME_LIMIT

_SEND_BUFFER = 8192  # NNG's largest; frames wait here only until NNG's thread hands them to a pipe
_REDIAL_MS = 100
_REDIAL_MAX_MS = 2000


class _PipeEvents:
    """Connections that came or went, told by NNG's threads, read by our loop."""

    def __init__(self) -> None:
        self.fileno, self._write_fd = os.pipe()
        os.set_blocking(self.fileno, False)
        os.set_blocking(self._write_fd, False)
        self._events: deque[tuple[int, bool]] = deque()

    def came(self, pipe: pynng.Pipe) -> None:
        self._tell(pipe, True)

    def went(self, pipe: pynng.Pipe) -> None:
        self._tell(pipe, False)

    def _tell(self, pipe: pynng.Pipe, here: bool) -> None:
        # Called on NNG's threads: append is atomic, and a full pipe means a wake-up is due anyway.
        self._events.append((pipe.id, here))
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_fd, b"x")

    def take(self) -> list[tuple[int, bool]]:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fileno, 4096):
                pass
        events = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def close(self) -> None:
        os.close(self.fileno)
        os.close(self._write_fd)


class WorkerListener:
    """The dispatcher's end: one socket, many workers, each known by the number of its pipe."""

    window = 2  # what NNG buffers for each peer of a polyamorous socket
    seconds_reconnect = 0.0

    def __init__(self, url: str) -> None:
        self._events = _PipeEvents()
        self._pipes: dict[int, pynng.Pipe] = {}
        self._socket = pynng.Pair1(
            polyamorous=True, send_buffer_size=_SEND_BUFFER, recv_max_size=FRAME_LIMIT
        )
        self._socket.add_post_pipe_remove_cb(self._events.went)
        self._socket.listen(url)
        self.fileno: int = self._socket.recv_fd
        self.wake_fileno: int | None = self._events.fileno

    def receive(self, most: int = 512) -> list[tuple[int, bytes]]:
        """Frames that have arrived, each with the number of its pipe; at most ``most``."""
        frames = []
        for _ in range(most):
            try:
                message = self._socket.recv_msg(block=False)
            except pynng.TryAgain:
                break
            if message.pipe is not None:  # None: the pipe closed in the meantime
                self._pipes[message.pipe.id] = message.pipe
                frames.append((message.pipe.id, message.bytes))
        return frames

    def send(self, pipe_id: int, frame: bytes) -> bool:
        """Send a frame; False when that connection is gone.

        The owner's window keeps each pipe's frames within what NNG buffers for it.
        """
        pipe = self._pipes.get(pipe_id)
        if pipe is None:
            return False
        with contextlib.suppress(pynng.Closed, pynng.NNGException):
            self._socket.send_msg(pynng.Message(frame, pipe))
            return True
        return False

    def lost(self) -> list[int]:
        """Pipes that closed since the last call."""
        gone = [pipe_id for pipe_id, here in self._events.take() if not here]
        for pipe_id in gone:
            self._pipes.pop(pipe_id, None)
        return gone

    def identity(self, pipe_id: int) -> None:
        """Nothing: a private directory keeps strangers out, and a secret tells who is who."""

    def admit(self, pipe_id: int) -> None:
        """Nothing is held back from those who are not admitted yet."""

    def complaints(self) -> list[str]:
        """None: no stranger gets here."""
        return []

    def next_time(self) -> float:
        """Never: NNG's threads tell."""
        return float("inf")

    def refuse(self, pipe_id: int, why: str) -> None:  # noqa: ARG002 - told by the caller
        """Close a connection that does not behave."""
        self.hang_up(pipe_id)

    def hang_up(self, pipe_id: int) -> None:
        """Close one connection. It shows up in ``lost`` later."""
        pipe = self._pipes.get(pipe_id)
        if pipe is not None:
            with contextlib.suppress(pynng.NNGException):
                pipe.close()

    def close(self) -> None:
        """Close the socket and every connection."""
        self._socket.close()
        self._events.close()


class DispatcherDialer:
    """A worker's end: one connection, dialled again in the background whenever it breaks."""

    def __init__(self, url: str) -> None:
        self._events = _PipeEvents()
        self._socket = pynng.Pair1(recv_max_size=FRAME_LIMIT)
        self._socket.reconnect_time_min = _REDIAL_MS
        self._socket.reconnect_time_max = _REDIAL_MAX_MS
        self._socket.add_post_pipe_connect_cb(self._events.came)
        self._socket.add_post_pipe_remove_cb(self._events.went)
        self._socket.dial(url, block=False)
        self.fileno: int = self._socket.recv_fd
        self.wake_fileno: int | None = self._events.fileno

    def receive(self) -> list[bytes]:
        """Frames that have arrived."""
        frames = []
        while True:
            try:
                frames.append(self._socket.recv(block=False))
            except pynng.TryAgain:
                return frames

    def send(self, frame: bytes) -> bool:
        """Send a frame; False when the connection cannot take it now."""
        try:
            self._socket.send(frame, block=False)
        except pynng.TryAgain:
            return False
        return True

    def changes(self) -> list[bool]:
        """What happened to the connection since the last call: True came, False went."""
        return [here for _, here in self._events.take()]

    def next_time(self) -> float:
        """Never: NNG's threads tell."""
        return float("inf")

    def hang_up(self) -> None:
        """Close the present connection; another is dialled."""
        for pipe in self._socket.pipes:
            with contextlib.suppress(pynng.NNGException):
                pipe.close()

    def close(self) -> None:
        """Close for good, once what was sent has gone out."""
        self._socket.close()
        self._events.close()
