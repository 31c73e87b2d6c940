"""Segments: written, mapped and used again by whoever has their names; gone when nobody is left."""

from __future__ import annotations

import errno
import gc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crew_core._wire.segments import directory, store
from crew_core._wire.segments.directory import sweep
from crew_core._wire.segments.lock import Hold, remove_left_over
from crew_core._wire.segments.store import SegmentStore, length, split

MEGABYTE = 1 << 20


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the directories of this test are, and no others."""
    base = tmp_path / "base"
    monkeypatch.setattr(directory, "_base", lambda: base)
    monkeypatch.setattr(os.path, "ismount", lambda _path: True)
    return base


@pytest.fixture
def place(base: Path) -> Iterator[Path]:
    """A directory that is held."""
    made = directory.make()
    assert made is not None
    yield made[0]
    made[1].release()


def views(*payloads: bytes) -> list[memoryview]:
    return [memoryview(payload) for payload in payloads]


def files(place: Path) -> list[str]:
    return sorted(path.name for path in place.rglob("*") if path.is_file())


def put_aside(place: Path) -> list[Path]:
    return sorted((place / store.FREE).iterdir())


def written(writer: SegmentStore, *payloads: bytes) -> str:
    name = writer.write(views(*payloads))
    assert name is not None
    writer.publish(name)
    return name


# ── Contents ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("payloads", [(b"one",), (b"a" * 100, b"b" * 64, b"c")])
def test_another_process_store_finds_what_was_written(
    place: Path, payloads: tuple[bytes, ...]
) -> None:
    name = written(SegmentStore(str(place), "a"), *payloads)
    sizes = [len(payload) for payload in payloads]
    reader = SegmentStore(str(place), "b")
    assert [bytes(v) for v in split(reader.map(name, length(sizes)), sizes)] == list(payloads)
    assert [bytes(v) for v in split(reader.read(name, length(sizes)), sizes)] == list(payloads)


@pytest.fixture
def no_descriptors() -> Iterator[Callable[[], None]]:
    """Lets this process open no further file, until the end of the test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def forbid() -> None:
        gc.disable()  # what others left behind is not to close any file now
        first_free = os.open(os.devnull, os.O_RDONLY)
        os.close(first_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, before[1]))

    yield forbid
    gc.enable()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_who_has_no_descriptor_left_still_finds_what_was_written(
    place: Path, no_descriptors: Callable[[], None]
) -> None:
    name = written(SegmentStore(str(place), "a"), b"large")
    reader = SegmentStore(str(place), "b")
    no_descriptors()
    with pytest.raises(OSError, match="open files"):
        reader.map(name, 5)
    for _ in range(2):
        assert bytes(split(reader.map_or_read(name, 5), [5])[0]) == b"large"


def test_so_does_who_has_none_left_at_its_first_segment(place: Path) -> None:
    name = written(SegmentStore(str(place), "a"), b"large")
    program = f"""
import os, resource
from crew_core._wire.segments.store import SegmentStore
reader = SegmentStore({str(place)!r}, "b")
free = os.open(os.devnull, os.O_RDONLY)
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
print(bytes(reader.map_or_read({name!r}, 5)[:5]).decode())
"""

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (done.stdout, done.returncode) == ("large\n", 0), done.stderr


def test_a_reader_waits_for_a_descriptor_that_another_thread_has_taken(
    place: Path, no_descriptors: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = written(SegmentStore(str(place), "a"), b"large")
    reader = SegmentStore(str(place), "b")
    no_descriptors()
    reader.let_go()
    taken = [os.open(os.devnull, os.O_RDONLY)]
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    with pytest.raises(OSError, match="open files"):
        reader.map_or_read(name, 5)
    assert len(naps) > 1  # not for ever
    monkeypatch.setattr(time, "sleep", lambda _seconds: os.close(taken.pop()))
    assert bytes(split(reader.map_or_read(name, 5), [5])[0]) == b"large"


def test_what_a_reader_changes_is_seen_by_nobody_else(place: Path) -> None:
    one = SegmentStore(str(place), "a")
    name = written(one, b"before")
    mine, other = one.map(name, 6), one.map(name, 6)
    mine[:] = b"after!"
    assert (mine[:], other[:]) == (b"after!", b"before")


def test_it_is_nobodys_before_it_is_published(place: Path) -> None:
    one = SegmentStore(str(place), "a")
    name = one.write(views(b"part"))
    assert name is not None
    with pytest.raises(FileNotFoundError):
        one.map(name, 4)
    one.withdraw(name)
    assert files(place) == []


def test_who_maps_a_segment_keeps_what_it_sees(place: Path) -> None:
    one = SegmentStore(str(place), "a")
    name = written(one, b"here")
    mapping = one.map(name, 4)
    one.discard(name)
    assert files(place) == []
    assert mapping[:] == b"here"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_a_name_is_no_path(place: Path, name: str) -> None:
    (place.parent / "secret").write_text("secret")
    with pytest.raises(FileNotFoundError):
        SegmentStore(str(place), "a").map(name, 1)


def test_one_that_is_too_short_is_refused_and_not_read_beyond_its_end(place: Path) -> None:
    one = SegmentStore(str(place), "a")
    name = written(one, b"four")
    with pytest.raises(ValueError, match="length"):
        one.map(name, 5)
    with pytest.raises(OSError, match="ends after 4 of 5 bytes"):
        one.read(name, 5)


# ── Use and use again ──────────────────────────────────────────────────────────────────────────


def test_the_next_writer_takes_what_was_put_aside(place: Path) -> None:
    one, two = SegmentStore(str(place), "a"), SegmentStore(str(place), "b")
    name = written(one, b"x" * 1000)
    number = (place / name).stat().st_ino
    two.recycle(name)
    assert (place / written(two, b"y" * 900)).stat().st_ino == number
    assert put_aside(place) == []


def test_a_much_larger_or_a_smaller_one_is_left_aside(place: Path) -> None:
    one = SegmentStore(str(place), "a")
    one.recycle(written(one, b"x" * 1000))
    written(one, b"y" * 100)
    written(one, b"z" * 2000)
    assert len(put_aside(place)) == 1


def test_of_two_who_want_the_same_one_gets_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = SegmentStore(str(place), "a"), SegmentStore(str(place), "b")
    one.recycle(written(one, b"x" * 1000))
    seen = list(one._put_aside())
    written(two, b"y" * 1000)
    monkeypatch.setattr(one, "_put_aside", lambda: iter(seen))
    name = written(one, b"z" * 1000)
    assert one.map(name, 1000)[:] == b"z" * 1000


def test_only_so_much_is_put_aside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_memory", lambda _directory: (8 * 2500, 8 * 2500))
    one = SegmentStore(str(place), "a")
    names = [written(one, b"x" * 1000) for _ in range(4)]
    for name in names:
        one.recycle(name)
    assert len(put_aside(place)) == 2
    assert len(files(place)) == 2


def test_part_of_the_memory_is_left_to_others(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_memory", lambda _directory: (4000, 1999))
    one = SegmentStore(str(place), "a")
    assert one.write(views(b"x" * 999)) is not None
    assert one.write(views(b"x" * 1000)) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_full_memory_is_no_room_and_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", full)
    assert SegmentStore(str(place), "a").write(views(b"x" * 1000)) is None
    assert files(place) == []


def test_who_is_interrupted_while_it_writes_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SegmentStore(str(place), "a").write(views(b"x" * 1000))
    assert files(place) == []


def test_without_its_directory_there_is_no_room(place: Path) -> None:
    one = SegmentStore(str(place / "gone"), "a")
    assert one.write(views(b"x")) is None
    one.recycle("a.0")
    one.discard("a.0")
    one.discard_parts("a.")


def test_what_a_dead_writer_did_not_finish_is_removed_and_nothing_else(place: Path) -> None:
    dead, other = SegmentStore(str(place), "i1.7"), SegmentStore(str(place), "i10.8")
    whole = written(dead, b"whole")
    dead.write(views(b"part"))
    kept = other.write(views(b"another's"))
    other.discard_parts("i1.")
    assert files(place) == sorted([whole, f"{kept}.part"])


def test_a_forked_child_frees_nothing(place: Path) -> None:
    one = SegmentStore(str(place), "a")
    name = written(one, b"x" * 1000)
    pid = os.fork()
    if pid == 0:
        one.recycle(name)
        one.discard(name)
        os._exit(one.write(views(b"y")) is not None)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert files(place) == [name]


# ── Directories ────────────────────────────────────────────────────────────────────────────────


HOLDER = """
import sys
from crew_core._wire.segments.lock import Hold
hold = Hold(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Starts a process that holds a directory."""
    started: list[subprocess.Popen[bytes]] = []

    def start(path: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_directory_is_private_and_named_after_its_maker(place: Path) -> None:
    assert place.stat().st_mode & 0o777 == 0o700
    assert place.name.startswith(f"{os.getpid()}-")


def test_one_that_is_held_is_spared_and_one_that_was_is_removed(
    base: Path, holder: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    made = directory.make()
    assert made is not None
    place, hold = made
    other = holder(place)
    assert not remove_left_over(place)
    hold.release()
    assert not remove_left_over(place)
    other.kill()
    other.wait()
    assert remove_left_over(place)
    assert not place.exists()


def test_who_is_about_to_let_go_is_waited_for(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = directory.make()
    assert made is not None
    place, hold = made
    monkeypatch.setattr(time, "sleep", lambda _seconds: hold.release())
    assert not remove_left_over(place)
    assert remove_left_over(place, 30.0)
    assert not place.exists()


def test_nobody_waits_for_what_another_has_removed(base: Path) -> None:
    assert not remove_left_over(base / "1-gone", float("inf"))


def test_a_new_one_sweeps_away_what_is_left_over(base: Path, place: Path) -> None:
    left = base / "1-0badcafe"
    (left / store.FREE).mkdir(parents=True)
    (left / "client.1.0").write_bytes(b"left")
    made = directory.make()
    assert made is not None
    made[1].release()
    assert not left.exists()
    assert place.is_dir()


def test_one_that_is_being_made_is_spared_until_it_is_old(base: Path, place: Path) -> None:
    new = base / "new-1"
    new.mkdir()
    assert sweep() == []
    os.utime(new, (0, 0))
    assert sweep() == [new]


def test_what_is_not_a_directory_of_ours_is_spared(base: Path, place: Path) -> None:
    (base / "file").write_text("mine")
    (base / "link").symlink_to(base.parent)
    assert sweep() == []
    assert base.parent.is_dir()


def test_there_is_none_where_others_may_look_in(base: Path) -> None:
    base.mkdir(mode=0o755)
    base.chmod(0o755)
    assert directory.make() is None


def test_there_is_none_without_such_memory(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda _path: False)
    assert directory.make() is None


def test_a_forked_child_does_not_hold_it(place: Path) -> None:
    hold = Hold(place)
    pid = os.fork()
    if pid == 0:
        hold.release()
        os._exit(remove_left_over(place))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    hold.release()
    assert place.is_dir()
