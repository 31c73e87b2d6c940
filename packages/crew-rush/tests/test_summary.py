"""A journal that was made shorter leads to the same as the long one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crew_rush._model.errors import RushError, StoreError
from crew_rush._model.facts import LogEvent, Worker
from crew_rush._model.states import TaskState
from crew_rush._store.embedded import messages as m
from crew_rush._store.embedded.journal import Journal
from crew_rush._store.embedded.networks import Networks
from crew_rush._store.embedded.server import SHORTENED_FROM, Clerk
from crew_rush._store.embedded.summary import Kept, read_record, restore, summarize

network = st.sampled_from(["first", "second"])
key = st.sampled_from([f"k{number}" for number in range(6)])
worker = st.sampled_from(["one", "two"])
life = st.sampled_from(["life-1", "life-2"])
owner = st.none() | st.tuples(worker, life)
state = st.sampled_from(["queued", "running", "finished", "failed"])
final = st.sampled_from(["finished", "failed"])
word = st.sampled_from(["a", "b", "c"])


def member(worker_id: str, life: str) -> Worker:
    return Worker(worker_id, life, 1, "here", False, "local", "start-1")


request = st.one_of(
    st.builds(m.Attach, network, st.just(m.PROTOCOL), st.just(True)),
    st.builds(m.ResetData, network, word),
    st.builds(m.Reset, network),
    st.builds(m.SetValue, network, word, st.binary(max_size=3)),
    st.builds(m.Push, network, st.lists(st.tuples(key, st.just({"xs": b"x"}))), state, owner),
    st.builds(m.Pop, network, worker, life),
    st.builds(m.Begin, network, worker, life, key),
    st.builds(m.Decide, network, final, word, st.lists(st.tuples(key, st.just({"ys": b"y"})))),
    st.builds(m.EmptyQueue, network, st.just(b"removed")),
    st.builds(m.Register, network, st.builds(member, worker, life), st.just(60.0)),
    st.builds(m.EndWorker, network, worker, life, st.just("lost"), word),
    st.builds(m.Order, network, st.lists(worker), st.sampled_from(["terminate", "kill"])),
    st.builds(m.AddLog, network, word, st.just([LogEvent("one", 1.0, 20, "log", "text")])),
)


def perform(networks: Networks, asked: m.Request, now: float) -> object:
    try:
        return networks.perform(asked, now)
    except RushError as error:
        return str(error)


def all_that_shows(networks: Networks) -> list[object]:
    """What the networks answer to any question."""
    shown: list[object] = []
    for name in ("first", "second"):
        questions: list[m.Request] = [m.CountAll(name), m.Workers(name), m.ReadLog(name, 0, 99)]
        questions += [m.Keys(name, None), *(m.Keys(name, s.value) for s in TaskState)]
        questions += [m.Read(name, [f"k{number}" for number in range(6)])]
        questions += [m.ReadFinished(name, "", 0, 1 << 20)]
        questions += [m.GetValue(name, letter) for letter in "abc"]
        shown += [msgspec.to_builtins(perform(networks, asked, 0.0)) for asked in questions]
    return shown


def again(networks: Networks) -> Networks:
    """Those that a summary leads to."""
    made = Networks()
    for encoded in [m.encode(record) for record in summarize(networks)]:
        record: Any = read_record(encoded)
        if isinstance(record, Kept):
            restore(made, record)
        else:
            made.perform(record, 0.0)
    return made


@given(st.lists(request, max_size=40), st.lists(request, max_size=20))
@settings(max_examples=200, deadline=None)
def test_summary_leads_to_the_same_and_on_from_there(
    before: list[m.Request], after: list[m.Request]
) -> None:
    networks = Networks()
    for name in ("first", "second"):
        networks.perform(m.Attach(name, m.PROTOCOL, True), 0.0)
    for number, asked in enumerate(before):
        perform(networks, asked, float(number))
    other = again(networks)
    assert all_that_shows(other) == all_that_shows(networks)
    for number, asked in enumerate(after, len(before)):
        answers = [perform(some, asked, float(number)) for some in (networks, other)]
        assert msgspec.to_builtins(answers[0]) == msgspec.to_builtins(answers[1])
    assert all_that_shows(other) == all_that_shows(networks)


def ask(clerk: Clerk, *requests: m.Request) -> None:
    answers = clerk.answer([m.encode(asked) for asked in requests])
    assert all(isinstance(m.read_answer(answer), m.Good) for answer in answers)


def test_long_journal_is_short_after_the_next_begin(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    clerk = Clerk(journal)
    ask(clerk, m.Attach("n", m.PROTOCOL, True), m.Register("n", member("one", "life-1"), 60.0))
    count = SHORTENED_FROM // 2
    for number in range(count):
        task = [(f"k{number}", {"xs": b"x" * 200})]
        done = [(f"k{number}", {"ys": b"y"})]
        ask(
            clerk,
            m.Push("n", task, "running", ("one", "life-1")),
            m.Decide("n", "finished", f"try-{number}", done),
        )
    journal.close()
    long = path.stat().st_size

    journal = Journal(path)
    Clerk(journal)
    assert len(list(journal.read())) < 20
    journal.close()
    assert path.stat().st_size < long

    journal = Journal(path)
    answer = m.read_answer(Clerk(journal).answer([m.encode(m.CountAll("n"))])[0])
    assert isinstance(answer, m.Good)
    counts = msgspec.msgpack.decode(answer.value)
    assert counts == [0, 0, 0, count, 0, 1, 1]
    journal.close()


def test_journal_that_cannot_be_made_shorter_is_as_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    ask(Clerk(journal), m.Attach("n", m.PROTOCOL, True))
    before = list(journal.read())
    journal._database.execute("PRAGMA max_page_count=20")  # a disk that is full
    with pytest.raises(StoreError, match="smaller"):
        journal.replace((1.0, bytes(10_000)) for _ in range(100))
    assert list(journal.read()) == before
    journal.add([(2.0, b"more")])
    assert list(journal.read()) == [*before, (2.0, b"more")]
    journal.close()
