"""Many connections of strangers at once, that take their time."""

from __future__ import annotations

import errno
import selectors
import socket
import threading
import time

import crew_core as crew
from attacks.scene import SECONDS

DRIBBLE_SECONDS = 0.5
"""Between two bytes."""


class Crowd:
    """Connections that take their time, each replaced when it is closed.

    Args:
        address: where they go.
        most: how many at once.
        slowly: what each says: a byte at once, and others now and then.
    """

    def __init__(self, address: tuple[str, int], most: int, slowly: bytes = b"") -> None:
        self._address = address
        self._most = most
        self._slowly = slowly
        self._said: dict[socket.socket, int] = {}
        self._over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run)
        self._speak_at = 0.0
        self.came = 0

    def __enter__(self) -> Crowd:
        self._thread.start()
        crew.retry(lambda: self.came >= self._most, seconds_timeout=SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for connection in list(self._said):
            connection.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._over.is_set():
            for _ in range(min(200, self._most - len(self._said))):
                self._come()
            for key, _ in self._selector.select(0.01):
                assert isinstance(key.fileobj, socket.socket)
                self._drop(key.fileobj)
            if self._slowly:
                self._say_a_little(time.monotonic())

    def _say_a_little(self, now: float) -> None:
        all_speak = now >= self._speak_at
        if all_speak:
            self._speak_at = now + DRIBBLE_SECONDS
        for connection, said in list(self._said.items()):
            if all_speak or not said:
                self._speak(connection)

    def _come(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        if connection.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            connection.close()
            return
        self.came += 1
        self._said[connection] = 0
        self._selector.register(connection, selectors.EVENT_READ)

    def _speak(self, connection: socket.socket) -> None:
        said = self._said[connection]
        if said < len(self._slowly):
            try:
                self._said[connection] += connection.send(self._slowly[said : said + 1])
            except BlockingIOError:
                pass
            except OSError:
                self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        """The dispatcher has closed it, or said something: that is enough."""
        self._said.pop(connection)
        self._selector.unregister(connection)
        connection.close()
