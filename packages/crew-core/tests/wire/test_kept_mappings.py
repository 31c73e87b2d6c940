"""Mappings that are kept: what is written and read through them is what is in the files."""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crew_core._wire.segments import kept, store
from crew_core._wire.segments.kept import KEPT_FROM, KeptMappings, is_clean
from crew_core._wire.segments.store import FREE, SegmentStore

SIZE = 2 * KEPT_FROM
PLENTY = 1 << 40

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/pagemap"), reason="this system does not tell who wrote to pages"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / FREE).mkdir()
    return tmp_path


@pytest.fixture
def stores(place: Path) -> Callable[[], SegmentStore]:
    """Makes stores of one place, each as another process would."""
    letters = itertools.count()
    return lambda: SegmentStore(str(place), f"writer{next(letters)}")


def content(number: int, size: int = SIZE) -> bytes:
    return number.to_bytes(4, "big") * (size // 4)


def written(writer: SegmentStore, *payloads: bytes) -> str:
    name = writer.write([memoryview(payload) for payload in payloads])
    assert name is not None
    writer.publish(name)
    return name


def shown(reader: SegmentStore, name: str, size: int = SIZE) -> bytes:
    return bytes(reader.read(name, size))


# ── To write ───────────────────────────────────────────────────────────────────────────────────


def test_each_use_has_its_own_content(place: Path, stores: Callable[[], SegmentStore]) -> None:
    one, other = stores(), stores()
    numbers = set()
    for turn in range(6):  # new, mapped for the first time, and through the mapping that was kept
        name = written(one if turn != 4 else other, content(turn))
        assert shown(other, name) == content(turn)
        numbers.add((place / name).stat().st_ino)
        other.recycle(name)
    assert len(numbers) == 1


def test_several_buffers_are_where_they_would_be_otherwise(
    stores: Callable[[], SegmentStore],
) -> None:
    one, other = stores(), stores()
    for turn in range(4):
        payloads = [content(turn), b"x" * (turn + 1), content(turn + 100)]
        name = written(one, *payloads)
        sizes = [len(payload) for payload in payloads]
        found = store.split(other.read(name, store.length(sizes)), sizes)
        assert [bytes(view) for view in found] == payloads
        other.recycle(name)


def test_a_writer_takes_the_file_that_it_maps(
    place: Path, stores: Callable[[], SegmentStore]
) -> None:
    one, other = stores(), stores()
    for _ in range(2):
        name = written(one, content(1))
        mine = (place / name).stat().st_ino
        one.recycle(name)
    taken = written(other, content(2))  # the only one that is put aside
    smaller = written(other, content(3, SIZE - 4096))
    other.recycle(taken)
    other.recycle(smaller)
    assert (place / written(one, content(4, SIZE - 4096))).stat().st_ino == mine


def test_one_that_grew_in_other_hands_is_mapped_anew(
    place: Path, stores: Callable[[], SegmentStore]
) -> None:
    one = stores()
    for _ in range(2):
        name = written(one, content(1))
        one.recycle(name)
    (free,) = (place / FREE).iterdir()
    number = free.stat().st_ino
    with free.open("ab") as file:
        file.write(content(0))
    free.rename(free.with_name(f"{2 * SIZE}-{number}"))
    name = written(one, content(2, 2 * SIZE))
    assert (place / name).stat().st_ino == number
    assert shown(one, name, 2 * SIZE) == content(2, 2 * SIZE)


def test_what_is_removed_while_others_keep_a_mapping_takes_no_memory(
    place: Path, stores: Callable[[], SegmentStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = stores(), stores()
    for _ in range(2):
        name = written(one, content(1))
        with (place / name).open("rb") as file:
            one.recycle(name)
            name = written(one, content(2))  # which keeps a mapping
            monkeypatch.setattr(store, "_PUT_ASIDE_FILES", 0)
            other.recycle(name)
            assert os.fstat(file.fileno()).st_size == 0
        assert not (place / name).exists()
        monkeypatch.setattr(store, "_PUT_ASIDE_FILES", 64)
    name = written(one, content(3))
    assert shown(other, name) == content(3)


def test_a_writer_keeps_no_mapping_of_what_it_removes(
    stores: Callable[[], SegmentStore],
) -> None:
    one = stores()
    for _ in range(2):
        name = written(one, content(1))
        one.recycle(name)
    name = written(one, content(1))
    assert len(one._to_write._kept) == 1
    one.discard(name)
    assert len(one._to_write._kept) == 0


def test_an_interrupted_write_leaves_nothing(
    place: Path, stores: Callable[[], SegmentStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    one = stores()
    one.recycle(written(one, content(1)))
    monkeypatch.setattr(store, "_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        one.write([memoryview(content(2))])
    assert [path for path in place.rglob("*") if path.is_file()] == []


# ── To read ────────────────────────────────────────────────────────────────────────────────────


def borrowed(reader: SegmentStore, name: str) -> mmap.mmap:
    found = reader.borrow(name, SIZE)
    assert isinstance(found, mmap.mmap)
    return found


def test_a_mapping_that_was_given_back_shows_the_next_content(
    stores: Callable[[], SegmentStore],
) -> None:
    client, worker = stores(), stores()
    name = written(client, content(1))
    first = borrowed(worker, name)
    assert first[:] == content(1)
    worker.give_back(name, first)
    client.recycle(name)
    name = written(client, content(2))
    second = borrowed(worker, name)
    assert second is first
    assert second[:] == content(2)


@pytest.mark.parametrize("where", [0, SIZE // 2, SIZE - 1])
def test_one_that_was_written_to_is_not_shown_again(
    stores: Callable[[], SegmentStore], where: int
) -> None:
    client, worker = stores(), stores()
    name = written(client, content(1))
    first = borrowed(worker, name)
    first[where] = 7
    worker.give_back(name, first)
    client.recycle(name)
    name = written(client, content(2))
    assert borrowed(worker, name)[:] == content(2)


def test_what_is_borrowed_is_nobody_elses(stores: Callable[[], SegmentStore]) -> None:
    client, worker = stores(), stores()
    name = written(client, content(1))
    worker.give_back(name, borrowed(worker, name))
    one, other = borrowed(worker, name), borrowed(worker, name)
    assert one is not other


def test_a_mapping_is_clean_until_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(1, SIZE + 4))
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), SIZE + 4, access=mmap.ACCESS_COPY)
    assert is_clean(mapping)
    assert mapping[:] == content(1, SIZE + 4)
    assert is_clean(mapping)
    mapping[SIZE + 3] = 1
    assert not is_clean(mapping)


def test_where_that_cannot_be_told_it_counts_as_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(1))
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_COPY)
    monkeypatch.setattr(kept, "_PAGES", str(tmp_path / "none"))
    assert not is_clean(mapping)
    (tmp_path / "none").write_bytes(b"")
    assert not is_clean(mapping)


# ── How many ───────────────────────────────────────────────────────────────────────────────────


def test_the_ones_used_last_are_kept() -> None:
    mappings = KeptMappings()
    for number in range(6):
        mappings.keep(number, mmap.mmap(-1, SIZE), PLENTY)
    assert [number in mappings for number in range(6)] == [False, False, True, True, True, True]
    mappings.keep(6, mmap.mmap(-1, SIZE), 2 * SIZE)
    assert [number for number in range(7) if number in mappings] == [5, 6]


def test_neither_small_nor_too_large_ones_are_kept() -> None:
    mappings = KeptMappings()
    mappings.keep(1, mmap.mmap(-1, KEPT_FROM - 1), PLENTY)
    mappings.keep(2, mmap.mmap(-1, SIZE), SIZE - 1)
    assert 1 not in mappings
    assert 2 not in mappings


def test_one_that_is_too_short_is_not_used() -> None:
    mappings = KeptMappings()
    mappings.keep(1, mmap.mmap(-1, SIZE), PLENTY)
    assert mappings.take(1, SIZE + 1) is None
    assert 1 not in mappings
