"""The rules of tasks, with any sequence of what may happen: each task is in one place only."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from crew_rush._model.facts import as_field
from crew_rush._model.states import TaskState
from crew_rush._store.embedded.book import Book

KEYS = [f"k{number}" for number in range(8)]
WORKERS = ["one", "two"]

key = st.sampled_from(KEYS)
worker = st.sampled_from(WORKERS)
step = st.one_of(
    st.tuples(st.just("push"), key, st.sampled_from(["queued", "running", "finished", "failed"])),
    st.tuples(st.just("pop"), worker, st.just("")),
    st.tuples(st.just("begin"), worker, key),
    st.tuples(st.just("decide"), key, st.sampled_from(["finished", "failed"])),
    st.tuples(st.just("forsake"), worker, st.just("")),
    st.tuples(st.just("empty"), st.just(""), st.just("")),
)


def perform(book: Book, number: int, what: tuple[str, str, str]) -> None:
    name, first, second = what
    if name == "push":
        owner = "one" if second == "running" else ""
        book.push([(first, {"xs": b"x"})], TaskState(second), owner)
    elif name == "pop":
        book.pop(first)
    elif name == "begin":
        book.begin(first, second)
    elif name == "decide":
        book.decide(TaskState(second), f"try-{number}", [(first, {"ys": b"y"})])
    elif name == "forsake":
        book.forsake(first, as_field("gone"))
    else:
        book.empty_queue(as_field("removed"))


def where_all_are(book: Book) -> dict[str, str]:
    """The state of each task by the lists, which must agree with what each task says."""
    listed = [(key, state.value) for state in TaskState for key in book.keys(state)]
    assert max(Counter(key for key, _ in listed).values(), default=1) == 1
    found = dict(listed)
    assert sorted(found) == sorted(book.keys(None))
    assert book.states(list(found)) == list(found.values())
    return found


@given(st.lists(step, max_size=60))
@settings(max_examples=300, deadline=None)
def test_each_task_is_in_one_state_and_a_final_one_stays(steps: list[tuple[str, str, str]]) -> None:
    book = Book("1")
    before: dict[str, str] = {}
    for number, what in enumerate(steps):
        perform(book, number, what)
        now = where_all_are(book)
        assert set(before) <= set(now), "a task was lost"
        for known, state in before.items():
            if TaskState(state).final:
                assert now[known] == state
        before = now


@given(st.lists(step, max_size=60))
@settings(max_examples=100, deadline=None)
def test_asked_twice_is_as_asked_once(steps: list[tuple[str, str, str]]) -> None:
    once, twice = Book("1"), Book("1")
    for number, what in enumerate(steps):
        perform(once, number, what)
        perform(twice, number, what)
        perform(twice, number, what)
    assert where_all_are(once) == where_all_are(twice)
    assert once.keys(TaskState.FINISHED) == twice.keys(TaskState.FINISHED)


def test_waiting_and_begun_tasks_of_a_lost_worker_part_ways() -> None:
    book = Book("1")
    book.push([("a", {}), ("b", {}), ("c", {})], TaskState.QUEUED, "")
    first = book.pop("one")
    assert first is not None
    book.begin("one", first.key)
    book.pop("one")
    book.forsake("one", as_field("gone"))
    assert where_all_are(book) == {"b": "queued", "c": "queued", "a": "failed"}
    assert book.keys(TaskState.QUEUED) == ["b", "c"]
