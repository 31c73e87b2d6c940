"""Batches of tasks and their parts, outcomes in columns."""

from __future__ import annotations

import math
import tracemalloc

import msgspec
import pytest

from crew_core._wire import codec
from crew_core._wire.messages import (
    Batch,
    Finished,
    FinishedTask,
    Hello,
    OutcomeDetail,
    decode_details,
    decode_from_worker,
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


# ── What a worker may not say ───────────────────────────────────────────────────────────────────

DETAIL = codec.encode(OutcomeDetail(cause="crash"))
FOUR_THOUSAND_MILLION = b"\xdd\xff\xff\xff\xff"
MANY = b"\xdd\x08\x00\x00\x00"


@pytest.mark.parametrize(
    ("ids", "statuses", "seconds", "details", "segments"),
    [
        pytest.param([1, 2], [0], [0.1, 0.1], [b"", b""], {}, id="too few statuses"),
        pytest.param([1], [0], [], [b""], {}, id="too few seconds"),
        pytest.param([1], [0], [0.1], [b"", b""], {}, id="too many details"),
        pytest.param([], [0], [0.1], [b""], {}, id="no ids"),
        pytest.param([1], [77], [0.1], [b""], {}, id="no such status"),
        pytest.param([1], [0], [math.nan], [b""], {}, id="no number"),
        pytest.param([1], [0], [math.inf], [b""], {}, id="no end"),
        pytest.param([1], [0], [-0.1], [b""], {}, id="negative"),
        pytest.param([2**64 - 1, 2], [0], [0.1], [b""], {}, id="one huge id"),
        pytest.param([1], [0], [0.1], [b""], {2: ["s"]}, id="segments of another task"),
    ],
)
def test_outcomes_that_do_not_fit_together_are_refused(
    ids: object, statuses: object, seconds: object, details: object, segments: object
) -> None:
    said = msgspec.msgpack.encode(["Outcomes", ids, statuses, seconds, details, segments])
    with pytest.raises(codec.MalformedMessageError):
        decode_from_worker(said)


@pytest.mark.parametrize("count", [FOUR_THOUSAND_MILLION, MANY])
@pytest.mark.parametrize(
    "before",
    [
        b"\x92\xa8Returned",
        b"\x92\xa7Warming",
        b"\x96\xa8Outcomes",
        b"\x96\xa8Outcomes\x90",
        b"\x96\xa8Outcomes\x91\x01\x91\x00\x91\xc0\x91\xc4\x00\x81\x01",
        b"\x93\xa6Warmed\x95\x01\x00\xc0\xc4\x00",
    ],
)
def test_no_room_is_made_for_what_is_only_announced(before: bytes, count: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(codec.MalformedMessageError):
            decode_from_worker(before + count)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000


@pytest.mark.parametrize("depth", [100, 100_000])
def test_nested_nonsense_is_refused_however_deep_it_is(depth: int) -> None:
    with pytest.raises(codec.MalformedMessageError):
        decode_from_worker(b"\x92\xa8Returned" + b"\x91" * depth)
    with pytest.raises(codec.MalformedMessageError):  # where a field is that nobody knows
        decode_from_worker(b"\x93\xa8Returned\x90" + b"\x91" * depth)


def test_a_hello_is_short() -> None:
    hello = ["Hello", 1, "w", "secret", "life", 7, "here", "3.11"]
    assert isinstance(decode_from_worker(msgspec.msgpack.encode(hello)), Hello)
    for place, value in ((2, "w" * 2000), (3, "s" * 2000), (5, -1), (5, 2**40), (6, "h" * 2000)):
        said = [*hello[:place], value, *hello[place + 1 :]]
        with pytest.raises(codec.MalformedMessageError):
            decode_from_worker(msgspec.msgpack.encode(said))
