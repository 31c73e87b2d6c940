"""What strangers do is told, but not as often as they do it, nor in words that do harm."""

from __future__ import annotations

import pytest

from crew_core._wire.notices import on_one_line, warn
from crew_core._wire.restraint import SECONDS_BETWEEN, TOLD_ONE_BY_ONE, Restraint


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_are_told_one_by_one() -> None:
    restraint = Restraint(Clock())
    told = [restraint.tells() for _ in range(1000)]
    assert told == [True] * TOLD_ONE_BY_ONE + [False] * (1000 - TOLD_ONE_BY_ONE)
    assert restraint.count == 1000


def test_later_one_is_told_now_and_then_however_many_there_are() -> None:
    clock = Clock()
    restraint = Restraint(clock)
    for _ in range(TOLD_ONE_BY_ONE):
        restraint.tells()
    told = 0
    for _ in range(10):
        clock.now += SECONDS_BETWEEN
        told += sum(restraint.tells() for _ in range(500))
    assert told == 10


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, and wörter", "plain words, and wörter"),
        ("one\ncrew: forged", "one\\ncrew: forged"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\u202ebackwards", "\\u202ebackwards"),
        ("x" * 5000, "x" * 1000),
        ("\n" * 5000, "\\n" * 500),
    ],
)
def test_a_strangers_words_stay_on_one_line(text: str, shown: str) -> None:
    assert on_one_line(text) == shown


def test_a_notice_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    warn("a stranger said\r\ncrew: all is well\x07")
    assert capsys.readouterr().err == "crew: a stranger said\\r\\ncrew: all is well\\x07\n"
