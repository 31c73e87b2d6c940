"""The stream to the dispatcher: a thread that sends, a thread that receives.

Sending has a thread of its own because Ctrl-C may strike the caller at any instruction: a message
that was half sent would end the conversation. It also turns a burst of pushes into few messages.
A single task that follows upon an answer is no burst: its caller sends it, which saves the way
through the thread.
Both threads end with the connection; neither survives a fork, and ``abandon`` is all that a forked
child may call.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable

from msgspec.structs import replace

from crew_core._client.outbox import Item, Outbox, gather
from crew_core._wire import codec, messages
from crew_core._wire.stream import ConnectionLostError, StreamReader, frame, header

_JOINED_BELOW = 1 << 16
_DIRECT_BELOW = 1 << 12  # so small a message goes through whole, or not at all, on Linux


class Connection:
    """A two-way conversation with the dispatcher.

    Args:
        connection: a connected, blocking socket; owned from now on.
        on_message: called on the receiving thread with each message.
        on_lost: called once, on either thread, when the conversation is over unasked.
    """

    def __init__(
        self,
        connection: socket.socket,
        on_message: Callable[[messages.ToClient], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._socket = connection
        self._on_message = on_message
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._something = threading.Condition(self._lock)
        self._outbox = Outbox()
        self._closed = False
        self._sending = False  # the thread is at it
        self._answered = True  # something came since the last message that a caller sent himself
        self._direct = b""  # that message,
        self._written: list[int] = []  # and how much of it the socket took
        self._threads = [
            threading.Thread(target=self._receive, name="crew-receive", daemon=True),
            threading.Thread(target=self._send, name="crew-send", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def post(self, *items: Item) -> None:
        """Send, in this order, without waiting. Tasks and blobs next to each other go as one."""
        with self._lock:
            if self._may_go_directly() and len(items) == 1 and self._send_directly(items[0]):
                return
            if not self._outbox:
                self._something.notify()
            self._outbox.put(*items)

    def post_task(self, like: messages.Batch, task_id: int, name: str, body: bytes) -> None:
        """Send one task, as ``Outbox.put_task`` takes it, without waiting."""
        with self._lock:
            if self._answered and self._may_go_directly():
                task = replace(like, first=task_id, names=[name], bodies=[body])
                if self._send_directly(task):
                    return
            if not self._outbox:
                self._something.notify()
            self._outbox.put_task(like, task_id, name, body)

    def close(self) -> None:
        """End the conversation and both threads. What was posted is sent first."""
        with self._something:
            self._closed = True
            self._something.notify()
        self._threads[1].join(timeout=5.0)
        self._shut()
        if threading.current_thread() is not self._threads[0]:
            self._threads[0].join(timeout=5.0)
        self._socket.close()

    def abandon(self) -> None:
        """In a forked child: let go of the socket, so that the parent alone keeps it open."""
        self._socket.close()

    def is_receiving_thread(self) -> bool:
        """True when called, however indirectly, from ``on_message``."""
        return threading.current_thread() is self._threads[0]

    # ── By the caller, under the lock ──────────────────────────────────────────────────────────

    def _may_go_directly(self) -> bool:
        """True when no burst is on, and nothing is before what is posted now."""
        return (
            self._answered
            and not self._outbox
            and not self._sending
            and not self._closed
            and not self._is_half_sent()
        )

    def _send_directly(self, item: Item) -> bool:
        """Send tasks now, if they are small and need not wait. True when they are on their way."""
        if not isinstance(item, messages.Batch) or sum(map(len, item.bodies)) >= _DIRECT_BELOW:
            return False
        data = frame(codec.encode(messages.Submit([item], [])))
        self._answered = False
        self._written.clear()
        self._direct = data
        try:
            # For Ctrl-C this is one step: it never comes between the sending and the note of it.
            self._written.extend(map(self._socket.send, (data,), (socket.MSG_DONTWAIT,)))
        except OSError:  # no room; or the end, which the thread will find as well
            return False
        if self._is_half_sent():
            self._something.notify()
        return True

    def _is_half_sent(self) -> bool:
        return bool(self._written) and self._written[0] < len(self._direct)

    def _take_rest(self) -> bytes:
        """What is to follow the beginning of a message that was sent directly."""
        rest = self._direct[self._written[0] :] if self._is_half_sent() else b""
        self._written.clear()
        return rest

    # ── Threads ────────────────────────────────────────────────────────────────────────────────

    def _receive(self) -> None:
        reader = StreamReader(self._socket)
        # Who waits in a read is woken as well when the dispatcher takes what we have sent, in vain
        # and at the dispatcher's cost.
        watch = select.poll()
        watch.register(self._socket, select.POLLIN)
        try:
            while True:
                watch.poll()
                received = reader.read()
                self._answered = True
                for data in received:
                    self._on_message(messages.decode_to_client(data))
        except ConnectionLostError as error:
            self._lost(str(error))
        except codec.MalformedMessageError as error:
            self._lost(f"it sent something unintelligible: {error}")
        except Exception as error:
            self._lost(f"a defect in crew: {type(error).__name__}: {error}")
            raise

    def _send(self) -> None:
        while self._send_next():
            pass  # what was sent is let go of before the next wait

    def _send_next(self) -> bool:
        """Wait for something, and send it. False when it is over."""
        with self._something:
            self._sending = False
            while not self._outbox and not self._is_half_sent() and not self._closed:
                self._something.wait()
            rest = self._take_rest()
            items = self._outbox.take()
            if not items and not rest:
                return False
            self._sending = True
        try:
            if rest:
                self._socket.sendall(rest)
            for message in gather(items):
                self._send_one(codec.encode(message))
        except OSError as error:
            self._lost(str(error))
            return False
        except Exception as error:
            self._lost(f"a defect in crew: {type(error).__name__}: {error}")
            raise
        return True

    def _send_one(self, data: bytes) -> None:
        if len(data) < _JOINED_BELOW:
            self._socket.sendall(frame(data))
        else:  # to join it with its header would copy it
            self._socket.sendall(header(data))
            self._socket.sendall(data)

    def _lost(self, why: str) -> None:
        with self._lock:
            first, self._closed = not self._closed, True
            self._something.notify()
        self._shut()
        if first:
            self._on_lost(why)

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already gone
