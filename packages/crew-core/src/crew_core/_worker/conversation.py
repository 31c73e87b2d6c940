"""The worker's side of the conversation with the dispatcher: hello, frames, heartbeats, silence."""

from __future__ import annotations

from collections.abc import Callable

from crew_core._wire import codec, messages
from crew_core._wire.link import Link, LinkBrokenError, is_opening, read_opening
from crew_core._wire.notices import warn
from crew_core._wire.transport import Dialer

BEAT_SECONDS = 5.0
SILENCE_SECONDS = 30.0


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
        self._link = Link()
        self._open = False
        self._beat_seconds = BEAT_SECONDS
        self._last_heard = self._last_sent = self._last_beat = self._broke_at = now

    def set_heartbeat(self, seconds_heartbeat: float) -> None:
        """Beat often enough for a dispatcher that gives us up after so many silent seconds."""
        self._beat_seconds = min(BEAT_SECONDS, seconds_heartbeat / 3)

    @property
    def settled(self) -> bool:
        """True when the dispatcher has everything we said."""
        return self._link.idle

    def say(self, message: messages.FromWorker, now: float) -> None:
        """Send a message, now or when the connection is back."""
        payload = codec.encode(message)
        has_room = self._open and self.dialer.has_room()
        frame = self._link.frame_now(payload) if has_room else None
        if frame is None:
            self._link.post(payload)
            self.push(now)
        elif self.dialer.send(frame):
            self._last_sent = now

    def listen(self, now: float, ready: bool) -> list[messages.ToWorker]:
        """What the dispatcher said since the last call. A broken connection is dialled again.

        Args:
            now: the time.
            ready: the selector has told of the connection.
        """
        for came in self.dialer.changes(ready):
            self._note_break(now)
            if came:
                self.dialer.send(self._link.opening(codec.encode(self._hello())))
        heard: list[messages.ToWorker] = []
        try:
            for frame in self.dialer.receive():
                heard += self._take(frame, now)
        except (LinkBrokenError, codec.MalformedMessageError) as error:
            warn(f"dropped a malformed frame from the dispatcher: {error}")
            self.dialer.hang_up()
            self._note_break(now)
        self.push(now)
        return heard

    def push(self, now: float) -> None:
        """Send what can be sent."""
        if not self._open:
            return
        link, dialer = self._link, self.dialer
        beats = now >= self._beat_due()
        if link.owes_nothing and not beats:
            return
        said = False
        while dialer.has_room() and (frame := link.next_frame()) is not None:
            said = dialer.send(frame)
        if beats or (link.owes and not said):
            if dialer.has_room():
                dialer.send(link.acknowledgement())
            # What waits for room is a sign of life, once it gets through.
            self._last_beat, said = now, True
        if said:
            self._last_sent = now

    def next_time(self) -> float:
        """When ``listen`` has something to do at the latest."""
        due = self.dialer.next_time()
        return min(due, self._beat_due()) if self._open else due

    @property
    def last_heard(self) -> float:
        """When the dispatcher was last heard."""
        return self._last_heard

    @property
    def broke_at(self) -> float:
        """When the last connection that was welcomed ended; the start, if there was none."""
        return self._broke_at

    @property
    def connected(self) -> bool:
        """True between a welcome and the connection's end."""
        return self._open

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _beat_due(self) -> float:
        """When to give a sign of life, or to ask for one: a heartbeat is all that is answered."""
        return min(self._last_sent, max(self._last_heard, self._last_beat)) + self._beat_seconds

    def _note_break(self, now: float) -> None:
        if self._open:
            self._open, self._broke_at = False, now

    def _take(self, frame: bytes, now: float) -> list[messages.ToWorker]:
        self._last_heard = now
        if is_opening(frame):
            return [self._take_opening(frame)]
        if not self._open:
            return []  # a straggler of the last connection; it is sent again
        return [messages.decode_to_worker(payload) for payload in self._link.accept(frame)]

    def _take_opening(self, frame: bytes) -> messages.ToWorker:
        acknowledged, payload = read_opening(frame)
        message = messages.decode_to_worker(payload)
        if isinstance(message, messages.Welcome):
            if not self._link.has_sent(acknowledged):
                raise LinkBrokenError("it claims to have what was never said")
            self._link.restart(acknowledged)
            self._open = True
        return message
