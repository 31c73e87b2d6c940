"""The outbox: what is pushed one by one leaves in batches, in order and whole."""

from __future__ import annotations

from msgspec.structs import replace

from crew_core._client.outbox import Item, Outbox, gather
from crew_core._wire import messages

LIKE = messages.Batch(0, [], b"f", [], seconds_timeout=2.0)
OTHER = messages.Batch(0, [], b"g", [])


def outbox(*tasks: tuple[messages.Batch, int]) -> Outbox:
    box = Outbox()
    for like, task_id in tasks:
        box.put_task(like, task_id, f"t{task_id}", b"%d" % task_id)
    return box


def batch(like: messages.Batch, *ids: int) -> messages.Batch:
    return replace(
        like, first=ids[0], names=[f"t{i}" for i in ids], bodies=[b"%d" % i for i in ids]
    )


def test_tasks_with_consecutive_ids_that_are_alike_become_one_batch() -> None:
    box = outbox(*[(LIKE, i) for i in range(5, 12)])
    assert box.take() == [batch(LIKE, *range(5, 12))]


def test_what_was_taken_is_no_longer_there() -> None:
    box = outbox((LIKE, 1))
    assert box
    box.take()
    assert not box
    assert box.take() == []
    box.put_task(LIKE, 2, "t2", b"2")
    assert box.take() == [batch(LIKE, 2)]


def test_other_tasks_and_ids_that_are_missing_begin_another_batch() -> None:
    box = outbox((LIKE, 1), (LIKE, 2), (OTHER, 3), (LIKE, 4), (LIKE, 6), (LIKE, 7))
    assert box.take() == [
        batch(LIKE, 1, 2),
        batch(OTHER, 3),
        batch(LIKE, 4),
        batch(LIKE, 6, 7),
    ]


def test_messages_keep_their_place_among_the_tasks() -> None:
    box = outbox((LIKE, 1))
    blob, cancel = messages.Blob(b"h", b"..."), messages.Cancel([1])
    box.put(blob)
    box.put_task(LIKE, 2, "t2", b"2")
    box.put(cancel)
    box.put_task(LIKE, 3, "t3", b"3")
    assert box.take() == [batch(LIKE, 1), blob, batch(LIKE, 2), cancel, batch(LIKE, 3)]


def test_a_batch_of_single_tasks_has_a_bound() -> None:
    most = messages.SUBMIT_TASKS
    box = outbox(*[(LIKE, i) for i in range(2 * most + 1)])
    assert [len(item.names) for item in box.take() if isinstance(item, messages.Batch)] == [
        most,
        most,
        1,
    ]


def test_messages_of_large_tasks_are_bounded_too() -> None:
    box = Outbox()
    large = bytes(messages.SUBMIT_BYTES // 2)
    for i in range(4):
        box.put_task(LIKE, i, f"t{i}", large)
    sent = [message for message in gather(box.take()) if isinstance(message, messages.Submit)]
    assert [list(b.ids) for message in sent for b in message.batches] == [[0, 1], [2, 3]]
    assert len(sent) == 2


def test_neighbouring_tasks_and_blobs_are_gathered_in_one_message() -> None:
    blob, stop = messages.Blob(b"g", b"..."), messages.Stop()
    items: list[Item] = [batch(LIKE, 1, 2), batch(LIKE, 3), blob, batch(OTHER, 4), stop]
    assert gather([*items, batch(OTHER, 5)]) == [
        messages.Submit([batch(LIKE, 1, 2, 3), batch(OTHER, 4)], [blob]),
        stop,
        messages.Submit([batch(OTHER, 5)], []),
    ]
