"""Unix sockets between dispatcher and workers: nothing is lost, whoever stalls or dies."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crew_core._wire.link import FRAME_LIMIT
from crew_core._wire.local import LocalDialer, LocalListener


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Worker:
    """One that dials."""

    dialer: LocalDialer
    changes: list[bool] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)

    def listen(self) -> None:
        self.changes += self.dialer.changes(bool(self.dialer.selector.select(0)))
        self.heard += self.dialer.receive()


class Stage:
    """A listener, and workers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.listener = LocalListener(path, self.clock)
        self.heard: list[tuple[int, bytes]] = []
        self.drained: list[int] = []
        self.lost: list[int] = []
        self.workers: list[Worker] = []

    def serve(self) -> None:
        ready = [key.data for key, _ in self.listener.selector.select(0)]
        self.heard += self.listener.receive(ready)
        self.drained += self.listener.drained()
        self.lost += self.listener.lost()

    def worker(self) -> tuple[Worker, int]:
        """One that is connected, and its pipe."""
        worker = Worker(LocalDialer(self.path, self.clock))
        self.workers.append(worker)
        worker.listen()
        assert worker.changes == [True]
        assert worker.dialer.send(b"hello")
        before = len(self.heard)
        self.until(lambda: len(self.heard) > before)
        pipe, frame = self.heard.pop()
        assert frame == b"hello"
        self.listener.admit(pipe)
        return worker, pipe

    def until(self, met: Callable[[], object], *listening: Worker) -> None:
        """Serve until something is so."""
        for _ in range(2000):
            self.serve()
            for worker in listening:
                worker.listen()
            if met():
                return
            theirs = [worker.dialer.selector for worker in listening]
            for selector in (*theirs, self.listener.selector):
                selector.select(0.002)
        raise AssertionError("it did not come to pass")

    def close(self) -> None:
        for worker in self.workers:
            worker.dialer.close()
        self.listener.close()


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("s") / "s")
    yield stage
    stage.close()


def test_frames_go_both_ways(stage: Stage) -> None:
    worker, pipe = stage.worker()
    assert stage.listener.send(pipe, b"welcome")
    stage.until(lambda: worker.heard, worker)
    worker.dialer.send(b"outcome")
    stage.until(lambda: stage.heard)
    assert worker.heard == [b"welcome"]
    assert stage.heard == [(pipe, b"outcome")]


def test_frames_of_the_largest_size_pass_in_both_directions(stage: Stage) -> None:
    worker, pipe = stage.worker()
    large = bytes(range(256)) * (FRAME_LIMIT // 256)
    worker.dialer.send(large)
    stage.until(lambda: stage.heard, worker)
    stage.listener.send(pipe, large)
    stage.until(lambda: worker.heard, worker)
    assert stage.heard == [(pipe, large)]
    assert worker.heard == [large]


def test_nothing_is_lost_when_a_worker_does_not_read_for_a_while(stage: Stage) -> None:
    worker, pipe = stage.worker()
    sent: list[bytes] = []
    while stage.listener.has_room(pipe):
        sent.append(bytes([len(sent) % 251]) * 10_000)
        stage.listener.send(pipe, sent[-1])
    assert stage.drained == []
    stage.until(lambda: stage.drained, worker)
    assert stage.drained == [pipe]
    assert stage.listener.has_room(pipe)
    stage.until(lambda: len(worker.heard) == len(sent), worker)
    assert worker.heard == sent


def test_nothing_is_lost_when_the_dispatcher_does_not_read_for_a_while(stage: Stage) -> None:
    worker, _ = stage.worker()
    sent: list[bytes] = []
    while worker.dialer.has_room():
        sent.append(bytes([len(sent) % 251]) * 10_000)
        worker.dialer.send(sent[-1])
    stage.until(lambda: len(stage.heard) == len(sent), worker)
    assert [frame for _, frame in stage.heard] == sent
    assert worker.dialer.has_room()


def test_a_worker_that_says_a_lot_does_not_keep_others_waiting(stage: Stage) -> None:
    loud, _ = stage.worker()
    quiet, pipe = stage.worker()
    while loud.dialer.has_room():
        loud.dialer.send(b"x" * 10_000)
    quiet.dialer.send(b"one word")
    stage.serve()
    assert (pipe, b"one word") in stage.heard


def test_who_has_nothing_to_say_costs_nothing(stage: Stage) -> None:
    for _ in range(20):
        worker, _ = stage.worker()
        assert worker.dialer.next_time() == float("inf")
        assert worker.dialer.selector.select(0) == []
    assert stage.listener.next_time() == float("inf")
    assert stage.listener.selector.select(0) == []


def test_what_a_worker_said_before_it_died_counts_though_it_was_spoken_to_since(
    stage: Stage,
) -> None:
    worker, pipe = stage.worker()
    worker.dialer.send(b"last words")
    worker.dialer.close()
    stage.listener.send(pipe, b"too late")
    stage.until(lambda: stage.lost)
    assert stage.heard == [(pipe, b"last words")]
    assert stage.lost == [pipe]
    assert not stage.listener.send(pipe, b"too late")
    stage.workers.clear()


def test_what_the_dispatcher_said_before_it_died_is_heard(stage: Stage) -> None:
    worker, pipe = stage.worker()
    stage.listener.send(pipe, b"leave")
    worker.dialer.send(b"unread")
    stage.listener.close()
    worker.dialer.send(b"too late")
    worker.listen()
    worker.listen()
    assert worker.heard == [b"leave"]
    assert worker.changes == [True, False]


def test_a_connection_that_is_hung_up_is_dialled_again(stage: Stage) -> None:
    worker, pipe = stage.worker()
    stage.listener.hang_up(pipe)
    worker.listen()
    worker.listen()
    assert worker.changes == [True, False]
    assert not worker.dialer.send(b"nobody is there")
    stage.clock.now = worker.dialer.next_time()
    worker.listen()
    assert worker.changes == [True, False, True]


def test_pauses_between_attempts_grow_while_nobody_is_there(tmp_path: Path) -> None:
    clock = Clock()
    dialer = LocalDialer(tmp_path / "nobody", clock)
    pauses = []
    for _ in range(8):
        assert dialer.changes(False) == []
        pauses.append(dialer.next_time() - clock.now)
        clock.now = dialer.next_time()
    assert pauses == sorted(pauses)
    assert 0 < pauses[0] < 1 < pauses[-1] < 5
    dialer.close()


@pytest.mark.parametrize("length", [FRAME_LIMIT + 1, 0xFFFFFFFF])
def test_a_frame_that_is_too_large_costs_its_sender_the_connection_alone(
    stage: Stage, length: int
) -> None:
    other, pipe = stage.worker()
    with socket.socket(socket.AF_UNIX) as vandal:
        vandal.connect(str(stage.path))
        vandal.sendall(length.to_bytes(4, "big") + bytes(1000))
        stage.until(lambda: stage.lost)
    assert pipe not in stage.lost
    other.dialer.send(b"still here")
    stage.until(lambda: stage.heard)
    assert stage.heard == [(pipe, b"still here")]


def test_a_hundred_workers_are_told_apart(stage: Stage) -> None:
    workers = [stage.worker() for _ in range(100)]
    pipes = {pipe: b"%d" % i for i, (_, pipe) in enumerate(workers)}
    for worker, pipe in workers:
        worker.dialer.send(pipes[pipe])
    stage.until(lambda: len(stage.heard) == len(pipes))
    assert dict(stage.heard) == pipes
