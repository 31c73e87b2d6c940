"""Reads the logs of several workers as they grow, line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from crew_core._wire.capped_log import read_log, read_since

_POLL_SECONDS = 0.2


class Tail:
    """The growing log of one worker.

    Args:
        path: of its first file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._rest = b""
        self._seen: tuple[int, ...] = ()

    @property
    def instance(self) -> str:
        """Whose log it is."""
        return self.path.stem

    def skip(self, lines: int) -> list[str]:
        """What is there already: the last so many lines of it."""
        there = self.more()
        return there[-lines:] if lines else []

    def more(self) -> list[str]:
        """Whole lines that have come since the last time."""
        sizes = _sizes(self.path)
        if sizes == self._seen:
            return []
        self._seen = sizes
        data, self._position = read_since(self.path, self._position)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def rest(self) -> list[str]:
        """The last line, if it has no end yet."""
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest else []


def follow(
    find: Callable[[], list[Path]], lines: int, is_over: Callable[[], bool]
) -> Iterator[tuple[str, str]]:
    """Yield lines of logs as they come, each with its worker's instance. Blocks until it is over.

    Args:
        find: the logs that there are now.
        lines: how many of those that are there already to begin with, for each log.
        is_over: nothing will come any more.
    """
    tails: dict[Path, Tail] = {}
    for path in find():
        tails[path] = Tail(path)
        yield from ((tails[path].instance, line) for line in tails[path].skip(lines))
    over = False
    while not over:
        over = is_over()  # asked first: what was written before is read below
        for path in find():
            tail = tails.setdefault(path, Tail(path))
            yield from ((tail.instance, line) for line in tail.more())
        if not over:
            time.sleep(_POLL_SECONDS)
    for tail in tails.values():
        yield from ((tail.instance, line) for line in tail.rest())


def last_lines(path: Path, lines: int | None) -> list[str]:
    """The end of a log, or all of it."""
    found = read_log(path).splitlines()
    return found if lines is None else found[-lines:]


def _sizes(path: Path) -> tuple[int, ...]:
    """Change whenever something is written."""
    found: list[int] = []
    for suffix in ("", ".1", ".2"):
        try:
            status = path.with_name(path.name + suffix).stat()
        except OSError:
            found.append(-1)
        else:
            found += [status.st_size, status.st_mtime_ns]
    return tuple(found)
