"""Permits: every task is run once or taken back once, whoever is faster."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_core._wire.messages import (
    ForgetBlobs,
    HoldBlob,
    RunTasks,
    TaskProcessSettings,
    WorkerSettings,
)
from crew_core._worker.framing import FrameReader, FrameWriter, write_frame
from crew_core._worker.permits import Feed, Intake


def pair() -> tuple[Feed, Intake, dict[bytes, bytes], list[int]]:
    """Both ends in one process, what the second holds, and the descriptors to close."""
    inbox, inbox_in = os.pipe()
    permits, permits_in = os.pipe()
    held: dict[bytes, bytes] = {}

    def forget(digests: list[bytes]) -> None:
        for digest in digests:
            del held[digest]

    intake_permits = os.dup(permits)
    intake = Intake(inbox, intake_permits, held.__setitem__, lambda *_: None, forget)
    return Feed(inbox_in, permits_in, permits), intake, held, [inbox, intake_permits]


Ends = tuple[Feed, Intake, dict[bytes, bytes], list[int]]


@pytest.fixture
def ends() -> Iterator[Ends]:
    found = pair()
    yield found
    found[0].close()
    for fd in found[3]:
        os.close(fd)


def task(task_id: int, body: bytes = b"") -> RunTasks:
    return RunTasks(task_id, b"digest", [body])


def start_next(intake: Intake) -> int | None:
    found = intake.next_task()
    return None if found is None else found.id


def test_tasks_start_in_the_order_they_were_sent(ends: Ends) -> None:
    feed, intake, _, _ = ends
    for task_id in (3, 1, 2):
        feed.send(task(task_id))
    feed.flush()
    assert [start_next(intake) for _ in range(3)] == [3, 1, 2]


def test_what_was_taken_back_does_not_start(ends: Ends) -> None:
    feed, intake, _, _ = ends
    for task_id in range(4):
        feed.send(task(task_id))
    feed.flush()
    assert start_next(intake) == 0
    assert feed.take_back([0, 2]) == [2]
    assert feed.outstanding == (0, 1, 3)
    assert [start_next(intake), start_next(intake)] == [1, 3]
    assert feed.take_back() == []


def test_a_task_that_was_taken_back_can_be_sent_again(ends: Ends) -> None:
    feed, intake, _, _ = ends
    for task_id in range(3):
        feed.send(task(task_id))
    assert feed.take_back([1]) == [1]
    feed.send(task(1))
    feed.flush()
    assert [start_next(intake) for _ in range(3)] == [0, 2, 1]


def test_commands_are_held_and_forgotten_in_order(ends: Ends) -> None:
    feed, intake, held, _ = ends
    feed.put(TaskProcessSettings(WorkerSettings("c", "1"), "i"))
    feed.put(HoldBlob(b"a", b"1"))
    feed.put(HoldBlob(b"b", b"2"))
    feed.put(ForgetBlobs([b"a"]))
    feed.send(task(1))
    feed.flush()
    assert intake.wait_for_settings() == TaskProcessSettings(WorkerSettings("c", "1"), "i")
    start_next(intake)
    assert held == {b"b": b"2"}


def test_the_end_of_the_inbox_ends_the_intake(ends: Ends) -> None:
    feed, intake, _, _ = ends
    feed.send(task(1))
    feed.flush()
    feed.close_inbox()
    assert start_next(intake) == 1
    assert start_next(intake) is None


def test_the_end_before_the_settings_is_an_end(ends: Ends) -> None:
    feed, intake, _, _ = ends
    feed.close_inbox()
    assert intake.wait_for_settings() is None


def test_after_a_death_it_is_known_which_tasks_had_not_started(ends: Ends) -> None:
    feed, intake, _, _ = ends
    for task_id in range(3):
        feed.send(task(task_id))
    feed.flush()
    start_next(intake)
    feed.send(task(3, b"x" * 10_000_000))
    assert not feed.flush()
    assert feed.abandon() == [1, 2, 3]


def test_no_permit_overtakes_a_frame_that_waits_for_room(ends: Ends) -> None:
    feed, _, _, _ = ends
    feed.send(task(1))
    feed.flush()
    feed.send(task(2, b"x" * 10_000_000))
    feed.flush()
    assert feed.wants_write
    assert feed.pending_bytes > 9_000_000
    assert feed.take_back() == [1, 2]


@given(
    st.lists(st.tuples(st.sampled_from(["send", "take", "start"]), st.integers(0, 9)), max_size=60)
)
def test_each_task_starts_once_or_is_taken_back_once(steps: list[tuple[str, int]]) -> None:
    feed, intake, _, fds = pair()
    sent: list[int] = []
    started: list[int | None] = []
    taken: list[int] = []
    for step, number in steps:
        if step == "send":
            sent.append(len(sent))
            feed.send(task(sent[-1]))
            feed.flush()
        elif step == "take":
            taken += feed.take_back([i for i in sent if i % 10 >= number])
        elif len(started) + len(taken) < len(sent):
            started.append(start_next(intake))
            if number % 2:
                feed.done([started[-1] or 0])
    while len(started) + len(taken) < len(sent):
        started.append(start_next(intake))
    feed.close()
    for fd in fds:
        os.close(fd)
    assert sorted([i for i in started if i is not None] + taken) == sent
    assert started == sorted(i for i in started if i is not None)


def test_nothing_is_lost_or_run_twice_when_both_are_at_it(process: Any) -> None:
    chance = random.Random(1)
    run: list[int] = []
    taken: list[int] = []
    sent = 0
    for _ in range(1500):
        for _ in range(chance.randrange(1, 5)):
            process.send(os.getpid)
            sent += 1
        if chance.random() < 0.3:
            process.feed.flush()
        outstanding = process.feed.outstanding
        some = [i for i in outstanding if chance.random() < 0.6]
        taken += process.feed.take_back(None if chance.random() < 0.3 else some)
        while process.feed.outstanding and chance.random() < 0.8:
            run.append(process.next().outcome.id)
    while process.feed.outstanding:
        run.append(process.next().outcome.id)
    assert sorted(run + taken) == list(range(1, sent + 1))
    assert run
    assert taken


@given(st.lists(st.binary(max_size=300), max_size=50))
def test_frames_arrive_as_they_were_sent(frames: list[bytes]) -> None:
    out, into = os.pipe()
    reader = FrameReader(out)
    for frame in frames:
        write_frame(into, frame)
    os.close(into)
    seen: list[bytes] = []
    while not reader.at_end:
        seen += reader.read_some()
    os.close(out)
    assert seen == frames


def test_a_writer_waits_for_room_and_loses_nothing() -> None:
    out, into = os.pipe()
    reader, writer = FrameReader(out), FrameWriter(into)
    frames = [bytes([i % 256]) * (i * 997 % 200_000) for i in range(60)]
    for frame in frames:
        writer.put(frame)
    seen: list[bytes] = []
    while not writer.flush():
        assert writer.wants_write
        seen += reader.read_available()
    assert writer.pending_bytes == 0
    os.close(into)
    while not reader.at_end:
        seen += reader.read_some()
    os.close(out)
    assert seen == frames
