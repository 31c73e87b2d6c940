"""A worker's conversation with its dispatcher, of which this plays the other end."""

from __future__ import annotations

import selectors

from crew_core._wire import codec, messages
from crew_core._wire.link import Link, is_opening
from crew_core._worker.conversation import BEAT_SECONDS, SILENCE_SECONDS, Conversation

HELLO = messages.Hello(
    messages.PROTOCOL, "instance", "secret", "worker", pid=1, host="here", python="3.11"
)
WELCOME = messages.Welcome(messages.WorkerSettings("test", "1"))


class Dispatcher:
    """A dialer whose other end answers heartbeats, and says nothing else."""

    def __init__(self) -> None:
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.fileno = -1
        self._link = Link()
        self._came = [True]
        self._said: list[bytes] = []

    def changes(self, ready: bool) -> list[bool]:
        came, self._came = self._came, []
        return came

    def receive(self) -> list[bytes]:
        said, self._said = self._said, []
        return said

    def has_room(self) -> bool:
        return True

    def send(self, frame: bytes) -> bool:
        if is_opening(frame):
            self._link.restart(0)
            self._said.append(self._link.opening(codec.encode(WELCOME)))
        elif not self._link.accept(frame):
            self._said.append(self._link.acknowledgement())
        return True

    def next_time(self) -> float:
        return float("inf")

    def hang_up(self) -> None:
        """Nobody does."""

    def close(self) -> None:
        self.selector.close()


def begun() -> Conversation:
    conversation = Conversation(Dispatcher(), lambda: HELLO, 0.0)
    for _ in range(2):
        conversation.listen(0.0, True)
    assert conversation.connected
    return conversation


def test_who_has_nothing_to_say_beats() -> None:
    conversation = begun()
    for _ in range(20):
        now = conversation.next_time()
        conversation.listen(now, False)
        conversation.listen(now, True)

        assert conversation.last_heard == now <= 20 * BEAT_SECONDS
    assert conversation.settled


def test_who_says_much_and_hears_nothing_beats_all_the_same() -> None:
    conversation = begun()
    for tenth in range(1, 1000):
        now = tenth / 10
        conversation.say(messages.Returned([tenth]), now)
        if now >= conversation.next_time():
            conversation.listen(now, False)
        conversation.listen(now, True)

        assert now - conversation.last_heard < BEAT_SECONDS + 0.2
    assert now > SILENCE_SECONDS
