"""Tasks of ``map`` have no handles until somebody asks for one, and nobody can tell."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import crew_core as crew
from crew_core._controller.book import TaskBook
from crew_core._controller.records import RecordMaker
from crew_core._model.errors import CrewError
from crew_core._model.states import Status
from crew_core._wire import codec, messages, pickling

Make = Callable[..., crew.Controller]

SECONDS = 30


@pytest.fixture
def book() -> TaskBook:
    records = RecordMaker("controller", "launcher", 42, lambda _: None)
    return TaskBook(records, lambda _: None, lambda: None)


def names(count: int) -> list[str]:
    return [f"task {i}" for i in range(count)]


def end(book: TaskBook, ids: Sequence[int], status: Status = Status.SUCCESS) -> None:
    """As if a worker had run these, each with its id as the result."""
    details = [
        codec.encode(messages.OutcomeDetail(value=pickling.dump(i, "it"), cause="signal 9"))
        for i in ids
    ]
    count = len(ids)
    ended = messages.Finished("a", [*ids], [status] * count, [1.0] * count, [1] * count, details)
    book.settle(ended)


@pytest.mark.parametrize("early", [0, 3, 10])
def test_handles_made_at_any_time_are_those_of_tasks_that_always_had_them(
    book: TaskBook, early: int
) -> None:
    sheet = book.open_sheet(names(10), b"digest", seeds=[*range(10)], algorithm="Philox")
    order = [7, 2, 3, 4, 9, 8, 0, 1, 5, 6]
    end(book, order[:early]) if early else None
    book.spread(sheet)
    end(book, order[early:]) if early < 10 else None
    popped = [book.pop() for _ in range(10)]
    found = [task.record for task in popped if task is not None]
    assert [record.name for record in found if record is not None] == [f"task {i}" for i in order]
    assert [record.result for record in found if record is not None] == order
    assert [record.seed for record in found if record is not None] == order
    assert (book.size, book.popped, book.outstanding(b"digest")) == (0, 10, 0)


def test_a_sheet_counts_as_its_tasks_would(book: TaskBook) -> None:
    sheet = book.open_sheet(names(5), b"digest")
    assert (book.pushed, book.size, book.unresolved, book.unfinished) == (5, 5, 5, 5)
    assert (book.poppable, book.exhausted, book.all_ids()) == (False, False, [*sheet.ids])
    end(book, [1, 2])
    assert (book.resolved, book.size, book.unresolved, book.unfinished) == (2, 5, 3, 3)
    assert (book.poppable, book.outstanding(b"digest")) == (True, 3)
    assert book.ids(["task 0", "task 1", "else"]) == [0]
    assert sheet.handles is None


def test_the_same_end_counts_once(book: TaskBook) -> None:
    book.open_sheet(names(4), b"digest")
    end(book, [0, 1])
    end(book, [0, 1, 2])
    end(book, [2, 0])
    assert (book.resolved, book.unresolved) == (3, 1)
    assert book.statistics() == {("a", "success"): [3, 3.0]}


@pytest.mark.parametrize(
    "ids", [[3], [0, 1, 2, 3], [9, 8, 7], [4, 5, 6, 0, 1], [0, 2, 4, 6, 8], [1, 0, 2, 9, 3, 4]]
)
def test_tasks_may_end_in_any_order(book: TaskBook, ids: list[int]) -> None:
    sheet = book.open_sheet(names(10), b"digest")
    end(book, ids)
    assert sorted({*sheet.ids} - {*sheet.unfinished()}) == sorted(ids)
    ended = [task.record for task in book.pop_all()]
    assert [record.result for record in ended if record is not None] == ids


def test_one_message_may_tell_of_tasks_in_sheets_and_of_others(book: TaskBook) -> None:
    first = book.open_sheet(names(3), b"one")
    single = book.open_one("single", b"two", single=False)
    second = book.open_sheet(["a", "b", "c"], b"three")
    end(book, [0, single.id, second.ids[0], 2])
    assert (first.left, single.done(), second.left) == (1, True, 2)
    assert [book.outstanding(digest) for digest in (b"one", b"two", b"three")] == [1, 0, 2]
    oldest = [task.name for task in book.pop_all()]
    assert sorted(oldest) == ["a", "single", "task 0", "task 2"]


@pytest.mark.parametrize("before", [True, False])
def test_a_failure_is_that_of_each_task_that_has_not_ended(book: TaskBook, before: bool) -> None:
    sheet = book.open_sheet(names(3), b"digest")
    end(book, [1])
    handles = book.spread(sheet) if before else []
    book.fail(CrewError("over"))
    end(book, [0])
    handles = handles or book.spread(sheet)
    assert handles[1].result() == 1
    for handle in (handles[0], handles[2]):
        with pytest.raises(CrewError, match="over"):
            handle.result()
    assert (book.unfinished, book.unresolved) == (0, 2)


def test_names_of_a_sheet_are_taken(book: TaskBook) -> None:
    sheet = book.open_sheet(names(3), b"digest")
    with pytest.raises(crew.ConfigError, match="'task 1'"):
        book.open_one("task 1", b"digest", single=False)
    with pytest.raises(crew.ConfigError, match="'task 2'"):
        book.open_sheet(["other", "task 2"], b"digest")
    assert sheet.handles is None
    assert book.pushed == 3


def test_what_was_withdrawn_was_never_there(book: TaskBook) -> None:
    for look in (lambda _: None, book.spread):
        sheet = book.open_sheet(names(3), b"digest")
        look(sheet)
        book.withdraw_sheet(sheet)
        assert (book.pushed, book.size, book.unfinished) == (0, 0, 0)
        assert book.outstanding(b"digest") == 0


def test_what_had_ended_before_it_was_withdrawn_is_there_to_be_popped(book: TaskBook) -> None:
    tasks = [book.open_one(name, b"digest", single=False) for name in names(2)]
    end(book, [tasks[0].id])
    book.withdraw(tasks)
    assert (book.pushed, book.size, book.unfinished) == (1, 1, 0)
    assert book.pop() is tasks[0]
    assert book.outstanding(b"digest") == 0


def test_of_a_withdrawn_sheet_what_had_ended_is_there_to_be_popped(book: TaskBook) -> None:
    sheet = book.open_sheet(names(3), b"digest")
    end(book, [1])
    book.withdraw_sheet(sheet)
    assert (book.pushed, book.size, book.unfinished) == (1, 1, 0)
    popped = book.pop()
    assert popped is not None
    assert popped.name == "task 1"
    assert book.outstanding(b"digest") == 0


def test_crashes_are_counted_under_the_tasks_names(book: TaskBook) -> None:
    sheet = book.open_sheet(names(3), b"digest")
    assert book.note_crashes(1, 4) == "task 1"
    end(book, [0, 1], Status.CRASH)
    assert [book.crashes(name) for name in sheet.names] == [1, 5, 0]
    again = book.open_sheet(["task 1 again"], b"digest")
    end(book, [*again.ids, 2])
    assert book.note_crashes(2, 1) is None
    assert book.any_crashes


def test_who_waits_for_a_whole_sheet_is_told_of_its_end_alone(book: TaskBook) -> None:
    sheet = book.open_sheet(names(4), b"digest")
    told: list[str] = []
    book.listen(lambda: told.append("sheet"), sheet)
    book.listen(lambda: told.append("anything"))
    end(book, [0, 1])
    end(book, [2])
    assert told == ["anything"] * 2
    end(book, [3])
    assert told == ["anything"] * 2 + ["sheet", "anything"]
    book.wake()
    assert told[4:] == ["sheet", "anything"]


# ── While map waits ────────────────────────────────────────────────────────────────────────────


class Mapping(threading.Thread):
    """A ``map`` of the gate's tasks, in a thread of its own."""

    def __init__(self, controller: crew.Controller, gate: Any, count: int) -> None:
        super().__init__()
        self._controller, self._gate, self._count = controller, gate, count
        self.table: Any = None

    def __enter__(self) -> Mapping:
        self.start()
        self._gate.wait_for(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.open()
        self.join(SECONDS)

    def run(self) -> None:
        values = list(range(self._count))
        self.table = self._controller.map(
            self._gate.hold, {"value": values}, names=[f"n{i}" for i in values], error="silent"
        )


def test_a_task_of_a_waiting_map_can_be_cancelled_by_name(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    with Mapping(controller, gate, 3) as mapping:
        controller.cancel("n2")
        assert crew.retry(lambda: controller.resolved == 1)
    assert list(mapping.table["status"]) == ["success", "success", "cancel"]
    assert list(mapping.table["name"]) == ["n0", "n1", "n2"]


def test_tasks_of_a_waiting_map_can_be_cancelled_all(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    with Mapping(controller, gate, 3) as mapping:
        controller.cancel(all=True)
        mapping.join(SECONDS)
    assert set(mapping.table["status"]) == {"cancel"}


def test_another_thread_may_push_and_submit_while_map_waits(make: Make, gate: Any) -> None:
    controller = make(workers=2)
    with Mapping(controller, gate, 1) as mapping:
        assert controller.submit(pow, 2, 3).result(SECONDS) == 8
        pushed = controller.push(pow, (2, 4), name="mine")
        assert pushed.result(SECONDS) == 16
    assert list(mapping.table["result"]) == [0]
    record = controller.pop()
    assert record is not None
    assert record.name == "mine"


def test_what_another_thread_popped_is_in_the_table_too(make: Make, gate: Any) -> None:
    controller = make(workers=2)
    with Mapping(controller, gate, 2) as mapping:
        gate.wait_for(2)
        held = crew.retry(lambda: controller.unresolved == 2)
        assert held
        completed = controller.as_completed()
        gate.open()
        assert sorted(task.result() for task in completed) == [0, 1]
    assert list(mapping.table["result"]) == [0, 1]
    assert controller.empty


def test_what_an_interrupted_map_left_can_be_collected(
    make: Make, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crew_core._controller import controller as module

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    controller = make(workers=2)
    monkeypatch.setattr(module, "wait_showing", interrupt)
    with pytest.raises(KeyboardInterrupt):
        controller.map(gate.hold, {"value": [1, 2, 3]})
    monkeypatch.undo()
    assert controller.size == 3
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert sorted(table["result"]) == [1, 2, 3]


def test_a_queued_task_of_map_takes_less_than_a_kilobyte(make: Make) -> None:
    controller = make(workers=1)
    controller.descale()
    count = 5000
    values = list(range(count))

    def run() -> None:
        controller.map(abs_of, {"x": values}, error="silent")

    controller.start()
    tracemalloc.start()
    try:
        mapping = threading.Thread(target=run)
        mapping.start()
        assert crew.retry(lambda: controller.unresolved == count)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    controller.cancel(all=True)
    mapping.join(SECONDS)
    assert 50 < taken / count < 1024


def abs_of(x: int) -> int:
    return abs(x)


def test_an_unreadable_result_leaves_the_table_of_map_to_the_records(make: Make) -> None:
    controller = make(workers=1)
    table = controller.map(unreadable_if, {"x": [0, 1]}, error="silent")
    assert list(table["status"]) == ["success", "error"]
    assert controller.empty


class Unreadable:
    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise RuntimeError("not here")


def unreadable_if(x: int) -> Any:
    return Unreadable() if x else None
