"""The client's end of the stream: what is posted arrives whole and in order, whoever sends it."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from crew_core._client.connection import Connection
from crew_core._wire import codec, messages
from crew_core._wire.stream import StreamReader, frame


class Ends:
    """A connection, and the other end in the test's hands."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(60)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.heard: queue.Queue[messages.ToClient] = queue.Queue()
        self.connection = Connection(ours, self.heard.put, lambda _: None)
        self._reader = StreamReader(self.theirs)
        self._received: list[messages.ToDispatcher] = []

    def answer(self) -> None:
        """Say something, and wait until it was heard."""
        self.theirs.sendall(frame(codec.encode(messages.Expected(1))))
        self.heard.get(timeout=60)

    def ids(self, count: int) -> list[int]:
        """The ids of the tasks that arrive, so many of them."""
        found: list[int] = []
        while len(found) < count:
            for data in self._reader.read():
                message = messages.decode_to_dispatcher(data)
                if isinstance(message, messages.Submit):
                    found += [i for batch in message.batches for i in batch.ids]
        return found


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.connection.close()
    ends.theirs.close()


def task(task_id: int, body: bytes = b"") -> messages.Batch:
    return messages.Batch(task_id, [f"t{task_id}"], b"digest", [body])


def test_a_task_after_an_answer_is_on_its_way_when_post_returns(ends: Ends) -> None:
    for task_id in range(5):
        ends.connection.post(task(task_id))
        ends.theirs.setblocking(False)
        assert ends.ids(1) == [task_id]
        ends.theirs.settimeout(60)
        ends.answer()


def test_tasks_arrive_in_order_whether_their_caller_sent_them_or_the_thread(ends: Ends) -> None:
    def push() -> None:
        for task_id in range(3000):
            ends.connection.post(task(task_id))
            if task_id % 10 == 0:
                ends.answer()

    pusher = threading.Thread(target=push)
    pusher.start()
    assert ends.ids(3000) == list(range(3000))
    pusher.join()


def test_what_a_full_socket_does_not_take_follows_later(ends: Ends) -> None:
    for task_id in range(100):
        ends.connection.post(task(task_id, b"x" * 1000))
        ends.answer()
    ends.connection.post(task(100, b"x" * 100_000))
    assert ends.ids(101) == list(range(101))


def test_a_message_that_the_socket_took_half_of_is_completed(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sparing(socket.socket):
        def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
            return super().send(data[: len(data) // 2], flags)

    real = ends.connection._socket
    with Sparing(fileno=socket.dup(real.fileno())) as sparing:
        monkeypatch.setattr(ends.connection, "_socket", sparing)
        for task_id in range(3):
            ends.connection.post(task(task_id))
        assert ends.ids(3) == [0, 1, 2]
        monkeypatch.undo()
