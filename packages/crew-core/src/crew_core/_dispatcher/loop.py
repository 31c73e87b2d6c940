"""The dispatcher's loop: moves bytes between sockets and the pure state, and reads the clock.

::

    client ══ unix stream ══► StreamReader ─► decode ─► state.on_client ┐
                                                                        ├─► state.actions ─► out
    workers ══ unix or TCP ═► Link.accept ──► decode ─► state.on_worker ┘

One thread, one selector; a turn of the loop costs what has happened, however many workers there
are. A malformed frame is counted, logged and costs its sender the connection, a worker its place,
and never the dispatcher its life. Signals only make the selector wake up; the loop acts.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crew_core._dispatcher import actions
from crew_core._dispatcher.state import DispatcherState
from crew_core._wire import codec, messages
from crew_core._wire.link import FrameLostError, Link, LinkBrokenError, read_opening
from crew_core._wire.notices import on_one_line, warn
from crew_core._wire.restraint import Restraint
from crew_core._wire.spare import SpareDescriptor
from crew_core._wire.stream import ConnectionLostError, StreamReader, StreamWriter
from crew_core._wire.transport import Listener

if TYPE_CHECKING:
    from crew_core._dispatcher.object_store import ObjectStore

_CLIENT, _SIGNAL = -1, -2  # beside the numbers of pipes, which are positive
_NEVER = float("inf")
_WAIT_SECONDS_MAX = 3600.0  # a selector fails with more than some weeks


class DispatcherLoop:
    """Serves one client and its workers until the client is gone and the workers have left.

    Args:
        client: the connection to it; owned from now on.
        listener: where workers come in; owned from now on.
        url: what workers dial.
        clock: monotonic.
    """

    def __init__(
        self,
        client: socket.socket,
        listener: Listener,
        url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        client.setblocking(False)
        self._client = client
        self._reader = StreamReader(client)
        self._writer = StreamWriter(client)
        self._client_here = True
        self._listener = listener
        self._url = url
        self._clock = clock
        self._state: DispatcherState | None = None
        self._objects: ObjectStore | None = None
        self._spare = SpareDescriptor()
        self._object_bytes = 0
        self._object_directory = ""
        self._links: dict[str, Link] = {}
        self._pipe_of: dict[str, int] = {}
        self._instance_of: dict[int, str] = {}
        self._to_flush: dict[str, None] = {}  # in order, so that a run can be repeated
        self._to_answer: set[str] = set()
        self._turned_away: set[int] = set()  # pipes of those who may say no more
        self._writing = False
        self._running = True
        self._due = self._listener_due = 0.0
        self._stopped = False
        self._heir: tuple[str, ...] = ()
        self._malformed, self._refusals = Restraint(clock), Restraint(clock)
        self._selector = listener.selector
        self._selector.register(client, selectors.EVENT_READ, _CLIENT)
        self._signal_fd = self._catch_signals()

    @property
    def client_is_gone(self) -> bool:
        """True when the client's connection ended: it said no goodbye, or did not wait for ours."""
        return not self._client_here

    def run(self) -> None:
        """Serve until there is nothing left to do."""
        try:
            while self._running:
                self._turn()
        finally:
            self._close()

    @property
    def heir(self) -> tuple[str, ...]:
        """The command line to go on with at the end; empty when the client sees to all itself."""
        return () if self._stopped else self._heir

    def _turn(self) -> None:
        pipes: list[int] = []
        from_client = signalled = False
        for key, _ in self._selector.select(self._patience()):
            who: int = key.data
            if who >= 0:
                pipes.append(who)
            elif who == _CLIENT:
                from_client = True
            else:
                signalled = True
        now = self._clock()
        if signalled:
            os.read(self._signal_fd, 64)
            self._client_gone(now)
        if from_client and self._client_here:
            self._serve_client(now)
        if pipes or now >= self._listener_due:
            # Frames before lost pipes: what a worker said before it went still counts.
            self._serve_workers(pipes, now)
            self._drop_lost_pipes(now)
        if self._state is not None:
            self._act(self._state, now)
        if self._to_flush:
            self._flush_links()
        self._flush_client()

    def _act(self, state: DispatcherState, now: float) -> None:
        if now >= self._due:
            state.on_time(now)
        for action in state.actions(now):
            self._do(action)

    def _patience(self) -> float | None:
        """How long to sleep; and note who has something to do then."""
        due = self._listener_due = self._listener.next_time()
        if self._state is not None:
            self._due = self._state.next_time()
            due = min(due, self._due)
        return None if due == _NEVER else max(0.0, min(due - self._clock(), _WAIT_SECONDS_MAX))

    # ── Client ─────────────────────────────────────────────────────────────────────────────────

    def _serve_client(self, now: float) -> None:
        try:
            received = self._reader.read()
        except BlockingIOError:
            return
        except ConnectionLostError:
            self._client_gone(now)
            return
        for data in received:
            try:
                self._on_client(messages.decode_to_dispatcher(data), now)
            except codec.MalformedMessageError as error:
                self._note_malformed("the client", error)

    def _on_client(self, message: messages.ToDispatcher, now: float) -> None:
        if isinstance(message, (messages.PutObject, messages.FetchObject)):
            self._on_object(message, now)
        elif self._state is not None:
            self._stopped |= isinstance(message, messages.Stop)
            self._state.on_client(message, now)
        elif isinstance(message, messages.ClientHello):
            reconnect = min(self._listener.seconds_reconnect, message.seconds_heartbeat)
            self._state = DispatcherState(message, seconds_reconnect=reconnect)
            self._object_bytes = message.object_bytes
            self._object_directory = message.object_directory
            self._heir = message.platform.heir
            self._tell_client(messages.DispatcherHello(messages.PROTOCOL, os.getpid(), self._url))

    def _on_object(self, message: messages.PutObject | messages.FetchObject, now: float) -> None:
        if isinstance(message, messages.PutObject):
            self._keep(message, now)
            return
        order = None if self._objects is None else self._objects.get(message.digest)
        found = memoryview(b"") if order is None else order
        self._tell_client(messages.FetchedObject(message.request, found))

    def _keep(self, message: messages.PutObject, now: float) -> None:
        if self._state is None:
            return
        if self._objects is None:
            with self._spare.used():  # an import needs one, too
                from crew_core._dispatcher.object_store import ObjectStore  # many never need it

            self._objects = ObjectStore(self._object_bytes, self._object_directory, self._spare)
        for action in self._state.actions(now):  # it may have been dropped just before
            self._do(action)
        self._objects.put(message.digest, message.order)
        self._state.on_object(message.digest, message.size)

    def _client_gone(self, now: float) -> None:
        if self._client_here:
            self._client_here = False
            self._selector.unregister(self._client)
            self._client.close()
        if self._state is None:
            self._running = False
        else:
            self._state.on_stop(now)

    def _tell_client(self, message: messages.ToClient) -> None:
        if self._client_here:
            self._writer.send(codec.encode(message))  # it goes with the others of this turn

    def _flush_client(self) -> None:
        if not self._client_here or not (self._writing or self._writer.wants_write):
            return
        try:
            self._writer.flush()
        except ConnectionLostError:
            self._client_gone(self._clock())
            return
        if self._writer.wants_write is not self._writing:
            self._writing = self._writer.wants_write
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._writing else 0)
            self._selector.modify(self._client, wanted, _CLIENT)

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def _serve_workers(self, ready: list[int], now: float) -> None:
        refused: set[int] = set()
        for pipe, frame in self._listener.receive(ready):
            if pipe in refused:
                continue  # what follows upon nonsense counts for nothing
            try:
                self._on_frame(pipe, frame, now)
            except (LinkBrokenError, codec.MalformedMessageError) as error:
                refused.add(pipe)
                self._refuse(pipe, error)
        for pipe in self._listener.drained():
            if (instance := self._instance_of.get(pipe)) is not None:
                self._to_flush[instance] = None
        for complaint in self._listener.complaints():
            self._tell_client(messages.WorkerRefused("", complaint))

    def _refuse(self, pipe: int, error: Exception) -> None:
        instance = self._instance_of.get(pipe)
        self._note_malformed(instance or "somebody", error)
        self._listener.refuse(pipe, str(error))
        if instance is None or self._state is None or isinstance(error, FrameLostError):
            return
        # Of what it meant to say nothing will come: its tasks are for others.
        self._state.on_nonsense(instance)

    def _on_frame(self, pipe: int, frame: bytes, now: float) -> None:
        if self._state is None:
            return
        instance = self._instance_of.get(pipe)
        if instance is None:
            self._on_opening(pipe, frame, now)
            return
        self._state.on_heard(instance, now)
        link = self._links[instance]
        payloads = link.accept(frame)
        if not payloads:
            self._to_answer.add(instance)  # a heartbeat asks whether we are alive
        if not payloads or link.owes:
            self._to_flush[instance] = None
        for payload in payloads:
            self._state.on_worker(instance, messages.decode_from_worker(payload), now)

    def _on_opening(self, pipe: int, frame: bytes, now: float) -> None:
        if self._state is None:
            return
        if pipe in self._turned_away:
            raise LinkBrokenError("it was turned away, and does not leave")
        acknowledged, hello = self._read_hello(pipe, frame)
        self._state.on_hello(pipe, hello, now)
        for action in self._state.actions(now):  # the answer goes first on a new connection
            if isinstance(action, actions.Admit) and action.pipe == pipe:
                self._admit(action, acknowledged)
            else:
                self._do(action)

    def _read_hello(self, pipe: int, frame: bytes) -> tuple[int, messages.Hello]:
        """Who it claims to be, checked as far as the connection tells."""
        acknowledged, payload = read_opening(frame)
        hello = messages.decode_from_worker(payload)
        if not isinstance(hello, messages.Hello):
            raise LinkBrokenError("a worker that does not say hello")
        proved = self._listener.identity(pipe)
        if proved is not None and proved != hello.instance:
            raise LinkBrokenError(f"the certificate of {proved!r} under another instance's hello")
        link = self._links.get(hello.instance)
        if link is not None and not link.has_sent(acknowledged):
            raise LinkBrokenError("a worker that claims to have what was never sent")
        return acknowledged, hello

    def _admit(self, action: actions.Admit, acknowledged: int) -> None:
        old = self._pipe_of.get(action.instance)
        if old is not None and old != action.pipe:
            self._instance_of.pop(old, None)
            self._listener.hang_up(old)
        self._listener.admit(action.pipe)
        link = self._links.get(action.instance)
        if link is None:
            link = self._links[action.instance] = Link()
        link.restart(acknowledged)
        self._pipe_of[action.instance] = action.pipe
        self._instance_of[action.pipe] = action.instance
        self._listener.send(action.pipe, link.opening(codec.encode(action.welcome)))
        self._to_flush[action.instance] = None

    def _drop_lost_pipes(self, now: float) -> None:
        for pipe in self._listener.lost():
            self._turned_away.discard(pipe)
            instance = self._instance_of.pop(pipe, None)
            if instance is not None and self._pipe_of.get(instance) == pipe:
                del self._pipe_of[instance]
            if self._state is not None:
                self._state.on_pipe_lost(pipe, now)

    def _flush_links(self) -> None:
        for instance in self._to_flush:
            pipe = self._pipe_of.get(instance)
            link = self._links.get(instance)
            if pipe is not None and link is not None:
                self._flush_link(pipe, link, answer=instance in self._to_answer)
        self._to_flush.clear()
        self._to_answer.clear()

    def _flush_link(self, pipe: int, link: Link, *, answer: bool) -> None:
        """Send what the connection takes; what it does not take waits in the link."""
        listener = self._listener
        said = False
        while listener.has_room(pipe) and (frame := link.next_frame()) is not None:
            said = listener.send(pipe, frame)
        # Every frame acknowledges and is a sign of life, if only once there is room for it.
        if not said and (answer or link.owes) and listener.has_room(pipe):
            listener.send(pipe, link.acknowledgement())

    # ── Actions ────────────────────────────────────────────────────────────────────────────────

    def _do(self, action: actions.Action) -> None:
        match action:
            case actions.TellClient(message):
                self._tell_client(message)
            case actions.TellWorker(instance, order):
                self._tell_worker(instance, codec.encode(order))
            case actions.SendObject(instance, digest):
                self._send_object(instance, digest)
            case actions.DropObjects(digests):
                if self._objects is not None:
                    self._objects.drop(digests)
            case actions.TurnAway():
                self._turn_away(action)
            case actions.HangUp(instance):
                self._forget_link(instance)
            case actions.Exit():
                self._running = False
            case actions.Admit():
                raise AssertionError("an admission is done where the hello is read")

    def _turn_away(self, action: actions.TurnAway) -> None:
        """Tell it why, so that it leaves. It is heard no more."""
        self._turned_away.add(action.pipe)
        reason = on_one_line(action.refused.reason)
        told = self._refusals.tells()
        if told:
            warn(f"turned a worker away ({self._refusals.count} so far): {reason}")
        if told or action.instance:
            self._tell_client(messages.WorkerRefused(action.instance, reason))
        if not self._listener.send(action.pipe, Link().opening(codec.encode(action.refused))):
            self._turned_away.discard(action.pipe)

    def _tell_worker(self, instance: str, payload: bytes) -> None:
        """Send it now, unless something goes before it."""
        link = self._links[instance]
        pipe = self._pipe_of.get(instance)
        if pipe is not None and self._listener.has_room(pipe):
            frame = link.frame_now(payload)
            if frame is not None:
                self._listener.send(pipe, frame)
                return
        link.post(payload)
        self._to_flush[instance] = None

    def _send_object(self, instance: str, digest: bytes) -> None:
        hold = None if self._objects is None else self._objects.get(digest)
        if hold is not None:  # else the task will say what it lacks
            self._links[instance].post(hold)
            self._to_flush[instance] = None

    def _forget_link(self, instance: str) -> None:
        self._links.pop(instance, None)
        pipe = self._pipe_of.pop(instance, None)
        if pipe is not None:
            self._instance_of.pop(pipe, None)
            self._listener.hang_up(pipe)

    # ── Housekeeping ───────────────────────────────────────────────────────────────────────────

    def _note_malformed(self, sender: str, error: Exception) -> None:
        if self._malformed.tells():
            so_far = self._malformed.count
            warn(f"dropped a malformed frame from {sender} ({so_far} so far): {error}")

    def _catch_signals(self) -> int:
        read_fd, write_fd = os.pipe()
        os.set_blocking(write_fd, False)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGINT, lambda *_: None)
        self._selector.register(read_fd, selectors.EVENT_READ, _SIGNAL)
        return read_fd

    def _close(self) -> None:
        self._listener.close()
        if self._objects is not None:
            self._objects.close()
        self._spare.close()
        if self._client_here:
            self._client.close()
