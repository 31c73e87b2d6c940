"""All that workers and strangers can say to a dispatcher, to its whole loop.

The loop is the real one, and so is all below it but the sockets: what comes is put into a list. One
worker is honest. When all has been said, it must still be given a task, and the client its outcome.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import selectors
import socket
import struct
import sys
from collections.abc import Iterable, Iterator

import msgspec

from crew_core._dispatcher.loop import DispatcherLoop
from crew_core._model.states import Status
from crew_core._wire import codec, messages
from crew_core._wire.link import Link, LinkBrokenError, is_opening, read_opening
from crew_core._wire.stream import StreamReader, frame
from fuzz.draw import Draw

_HONEST = 1  # its pipe
_WORKERS = 4
_COMMAND = messages.Blob(b"digest", b"command")
_TURNS_MAX = 50
_LINE_MAX = 1010  # characters of one complaint
_IDS = (0, 1, 2, 3, -1, 7, messages.WARM_UP_IDS + 1, 2**63, 2**64 - 1)
_STATUSES = (0, -1, 5, 19, 20, 1, 2**64 - 1)
_SECONDS = (None, 0.0, 0.001, 5e-324, -1.0, float("nan"), float("inf"), 1e300)
_DETAILS = (codec.encode(messages.OutcomeDetail(cause="crash")), b"", b"\xc1", b"\x80\x04N.")
_KINDS = ("Outcomes", "Warmed", "Warming", "Returned", "AskLeave", "Hello", "Nothing")
_raw = msgspec.msgpack.encode


def check(data: bytes) -> None:
    """Nothing that is said ends the dispatcher, or keeps the honest worker from its work."""
    draw = Draw(data)
    with _scene() as scene:
        scene.begin()
        while draw:
            scene.happen(draw)
        scene.turn()
        scene.prove_that_work_goes_on()


class _Listener:
    """Connections that are lists."""

    seconds_reconnect = 0.0

    def __init__(self) -> None:
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.here: set[int] = set()
        self.arrived: list[tuple[int, bytes]] = []
        self.sent: list[tuple[int, bytes]] = []
        self._lost: list[int] = []

    def receive(self, ready: Iterable[int]) -> list[tuple[int, bytes]]:
        arrived, self.arrived = self.arrived, []
        return [(pipe, frame) for pipe, frame in arrived if pipe in self.here]

    def has_room(self, pipe: int) -> bool:
        return pipe in self.here

    def send(self, pipe: int, frame: bytes) -> bool:
        if pipe in self.here:
            self.sent.append((pipe, frame))
        return pipe in self.here

    def drained(self) -> list[int]:
        return []

    def lost(self) -> list[int]:
        lost, self._lost = self._lost, []
        return lost

    def identity(self, pipe: int) -> str | None:
        return None

    def admit(self, pipe: int) -> None:
        """Nothing is held back."""

    def complaints(self) -> list[str]:
        return []

    def next_time(self) -> float:
        return 0.0  # nobody waits

    def refuse(self, pipe: int, why: str) -> None:
        self.hang_up(pipe)

    def hang_up(self, pipe: int) -> None:
        if pipe in self.here:
            self.here.remove(pipe)
            self._lost.append(pipe)

    def close(self) -> None:
        self.selector.close()


class _Loop(DispatcherLoop):
    """Without signals, which are this process' own."""

    def _catch_signals(self) -> int:
        self.signals = os.pipe()
        return self.signals[0]


class _Scene:
    def __init__(self, loop: _Loop, listener: _Listener, client: socket.socket) -> None:
        self.loop = loop
        self.listener = listener
        self.client = client
        self.reader = StreamReader(client)
        self.links: dict[int, Link] = {}  # by pipe
        self.next_pipe = _HONEST
        self.next_task = 0
        self.finished: set[int] = set()

    # ── What happens ───────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        settings = messages.WorkerSettings("fuzz", "1")
        retry = messages.RetryPolicy(crashes_max=2)
        self.order(messages.ClientHello(messages.PROTOCOL, 1, "3.11", settings, retry, 1000.0))
        workers = [
            messages.ExpectedWorker(f"w{i}", i, hashlib.sha256(b"secret").digest())
            for i in range(1, _WORKERS + 1)
        ]
        self.order(messages.Expect(1, workers))
        self.turn()
        self.dial("w1")
        self.turn()

    def happen(self, draw: Draw) -> None:
        act = draw.number(9)
        pipe = self.next_pipe - 1 - draw.number(3)
        if act == 0:
            self.dial(f"w{2 + draw.number(_WORKERS)}")
        elif act == 1:
            self.arrive(self.connect(), Link().opening(draw.take(255)))
        elif act == 2:
            self.submit()
        elif act == 3:
            self.turn()
        elif pipe > _HONEST:
            self.attack(act, pipe, draw)

    def attack(self, act: int, pipe: int, draw: Draw) -> None:
        link = self.links[pipe]
        if act == 4:
            self.arrive(pipe, draw.take(255))
        elif act == 5:
            self.say(pipe, link, draw.take(255))
        elif act in (6, 7):
            self.say(pipe, link, _raw(_message(draw)))
        else:
            header = struct.pack(">BQQ", draw.number(6), *(draw.choice(_IDS) % 2**64,) * 2)
            self.arrive(pipe, header + draw.take(255))

    def dial(self, name: str) -> None:
        hello = messages.Hello(messages.PROTOCOL, name, "secret", "life", 1, "here", "3.11")
        self.arrive(self.connect(), Link().opening(codec.encode(hello)))

    def connect(self) -> int:
        pipe, self.next_pipe = self.next_pipe, self.next_pipe + 1
        self.listener.here.add(pipe)
        self.links[pipe] = Link()
        return pipe

    def say(self, pipe: int, link: Link, payload: bytes) -> None:
        link.post(payload)
        while (ready := link.next_frame()) is not None:
            self.arrive(pipe, ready)

    def arrive(self, pipe: int, frame: bytes) -> None:
        self.listener.arrived.append((pipe, frame))

    def submit(self) -> int:
        task, self.next_task = self.next_task, self.next_task + 1
        batch = messages.Batch(task, [f"t{task}"], _COMMAND.digest, [b""])
        self.order(messages.Submit([batch], [_COMMAND]))
        return task

    def order(self, message: messages.ToDispatcher) -> None:
        self.client.sendall(frame(codec.encode(message)))

    # ── What follows ───────────────────────────────────────────────────────────────────────────

    def turn(self) -> None:
        self.loop._turn()
        assert self.loop._running
        sent, self.listener.sent = self.listener.sent, []
        for pipe, data in sent:
            self.hear(pipe, data)
        with contextlib.suppress(BlockingIOError):
            for data in self.reader.read():
                self.note(messages.decode_to_client(data))

    def hear(self, pipe: int, data: bytes) -> None:
        link = self.links[pipe]
        if is_opening(data):
            acknowledged, _ = read_opening(data)
            link.restart(acknowledged)
        elif pipe == _HONEST:
            for payload in link.accept(data):
                self.obey(link, messages.decode_to_worker(payload))
        else:
            with contextlib.suppress(LinkBrokenError):  # what it said it had is not what it has
                link.accept(data)

    def obey(self, link: Link, order: messages.ToWorker) -> None:
        if isinstance(order, messages.Work):
            ids = [i for batch in order.batches for i in batch.ids]
            n = len(ids)
            done = messages.Outcomes(ids, [0] * n, [0.001] * n, [_DETAILS[0]] * n)
            self.say(_HONEST, link, codec.encode(done))
        elif isinstance(order, messages.Recall):
            self.say(_HONEST, link, codec.encode(messages.Returned([])))

    def note(self, message: messages.ToClient) -> None:
        if isinstance(message, messages.Finished):
            for task, status in zip(message.ids, message.statuses, strict=True):
                assert task not in self.finished, "a second fate"
                Status(status)
                self.finished.add(task)

    def prove_that_work_goes_on(self) -> None:
        assert _HONEST in self.listener.here, "an honest worker was given up"
        for pipe in list(self.listener.here - {_HONEST}):
            self.listener.hang_up(pipe)
        self.submit()
        for _ in range(_TURNS_MAX):
            self.turn()
            if len(self.finished) == self.next_task:
                return
        raise AssertionError("work that nobody does")


def _message(draw: Draw) -> object:
    """What a worker may say, with what no worker says in its fields."""
    kind = draw.choice(_KINDS)
    ids = [draw.choice(_IDS) for _ in range(draw.number(5))]
    if kind == "Outcomes":
        count = len(ids) if draw.number(4) else draw.number(5)
        statuses = [draw.choice(_STATUSES) for _ in range(count)]
        seconds = [draw.choice(_SECONDS) for _ in ids]
        return [kind, ids, statuses, seconds, [draw.choice(_DETAILS) for _ in ids]]
    if kind == "Warmed":
        outcome = [
            draw.choice(_IDS),
            draw.choice(_STATUSES),
            draw.choice(_SECONDS),
            draw.choice(_DETAILS),
        ]
        return [kind, outcome, bool(draw.number(2))]
    if kind == "AskLeave":
        return [kind, draw.take(20).decode("latin-1"), bool(draw.number(2))]
    return [kind, ids]


@contextlib.contextmanager
def _scene() -> Iterator[_Scene]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    listener = _Listener()
    loop = _Loop(theirs, listener, "fuzz://")
    written = io.StringIO()
    try:
        with contextlib.redirect_stderr(written):
            yield _Scene(loop, listener, ours)
        lines = written.getvalue().splitlines()
        assert all(len(line) <= _LINE_MAX and line.isprintable() for line in lines)
        assert not _unpickled, "the dispatcher has unpickled something"
    finally:
        _unpickled.clear()
        loop._close()
        ours.close()
        for fd in loop.signals:
            os.close(fd)


_unpickled: list[str] = []


def _note_unpickling(event: str, _: object) -> None:
    if event == "pickle.find_class":
        _unpickled.append(event)


sys.addaudithook(_note_unpickling)
