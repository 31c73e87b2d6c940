"""The worker's side of the conversation with the dispatcher: hello, frames, heartbeats, silence."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crew_core._wire import codec, messages
from crew_core._wire.link import Link, LinkBrokenError, is_opening, read_opening
from crew_core._wire.transport import Dialer

log = logging.getLogger("crew.worker")

BEAT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
TELL_SECONDS = 0.01
"""How long an order may stay unacknowledged when no outcome goes out that tells of it."""


class Conversation:
    """Keeps in touch with the dispatcher, across broken connections.

    Args:
        dialer: the connection.
        hello: makes this worker's first words; called for each new connection.
        now: the time.
    """

    def __init__(self, dialer: Dialer, hello: Callable[[], messages.Hello], now: float) -> None:
        self.dialer = dialer
        self._hello = hello
        self._link = Link(window=None)
        self._open = False
        self._beat_seconds = BEAT_SECONDS
        self._last_heard = self._last_sent = now
        self._tell_at: float | None = None
        self._unsent: list[bytes] = []

    def set_heartbeat(self, seconds_heartbeat: float) -> None:
        """Beat often enough for a dispatcher that gives us up after so many silent seconds."""
        self._beat_seconds = min(BEAT_SECONDS, seconds_heartbeat / 3)

    @property
    def settled(self) -> bool:
        """True when the dispatcher has everything we said."""
        return self._link.idle and not self._unsent

    def say(self, message: messages.FromWorker, now: float) -> None:
        """Send a message, now or when the connection is back."""
        self._link.post(codec.encode(message))
        self.push(now)

    def listen(self, now: float) -> list[messages.ToWorker]:
        """What the dispatcher said since the last call. A broken connection is dialled again."""
        for came in self.dialer.changes():
            self._open = False
            self._unsent.clear()
            if came:
                opening = self._link.opening(codec.encode(self._hello()))
                self._unsent.append(opening)
        heard: list[messages.ToWorker] = []
        try:
            for frame in self.dialer.receive():
                heard += self._take(frame, now)
        except (LinkBrokenError, codec.MalformedMessageError) as error:
            log.warning("dropped a malformed frame from the dispatcher: %s", error)
            self.dialer.hang_up()
            self._open = False
        self.push(now)
        return heard

    def push(self, now: float) -> None:
        """Send what can be sent."""
        if self._open:
            frames = self._link.outgoing()
            if frames:
                self._unsent += frames
            elif self._is_time_to_tell(now):
                acknowledgement = self._link.acknowledgement()
                self._unsent += [] if acknowledgement is None else [acknowledgement]
                self._last_sent = now
        while self._unsent:
            if not self.dialer.send(self._unsent[0]):
                return
            self._unsent.pop(0)
            self._last_sent = now
            self._tell_at = None

    def next_time(self) -> float:
        """When ``listen`` has something to do at the latest."""
        if self._unsent:
            return self._last_sent + TELL_SECONDS
        beat = self._last_sent + self._beat_seconds
        told = float("inf") if self._tell_at is None else self._tell_at
        return min(beat, told, self.dialer.next_time())

    def silent_for(self, now: float) -> float:
        """Seconds since the dispatcher was last heard."""
        return now - self._last_heard

    @property
    def last_heard(self) -> float:
        """When the dispatcher was last heard."""
        return self._last_heard

    @property
    def connected(self) -> bool:
        """True between a welcome and the connection's end."""
        return self._open

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _take(self, frame: bytes, now: float) -> list[messages.ToWorker]:
        self._last_heard = now
        if is_opening(frame):
            return [self._take_opening(frame)]
        if not self._open:
            return []  # a straggler of the last connection; it is sent again
        payloads = self._link.accept(frame)
        if self._link.untold and self._tell_at is None:
            # The rest of a large order waits until the dispatcher hears of this part.
            self._tell_at = now + (TELL_SECONDS if payloads else 0.0)
        return [codec.decode_to_worker(payload) for payload in payloads]

    def _take_opening(self, frame: bytes) -> messages.ToWorker:
        acknowledged, payload = read_opening(frame)
        message = codec.decode_to_worker(payload)
        if isinstance(message, messages.Welcome):
            self._link.restart(acknowledged)
            self._open = True
        return message

    def _is_time_to_tell(self, now: float) -> bool:
        owed = self._tell_at is not None and now >= self._tell_at
        return owed or now - self._last_sent >= self._beat_seconds
