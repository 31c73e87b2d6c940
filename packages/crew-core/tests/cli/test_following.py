"""A log that grows is read line by line, also while its parts are used in turns and joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_core._cli.following import Tail, follow
from crew_core._wire.capped_log import CappedLog, read_since


def test_what_is_new_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "i1.log"
    log = CappedLog(path, 1000)
    log.write(b"one\n")
    assert read_since(path, 0) == (b"one\n", 4)
    log.write(b"two\n")
    assert read_since(path, 4) == (b"two\n", 8)
    log.close()
    assert read_since(path, 8) == (b"", 8)


@pytest.mark.parametrize("step", [1, 7, 30])
def test_a_reader_who_keeps_up_misses_nothing(tmp_path: Path, step: int) -> None:
    path = tmp_path / "i1.log"
    log = CappedLog(path, 400)
    written, seen, position = b"", b"", 0
    for number in range(200):
        line = b"line %d\n" % number
        log.write(line)
        written += line
        if number % step == 0 or number == 199:
            new, position = read_since(path, position)
            seen += new
    assert position == len(written)
    if step < 10:
        assert seen == written
    else:
        assert b"bytes left out here" in seen
    assert seen.endswith(b"line 199\n")
    log.close()
    assert read_since(path, position) == (b"", position)


def test_a_reader_who_comes_late_reads_the_end_of_a_joined_log(tmp_path: Path) -> None:
    path = tmp_path / "i1.log"
    log = CappedLog(path, 400)
    for number in range(200):
        log.write(b"line %d\n" % number)
    _, position = read_since(path, 0)
    log.write(b"the last\n")
    log.close()
    assert read_since(path, position)[0] == b"the last\n"


def test_lines_come_whole(tmp_path: Path) -> None:
    path = tmp_path / "i1.log"
    path.write_text("one\ntw")
    tail = Tail(path)
    assert tail.more() == ["one"]
    with path.open("a") as file:
        file.write("o\nthree")
    assert tail.more() == ["two"]
    assert tail.more() == []
    assert tail.rest() == ["three"]


def test_all_logs_are_followed_until_it_is_over(tmp_path: Path) -> None:
    first, second = tmp_path / "i1.log", tmp_path / "i2.log"
    first.write_text("a\nb\nc\n")
    looks = iter([False, True])

    def is_over() -> bool:
        over = next(looks)
        if over:
            second.write_text("late\nunfinished")
        return over

    found = follow(lambda: sorted(tmp_path.glob("*.log")), 2, is_over)
    assert list(found) == [("i1", "b"), ("i1", "c"), ("i2", "late"), ("i2", "unfinished")]
