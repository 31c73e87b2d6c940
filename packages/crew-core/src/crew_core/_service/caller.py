"""A caller of a service: asks, waits, and asks again when the connection has broken meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crew_core._service.errors import ServiceLostError, ServiceRefusedError
from crew_core._service.keys import Pass
from crew_core._service.opening import PROTOCOL, Knock, Refusal, read_answer
from crew_core._service.reading import reading
from crew_core._wire import codec
from crew_core._wire.link import Link, LinkBrokenError, is_opening, read_opening
from crew_core._wire.local import SCHEME, LocalDialer

if TYPE_CHECKING:
    from crew_core._wire.transport import Dialer

BEAT_SECONDS = 5.0
"""A caller that waits for so long asks for a sign of life: a connection without any is dead."""

_NUMBER = 8
_CHECK_SECONDS = 0.5


class Caller:
    """Calls a service, one request at a time; the connection is made when it is first needed.

    A request whose connection breaks is sent again on the next, so that a service may get it
    twice: requests must be such that this does no harm. Threads may share a caller, and a forked
    child may go on with it.

    Args:
        key: the pass.

    Example::

        >>> from crew_core.services import Caller, Pass
        >>> Caller(Pass(url="unix:///run/me", secret="hush"))
        <caller of 'unix:///run/me'>
    """

    _dialer: Dialer | None = None

    def __init__(self, key: Pass) -> None:
        self._pass = key
        self._begin()

    def call(
        self,
        request: bytes,
        timeout: float | None = None,
        check: Callable[[], None] | None = None,
    ) -> bytes:
        """The reply to a request.

        Args:
            request: what the service is asked.
            timeout: seconds to wait, for a service that is away as well; None: for ever.
            check: called now and then meanwhile; raises when there is no use in waiting.

        Raises:
            ServiceRefusedError: the service does not let this caller in.
            ServiceLostError: there was no reply in time.

        Example::

            >>> from crew_core.services import Caller, Pass, ServiceLostError
            >>> try:
            ...     Caller(Pass(url="unix:///no/such/socket", secret="s")).call(b"", timeout=0.1)
            ... except ServiceLostError as error:
            ...     "/no/such/socket" in str(error)
            True
        """
        if self._process != os.getpid():
            self._begin()  # the connection is our parent's
        with self._lock:
            if self._closed:
                raise ServiceLostError(f"the connection to {self._pass.url} has been closed here")
            self._clock.go_on()
            try:
                return self._ask(request, timeout, check or _no_check)
            finally:
                self._clock.rest()

    def close(self) -> None:
        """Close the connection. Later calls raise ServiceLostError.

        Example::

            >>> from crew_core.services import Caller, Pass
            >>> Caller(Pass(url="unix:///run/me", secret="hush")).close()
        """
        with self._lock:
            self._closed = True
            if self._dialer is not None and self._process == os.getpid():
                self._dialer.close()
            self._dialer = None

    def __del__(self) -> None:
        # It was not closed; a forked child leaves its parent's connection alone.
        if self._dialer is not None and self._process == os.getpid():
            self._dialer.close()

    def __repr__(self) -> str:
        return f"<caller of {self._pass.url!r}>"

    # ── One request ────────────────────────────────────────────────────────────────────────────

    def _ask(self, request: bytes, timeout: float | None, check: Callable[[], None]) -> bytes:
        self._number += 1
        number = self._number.to_bytes(_NUMBER, "big")
        payload = number + request
        if self._let_in:
            self._link.post(payload)
        deadline = None if timeout is None else time.monotonic() + timeout
        beat_at = time.monotonic() + BEAT_SECONDS
        ready = False
        while True:
            for reply in self._turn(payload, ready):
                if reply[:_NUMBER] == number:  # else to a call that was given up
                    return reply[_NUMBER:]
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise ServiceLostError(
                    f"no reply from {self._pass.url} within {timeout:g} s. Is its process running, "
                    "and can this computer reach it?"
                )
            if now >= beat_at:
                beat_at = now + BEAT_SECONDS
                self._give_sign()
            if not self._let_in:
                check()
            until = min(beat_at, now + _CHECK_SECONDS, deadline or beat_at)
            ready = self._wait(until, now)

    def _turn(self, payload: bytes, ready: bool) -> list[bytes]:
        """Move what can be moved; the replies that have come."""
        dialer = self._dialing()
        for came in dialer.changes(ready):
            self._let_in = False
            self._link = Link()
            if came:
                knock = Knock(PROTOCOL, self._pass.secret)
                dialer.send(self._link.opening(codec.encode(knock)))
        with reading:
            frames = dialer.receive()
        replies: list[bytes] = []
        try:
            for frame in frames:
                if is_opening(frame):
                    self._open(frame, payload)
                elif self._let_in:
                    replies += self._link.accept(frame)
        except (LinkBrokenError, codec.MalformedMessageError):
            dialer.hang_up()
        self._push(dialer)
        return replies

    def _open(self, frame: bytes, payload: bytes) -> None:
        answer = read_answer(read_opening(frame)[1])
        if isinstance(answer, Refusal):
            self._dialing().hang_up()
            raise ServiceRefusedError(f"{self._pass.url} turned this caller away: {answer.why}")
        self._let_in = True
        self._link.post(payload)

    def _push(self, dialer: Dialer) -> None:
        if not self._let_in:
            return
        while dialer.has_room() and (frame := self._link.next_frame()) is not None:
            dialer.send(frame)
        if self._link.owes:
            self._give_sign()

    def _give_sign(self) -> None:
        if self._let_in and self._dialing().has_room():
            self._dialing().send(self._link.acknowledgement())

    def _wait(self, until: float, now: float) -> bool:
        dialer = self._dialing()
        due = dialer.next_time() - self._clock()
        seconds = max(0.0, min(until - now, due))
        return bool(dialer.selector.select(seconds))

    # ── The connection ─────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._clock = _OwnTime()
        self._dialer = None
        self._link = Link()
        self._let_in = False
        self._closed = False
        self._number = int.from_bytes(os.urandom(4), "big")

    def _dialing(self) -> Dialer:
        if self._dialer is None:
            self._dialer = _make_dialer(self._pass, self._clock)
        return self._dialer


def _no_check() -> None:
    """There is nothing to look at."""


class _OwnTime:
    """A clock that stands still while nobody listens, when silence says nothing."""

    def __init__(self) -> None:
        self._passed = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        going = 0.0 if self._since is None else time.monotonic() - self._since
        return self._passed + going

    def go_on(self) -> None:
        self._since = time.monotonic()

    def rest(self) -> None:
        self._passed, self._since = self(), None


def _make_dialer(key: Pass, clock: _OwnTime) -> Dialer:
    if key.url.startswith(SCHEME):
        return LocalDialer(key.url[len(SCHEME) :], clock)
    from crew_core._wire.network.dialer import TcpDialer
    from crew_core._wire.network.door import split_url

    if not key.url.startswith("tls+tcp://"):
        return TcpDialer(split_url(key.url), None, clock=clock)
    from crew_core._wire.network.settings import WorkerIdentity
    from crew_core._wire.network.tls import client_context

    own = WorkerIdentity.from_text(key.identity)
    return TcpDialer(split_url(key.url), client_context(own), own.server_digest, clock)
