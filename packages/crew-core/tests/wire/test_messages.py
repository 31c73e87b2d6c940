"""Batches of tasks and their parts, outcomes in columns."""

from __future__ import annotations

from crew_core._wire import codec
from crew_core._wire.messages import (
    Batch,
    Finished,
    FinishedTask,
    OutcomeDetail,
    decode_details,
)

BATCH = Batch(5, ["a", "b", "c"], b"digest", [b"1", b"2", b"3"], priority=4, objects=(b"o",))


def test_a_batch_knows_the_ids_of_its_tasks() -> None:
    assert list(BATCH.ids) == [5, 6, 7]


def test_a_part_has_some_of_the_tasks_and_all_that_they_have_in_common() -> None:
    part = BATCH.part(6, 8)
    assert (list(part.ids), part.names, part.bodies) == ([6, 7], ["b", "c"], [b"2", b"3"])
    assert part.common == BATCH.common
    assert BATCH.part(5, 8) is BATCH


def test_a_part_of_a_part_is_a_part_of_the_whole() -> None:
    assert BATCH.part(5, 7).part(6, 7) == BATCH.part(6, 7)


def test_finished_tasks_are_told_in_columns_and_read_one_by_one() -> None:
    told = Finished("w", [3, 9], [0, 1], [0.5, None], [1, 2], [b"x", b"y"])
    assert list(told.tasks) == [
        FinishedTask(3, 0, 0.5, 1, b"x"),
        FinishedTask(9, 1, None, 2, b"y"),
    ]


def test_many_details_are_decoded_at_once() -> None:
    details = [OutcomeDetail(value=b"v"), OutcomeDetail(error="e", pid=7)]
    assert decode_details([codec.encode(detail) for detail in details]) == details
    assert decode_details([]) == []
