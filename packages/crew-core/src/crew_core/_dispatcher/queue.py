"""The order in which tasks wait: larger priority first, then first come first served. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from crew_core._dispatcher.ledger import Entry, Ledger, Place


class TaskQueue:
    """Tasks that wait for a worker.

    A task that leaves the queue out of turn (cancelled, timed out) is finished in the ledger and
    counted off here; it is skipped when its turn comes.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lanes: dict[int, deque[Entry]] = {}
        self._priorities: list[int] = []  # of the lanes, largest first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, entry: Entry) -> None:
        """Add new tasks behind those of their priority."""
        self._enter(entry).append(entry)

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put tasks that were handed out in front again, in this order."""
        for entry in reversed(list(entries)):
            self._enter(entry).appendleft(entry)

    def drop(self, entry: Entry) -> None:
        """Count off one of its tasks, which leaves out of turn."""
        entry.gone += 1
        self._size -= 1

    def head(self) -> Entry | None:
        """The tasks whose turn it is, left in place."""
        if not self._size:
            return None
        return next(self._live_lanes())[0]

    def take(self, count: int, seconds_left: float | None = None) -> list[Entry]:
        """Take up to ``count`` tasks off the front, at most one worker's share.

        Tasks that expect to run longer than ``seconds_left`` keep their place.
        """
        taken: list[Entry] = []
        kept: list[Entry] = []
        for lane in self._live_lanes():
            while count and lane:
                entry = lane.popleft()
                if entry.gone:
                    lane.extendleft(reversed(self._ledger.rest(entry)))
                elif _too_long(entry, seconds_left):
                    kept.append(entry)
                else:
                    if len(entry) > count:
                        lane.appendleft(entry)
                        entry = self._ledger.split(entry, count)
                    taken.append(entry)
                    count -= len(entry)
            if not count:
                break
        self._size -= sum(map(len, taken)) + sum(map(len, kept))
        self.put_back(kept)
        return taken

    def _enter(self, entry: Entry) -> deque[Entry]:
        entry.place = Place.QUEUED
        self._size += len(entry)
        priority = entry.batch.priority
        lane = self._lanes.get(priority)
        if lane is None:
            lane = self._lanes[priority] = deque()
            self._priorities = sorted(self._lanes, reverse=True)
        return lane

    def _live_lanes(self) -> Iterator[deque[Entry]]:
        for priority in self._priorities:
            lane = self._lanes[priority]
            while lane and lane[0].gone:
                lane.extendleft(reversed(self._ledger.rest(lane.popleft())))
            if lane:
                yield lane


def _too_long(entry: Entry, seconds_left: float | None) -> bool:
    expected = entry.batch.seconds_expected
    return expected is not None and seconds_left is not None and expected > seconds_left
