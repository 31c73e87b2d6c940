"""A service: doors, the callers that came in, and one function that answers them.

::

    unix socket ─► thread ─┐
                           ├─► one at a time: answer(requests) ─► replies
    TLS port ────► thread ─┘
"""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from crew_core._model.errors import ConfigError
from crew_core._service.keys import ServiceKeys
from crew_core._service.opening import PROTOCOL, Entry, Knock, Refusal, read_knock
from crew_core._service.reading import reading
from crew_core._wire import codec
from crew_core._wire.link import Link, LinkBrokenError, is_opening, read_opening
from crew_core._wire.local import SCHEME, LocalListener
from crew_core._wire.network.door import PortError, make_url, open_door
from crew_core._wire.network.listener import TcpListener
from crew_core._wire.transport import Listener

NUMBER = 8
"""Bytes of the number that a request and its reply begin with."""

_TURN_SECONDS = 0.5

Answer = Callable[[Sequence[bytes]], Sequence[bytes]]


class Service:
    """Answers requests of whoever has a pass. Callers wait for their replies.

    Args:
        answer: gives the replies to some requests that have come, in their order. Called from one
            thread at a time. It must not raise.
        keys: tell who may come in.

    Example::

        >>> import tempfile
        >>> from crew_core.services import Caller, Service, ServiceKeys
        >>> keys = ServiceKeys.make()
        >>> service = Service(lambda requests: [r.upper() for r in requests], keys)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     url = service.listen_here(f"{folder}/socket")
        ...     caller = Caller(keys.pass_to(url))
        ...     print(caller.call(b"hello"))
        ...     caller.close()
        ...     service.close()
        b'HELLO'
    """

    def __init__(self, answer: Answer, keys: ServiceKeys) -> None:
        self._answer = answer
        self._keys = keys
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def listen_here(self, path: str | os.PathLike[str]) -> str:
        """Let in this user's processes on this computer; the URL.

        Args:
            path: of the socket, in a directory that is private to the user. What is there is
                replaced.

        Example::

            >>> import tempfile
            >>> from crew_core.services import Service, ServiceKeys
            >>> service = Service(lambda requests: requests, ServiceKeys.make())
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     service.listen_here(f"{folder}/socket").startswith("unix://")
            ...     service.close()
            True
        """
        Path(path).unlink(missing_ok=True)
        self._start(LocalListener(path))
        return SCHEME + os.fspath(path)

    def listen_abroad(self) -> tuple[str, int]:
        """Let in those of other computers who prove who they are; the URL and the port.

        Raises:
            ConfigError: the keys are not made for a network, or no port can be opened.

        Example::

            >>> from crew_core.services import Service, ServiceKeys
            >>> keys = ServiceKeys.make(crew.NetworkOptions(host="127.0.0.1"))
            >>> service = Service(lambda requests: requests, keys)
            >>> url, port = service.listen_abroad()
            >>> url == f"tls+tcp://127.0.0.1:{port}"
            True
            >>> service.close()
        """
        settings = self._keys.settings
        if settings is None:
            raise ConfigError("this service has no keys for a network: make them with network=")
        try:
            door = open_door(settings.host, settings.port_low, settings.port_high)
        except PortError as error:
            raise ConfigError(str(error)) from None
        port = int(door.getsockname()[1])
        context = None
        if settings.identity is not None:
            from crew_core._wire.network.tls import server_context

            context = server_context(settings.identity)
        self._start(TcpListener(door, context))
        return make_url(settings.advertised, port, tls=context is not None), port

    def close(self) -> None:
        """Close every door and connection. Returns within a second.

        Example::

            >>> from crew_core.services import Service, ServiceKeys
            >>> Service(lambda requests: requests, ServiceKeys.make()).close()
        """
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _start(self, listener: Listener) -> None:
        desk = _Desk(listener, self._answer, self._keys.secret)
        thread = threading.Thread(
            target=self._serve, args=(desk,), name="crew-service", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _serve(self, desk: _Desk) -> None:
        while not self._closing.is_set():
            ready = desk.wait(_TURN_SECONDS)
            with self._lock:
                desk.turn(ready)
        with self._lock:
            desk.close()


class _Desk:
    """One door and its callers."""

    def __init__(self, listener: Listener, answer: Answer, secret: str) -> None:
        self._listener = listener
        self._answer = answer
        self._secret = secret
        self._links: dict[int, Link] = {}  # of those who were let in

    def wait(self, seconds: float) -> list[int]:
        due = self._listener.next_time() - time.monotonic()
        events = self._listener.selector.select(max(0.0, min(seconds, due)))
        return [key.data for key, _ in events]

    def turn(self, ready: list[int]) -> None:
        """Take what has come, answer it, and send what can be sent."""
        asked: list[tuple[int, bytes]] = []
        spoke: set[int] = set()
        with reading:
            arrived = self._listener.receive(ready)
        for pipe, frame in arrived:
            spoke.add(pipe)
            try:
                asked += [(pipe, request) for request in self._hear(pipe, frame)]
            except (LinkBrokenError, codec.MalformedMessageError) as error:
                self._listener.refuse(pipe, f"not a caller: {error}")
        self._reply(asked)
        self._listener.complaints()
        for pipe in self._listener.lost():
            self._links.pop(pipe, None)
        for pipe in spoke.union(self._listener.drained()):
            self._push(pipe)

    def close(self) -> None:
        self._listener.close()

    def _hear(self, pipe: int, frame: bytes) -> list[bytes]:
        link = self._links.get(pipe)
        if link is not None:
            requests = link.accept(frame)
            if not requests:  # a sign of life, or part of something large
                self._listener.send(pipe, link.acknowledgement())
            return requests
        if not is_opening(frame):
            raise LinkBrokenError("it does not begin with an opening")
        self._let_in(pipe, read_knock(read_opening(frame)[1]))
        return []

    def _let_in(self, pipe: int, knock: Knock) -> None:
        link = Link()
        why = self._objection(knock)
        if why is not None:
            self._listener.send(pipe, link.opening(codec.encode(Refusal(why))))
            self._listener.refuse(pipe, why)
            return
        self._listener.admit(pipe)
        self._links[pipe] = link
        self._listener.send(pipe, link.opening(codec.encode(Entry())))

    def _objection(self, knock: Knock) -> str | None:
        if knock.protocol != PROTOCOL:
            return f"its protocol is {knock.protocol}, not {PROTOCOL}: install one version of crew"
        if not hmac.compare_digest(knock.secret.encode(), self._secret.encode()):
            return "its secret is not the one of this service"
        return None

    def _reply(self, asked: list[tuple[int, bytes]]) -> None:
        if not asked:
            return
        replies = self._answer([request[NUMBER:] for _, request in asked])
        for (pipe, request), reply in zip(asked, replies, strict=True):
            link = self._links.get(pipe)
            if link is not None:
                link.post(request[:NUMBER] + reply)

    def _push(self, pipe: int) -> None:
        link = self._links.get(pipe)
        if link is None:
            return
        while self._listener.has_room(pipe) and (frame := link.next_frame()) is not None:
            self._listener.send(pipe, frame)
