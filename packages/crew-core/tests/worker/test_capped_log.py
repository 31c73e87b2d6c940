"""Logs of bounded size keep their beginning and their end, whatever dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crew_core._wire.capped_log import CappedLog, read_log


def test_a_short_log_is_kept_whole(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 1000)
    log.write(b"one\n")
    log.write(b"two")
    log.note("worker leaves")
    log.close()
    lines = read_log(tmp_path / "log").splitlines()
    assert lines[:2] == ["one", "two"]
    assert lines[2].startswith("crew: 20")
    assert lines[2].endswith("worker leaves")
    assert os.listdir(tmp_path) == ["log"]


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("size", [1, 7, 333, 100_000])
def test_a_long_log_keeps_its_beginning_and_its_end(
    tmp_path: Path, size: int, closed: bool
) -> None:
    text = b"".join(b"%07d\n" % i for i in range(12_500))
    log = CappedLog(tmp_path / "log", 4000)
    for start in range(0, len(text), size):
        log.write(text[start : start + size])
    if closed:
        log.close()
    seen = read_log(tmp_path / "log")
    log.close()
    head, _, rest = seen.partition("crew: ... ")
    missing, _, tail = rest.partition(" bytes left out here ...\n")
    assert head.encode() == text[:2000]
    assert text.endswith(tail.encode())
    assert 1000 <= len(tail) <= 2000
    assert int(missing) == len(text) - len(head) - len(tail)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=90), max_size=40))
def test_what_is_kept_and_what_is_missing_make_the_whole(pieces: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "log"
        log = CappedLog(path, 400)
        for piece in pieces:
            log.write(piece)
        log.close()
        whole, kept = b"".join(pieces), path.read_bytes()
        assert kept.startswith(whole[:200])
        assert kept == whole or len(whole) > 200
        assert kept.endswith(whole[-100:])


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from crew_core._wire.capped_log import CappedLog\n"
        "log = CappedLog(sys.argv[1], 400)\n"
        "for i in range(500): log.write(b'%04d\\n' % i)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], check=False)
    seen = read_log(tmp_path / "log")
    assert seen.startswith("0000\n0001\n")
    assert seen.endswith("0498\n0499\n")


def test_a_log_that_never_began_is_empty(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none") == ""


def test_an_existing_log_is_continued(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = CappedLog(tmp_path / "log", 1000)
        log.write(text)
        log.close()
    assert read_log(tmp_path / "log") == "one\ntwo\n"


def test_a_vanished_directory_ends_the_log_and_nothing_else(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    log = CappedLog(directory / "log", 100)
    (directory / "log").unlink()
    directory.rmdir()
    log.write(b"x" * 1000)
    assert isinstance(log.failed, OSError)
    log.write(b"more")
    log.close()


def test_bytes_that_are_no_text_can_be_read(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 1000)
    log.write(b"\xff\n")
    log.close()
    assert read_log(tmp_path / "log") == "\ufffd\n"
