"""The order in which tasks wait: larger priority first, then first come first served. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from crew_core._dispatcher.ledger import Entry, Ledger, Place

_STALE_HEADS = 8

_Needs = tuple[float | None, int]
"""What a task needs of a worker: how long it expects to run, and a step of the ladder."""


class TaskQueue:
    """Tasks that wait for a worker.

    A task that leaves the queue out of turn (cancelled, timed out) is finished in the ledger and
    counted off here; it is skipped when its turn comes.

    Attributes:
        entered: how often tasks have entered. A worker that finds nothing here finds nothing
            until this changes, as no worker's life gets longer.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.entered = 0
        self._ledger = ledger
        self._lines: dict[int, _Line] = {}
        self._priorities: list[int] = []  # of the lines, largest first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, entry: Entry) -> None:
        """Add new tasks behind those of their priority."""
        count = len(entry)
        lane = self._enter(entry).at_end(entry)
        self._size += count  # next to it, lest Ctrl-C comes between where a user's thread does this
        lane.append(entry)

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put tasks that were handed out in front again, in this order."""
        for entry in reversed(list(entries)):
            count = len(entry)
            line = self._enter(entry)
            lane = line.in_front(entry)
            self._size += count
            lane.appendleft(entry)
            line.note_head(entry)

    def drop(self, entry: Entry) -> None:
        """Count off one of its tasks, which leaves out of turn."""
        entry.gone += 1
        self._size -= 1

    def head(self, seconds_left: float | None = None, step: int = 0) -> Entry | None:
        """The tasks whose turn it is, left in place. As in ``take``."""
        for priority in self._priorities:
            if (entry := self._head(self._lines[priority], (seconds_left, step))) is not None:
                return entry
        return None

    def take(self, count: int, seconds_left: float | None = None, step: int = 0) -> list[Entry]:
        """Take up to ``count`` tasks off the front, at most one worker's share.

        Tasks that expect to run longer than ``seconds_left``, or need a higher step, keep their
        place.
        """
        taken: list[Entry] = []
        worker = (seconds_left, step)
        for priority in self._priorities:
            line = self._lines[priority]
            while count and (entry := self._head(line, worker)) is not None:
                if len(entry) > count:
                    entry = self._ledger.split(entry, count)
                else:
                    line.pop(entry)
                taken.append(entry)
                count -= len(entry)
            if not count:
                break
        self._size -= sum(map(len, taken))
        return taken

    def _head(self, line: _Line, worker: _Needs) -> Entry | None:
        """The next entry; none of its tasks is gone."""
        while (entry := line.head(worker)) is not None and entry.gone:
            line.replace(entry, self._ledger.rest(entry))
        return entry

    def _enter(self, entry: Entry) -> _Line:
        entry.place = Place.QUEUED
        self.entered += 1
        priority = entry.batch.priority
        line = self._lines.get(priority)
        if line is None:
            line = self._lines[priority] = _Line()
            self._priorities = sorted(self._lines, reverse=True)
        return line


class _Line:
    """Tasks of one priority, with a lane for each kind of needs.

    So those that are too much for a worker are passed by together, however many they are. Each
    entry has the number of its turn; where there are several lanes, a heap knows them by the turns
    of their heads. Often there is one.
    """

    def __init__(self) -> None:
        self._lanes: dict[_Needs, deque[Entry]] = {}
        self._heads: list[tuple[int, _Needs]] = []  # some of them out of date
        self._last = self._first = 0

    def at_end(self, entry: Entry) -> deque[Entry]:
        """Where to append an entry that comes last."""
        self._last += 1
        entry.turn = self._last
        lane = self._lane(entry)
        if not lane and len(self._lanes) > 1:
            heapq.heappush(self._heads, (entry.turn, _needs(entry)))
        return lane

    def in_front(self, entry: Entry) -> deque[Entry]:
        """Where to prepend an entry that comes first; ``note_head`` follows."""
        self._first -= 1
        entry.turn = self._first
        return self._lane(entry)

    def head(self, worker: _Needs) -> Entry | None:
        """The first entry that is not too much for this worker."""
        if len(self._lanes) > 1:
            return self._first_head(worker)
        for needs, lane in self._lanes.items():
            if lane and not _too_much(needs, worker):
                return lane[0]
        return None

    def pop(self, entry: Entry) -> None:
        """Remove the head of a lane."""
        lane = self._lanes[_needs(entry)]
        lane.popleft()
        self._settle(entry, lane)

    def replace(self, entry: Entry, parts: list[Entry]) -> None:
        """Put what is left of the head of a lane in its place."""
        for part in parts:
            part.turn = entry.turn
        lane = self._lanes[_needs(entry)]
        lane.popleft()
        lane.extendleft(reversed(parts))
        self._settle(entry, lane)

    def _first_head(self, worker: _Needs) -> Entry | None:
        heads = self._heads
        too_much: list[tuple[int, _Needs]] = []
        found: Entry | None = None
        while heads and found is None:
            turn, needs = heads[0]
            lane = self._lanes.get(needs)
            if not lane or lane[0].turn != turn:
                heapq.heappop(heads)
            elif _too_much(needs, worker):
                too_much.append(heapq.heappop(heads))
            else:
                found = lane[0]
        for head in too_much:
            heapq.heappush(heads, head)
        return found

    def _lane(self, entry: Entry) -> deque[Entry]:
        needs = _needs(entry)
        lane = self._lanes.get(needs)
        if lane is None:
            lane = self._lanes[needs] = deque()
            if len(self._lanes) == 2:
                self._note_all_heads()
        return lane

    def _settle(self, entry: Entry, lane: deque[Entry]) -> None:
        """After the head of a lane has left it."""
        if lane:
            self.note_head(lane[0])
        else:
            del self._lanes[_needs(entry)]

    def note_head(self, entry: Entry) -> None:
        """This entry is now the head of its lane."""
        if len(self._lanes) == 1:
            return
        heapq.heappush(self._heads, (entry.turn, _needs(entry)))
        if len(self._heads) > 2 * len(self._lanes) + _STALE_HEADS:
            self._note_all_heads()

    def _note_all_heads(self) -> None:
        self._heads = [(lane[0].turn, needs) for needs, lane in self._lanes.items() if lane]
        heapq.heapify(self._heads)


def _needs(entry: Entry) -> _Needs:
    return entry.batch.seconds_expected, entry.step


def _too_much(needs: _Needs, worker: _Needs) -> bool:
    (expected, step), (seconds_left, workers_step) = needs, worker
    if step > workers_step:
        return True
    return expected is not None and seconds_left is not None and expected > seconds_left
