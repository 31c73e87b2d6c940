"""The order in which tasks wait: larger priority first, then first come first served. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from crew_core._dispatcher.ledger import Entry, Place


class TaskQueue:
    """Tasks that wait for a worker.

    An entry that leaves the queue out of turn (cancelled, timed out) is only marked by its
    ``place``; it is skipped when its turn comes.
    """

    def __init__(self) -> None:
        self._lanes: dict[int, deque[Entry]] = {}
        self._priorities: list[int] = []  # of the lanes, largest first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, entry: Entry) -> None:
        """Add a new task behind those of its priority."""
        self._enter(entry).append(entry)

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put tasks that were handed out in front again, in this order."""
        for entry in reversed(list(entries)):
            self._enter(entry).appendleft(entry)

    def drop(self) -> None:
        """Count off a task that leaves out of turn; its changed ``place`` gets it skipped."""
        self._size -= 1

    def head(self) -> Entry | None:
        """The task whose turn it is, left in place."""
        for lane in self._live_lanes():
            return lane[0]
        return None

    def take(self, count: int, seconds_left: float | None = None) -> list[Entry]:
        """Take up to ``count`` tasks off the front, at most one worker's share.

        Tasks that expect to run longer than ``seconds_left`` keep their place.
        """
        taken: list[Entry] = []
        kept: list[Entry] = []
        for lane in self._live_lanes():
            while lane and len(taken) < count:
                entry = lane.popleft()
                if entry.place is not Place.QUEUED:
                    continue
                (kept if _too_long(entry, seconds_left) else taken).append(entry)
            if len(taken) == count:
                break
        self._size -= len(taken) + len(kept)
        self.put_back(kept)
        return taken

    def _enter(self, entry: Entry) -> deque[Entry]:
        entry.place = Place.QUEUED
        self._size += 1
        priority = entry.task.priority
        lane = self._lanes.get(priority)
        if lane is None:
            lane = self._lanes[priority] = deque()
            self._priorities = sorted(self._lanes, reverse=True)
        return lane

    def _live_lanes(self) -> Iterator[deque[Entry]]:
        for priority in self._priorities:
            lane = self._lanes[priority]
            while lane and lane[0].place is not Place.QUEUED:
                lane.popleft()
            if lane:
                yield lane


def _too_long(entry: Entry, seconds_left: float | None) -> bool:
    expected = entry.task.seconds_expected
    return expected is not None and seconds_left is not None and expected > seconds_left
