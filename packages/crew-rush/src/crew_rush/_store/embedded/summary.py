"""What networks hold as a few records, which take the place of all changes that led there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from crew_rush._store.embedded import messages as m
from crew_rush._store.embedded.book import Book, Entry, Lists
from crew_rush._store.embedded.networks import Network, Networks
from crew_rush._store.embedded.roster import Member

_TASKS_AT_ONCE = 1000
_EVENTS_AT_ONCE = 1000


class Kept(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of the records that are in journals only; each concerns one network."""

    network: str


class KeptEras(Kept, frozen=True):
    """How many eras there were, in all networks. The first record."""

    number: int


class KeptNetwork(Kept, frozen=True):
    """A network. What is in it follows."""

    era: str
    batches: list[str]
    resets: list[str]


class KeptWorkers(Kept, frozen=True):
    """All workers of a network."""

    members: list[Member]


class KeptTasks(Kept, frozen=True):
    """Some tasks of a network, in the order in which they came."""

    tasks: list[tuple[str, Entry]]


class KeptLists(Kept, frozen=True):
    """In which state a network's tasks are, in order. Follows them all."""

    lists: Lists


_Record = m.AnyRequest | KeptEras | KeptNetwork | KeptWorkers | KeptTasks | KeptLists
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_Record)
read_record = _decoder.decode


def summarize(networks: Networks) -> Iterator[object]:
    """Records that make the same networks again, each of a bearable size."""
    yield KeptEras("", networks.eras)
    for name, network in networks.all.items():
        yield from _summarize(name, network)


def restore(networks: Networks, record: Kept) -> None:
    """Do what a record says, after those before it."""
    if isinstance(record, KeptEras):
        networks.eras = record.number
    elif isinstance(record, KeptNetwork):
        network = networks.all[record.network] = Network(record.era)
        network.batches.update(record.batches)
        network.resets.update(record.resets)
    elif isinstance(record, KeptWorkers):
        networks.all[record.network].roster.put(record.members)
    elif isinstance(record, KeptTasks):
        networks.all[record.network].book.put(record.tasks)
    elif isinstance(record, KeptLists):
        networks.all[record.network].book.arrange(record.lists)


def _summarize(name: str, network: Network) -> Iterator[object]:
    yield KeptNetwork(name, network.book.era, sorted(network.batches), sorted(network.resets))
    for key, value in network.values.items():
        yield m.SetValue(name, key, value)
    for start in range(0, len(network.log), _EVENTS_AT_ONCE):
        # The batches are known already: by this name none has come.
        yield m.AddLog(name, f"kept-{start}", network.log[start : start + _EVENTS_AT_ONCE])
    yield KeptWorkers(name, network.roster.members())
    yield from _summarize_book(name, network.book)


def _summarize_book(name: str, book: Book) -> Iterator[object]:
    tasks: list[tuple[str, Entry]] = []
    size = 0
    for key, entry in book.entries():
        tasks.append((key, entry))
        size += sum(map(len, entry.fields.values()))
        if len(tasks) == _TASKS_AT_ONCE or size > m.PAGE_BYTES:
            yield KeptTasks(name, tasks)
            tasks, size = [], 0
    if tasks:
        yield KeptTasks(name, tasks)
    yield KeptLists(name, book.lists())
