"""Which worker goes to which host, and which hosts are set aside. Pure: told what time it is.

::

    usable ──fails──► set aside for 1, 2, 4 … 60 s ──► tried again ──works──► usable
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
PAUSE_SECONDS_WITH_WORKERS = 4.0


@dataclass
class Entry:
    """What is known of a host.

    Attributes:
        slots: how many workers it takes; None: nobody has asked it yet.
        workers: how many of ours are on it.
        until: it is set aside until then.
        pause: how long it was set aside the last time.
        error: why.
        hopeless: nobody's waiting will mend that.
        busy: it is being asked for something, and gets nothing else meanwhile.
    """

    slots: int | None
    workers: int = 0
    until: float = float("-inf")
    pause: float = 0.0
    error: str = ""
    hopeless: bool = False
    busy: bool = False

    @property
    def room(self) -> int:
        """How many more it takes, as far as is known: at least one where nobody has asked."""
        return 1 if self.slots is None else max(0, self.slots - self.workers)


class Book:
    """All hosts of a launcher.

    Args:
        slots: by host, in the user's order; None: not known yet.
        pack: fill one host after the other, instead of spreading.
    """

    def __init__(self, slots: Mapping[str, int | None], *, pack: bool) -> None:
        self.hosts = {name: Entry(count) for name, count in slots.items()}
        self._pack = pack

    def usable(self, now: float) -> list[str]:
        """Hosts that are not set aside, in order."""
        return [name for name, entry in self.hosts.items() if entry.until <= now]

    def free(self, now: float) -> list[str]:
        """Those of them that are not being asked for something."""
        return [name for name in self.usable(now) if not self.hosts[name].busy]

    def to_ask(self, wanted: int, now: float) -> list[str]:
        """Hosts whose slots must be known before so many workers can be placed."""
        unknown = [name for name in self.free(now) if self.hosts[name].slots is None]
        if not self._pack:
            return unknown if wanted else []
        known = sum(
            self.hosts[name].room for name in self.free(now) if self.hosts[name].slots is not None
        )
        return unknown[: max(0, wanted - known)]

    def place(self, count: int, now: float) -> dict[str, int]:
        """How many of so many workers go to which host; those left out have to wait."""
        room = {
            name: self.hosts[name].room
            for name in self.free(now)
            if self.hosts[name].slots is not None
        }
        return _pack(room, count) if self._pack else _spread(room, count)

    def failed(self, name: str, now: float, error: str, *, hopeless: bool = False) -> None:
        """A host did not do what it was asked: it is set aside, ever longer.

        One on which workers of ours run is tried often: they leave when they do not hear of us.
        """
        entry = self.hosts[name]
        longest = PAUSE_SECONDS_WITH_WORKERS if entry.workers else LONGEST_PAUSE_SECONDS
        entry.pause = min(longest, max(FIRST_PAUSE_SECONDS, 2 * entry.pause))
        if hopeless and not entry.workers:
            entry.pause = LONGEST_PAUSE_SECONDS
        entry.until = now + entry.pause
        entry.error, entry.hopeless = error, hopeless

    def worked(self, name: str) -> None:
        """A host did what it was asked."""
        entry = self.hosts[name]
        entry.until, entry.pause = float("-inf"), 0.0
        entry.error, entry.hopeless = "", False

    def done(self, name: str) -> None:
        """As ``worked``, unless it said meanwhile that it is full."""
        if self.hosts[name].error or self.hosts[name].until == float("-inf"):
            self.worked(name)

    def full(self, name: str, now: float) -> None:
        """Others of the same controller have its slots: it is asked again in a moment."""
        self.hosts[name].until = now + FIRST_PAUSE_SECONDS

    def errors(self, now: float) -> dict[str, str]:
        """Why hosts are set aside."""
        return {
            name: entry.error
            for name, entry in self.hosts.items()
            if entry.until > now and entry.error
        }

    def is_hopeless(self, now: float) -> bool:
        """True when all hosts are set aside, and none will come back by waiting."""
        entries = self.hosts.values()
        return all(entry.until > now and entry.hopeless for entry in entries)

    def next_time(self) -> float:
        """When the first host that is set aside is to be tried again."""
        times = [entry.until for entry in self.hosts.values() if entry.error]
        return min(times, default=float("inf"))


def _spread(room: Mapping[str, int], count: int) -> dict[str, int]:
    """Each worker to the host with the most room; the first of several."""
    left = dict(room)
    placed: dict[str, int] = {}
    for _ in range(min(count, sum(left.values()))):
        name = max(left, key=lambda each: left[each])
        left[name] -= 1
        placed[name] = placed.get(name, 0) + 1
    return placed


def _pack(room: Mapping[str, int], count: int) -> dict[str, int]:
    """One host after the other."""
    placed: dict[str, int] = {}
    for name, free in room.items():
        if taken := min(free, count - sum(placed.values())):
            placed[name] = taken
    return placed


def shown(errors: Mapping[str, str]) -> str:
    """Errors of hosts, for a person: once each, with whom they concern."""
    by_text: dict[str, list[str]] = {}
    for name, text in errors.items():
        by_text.setdefault(text.replace(name, "HOST"), []).append(name)
    lines = []
    for names in by_text.values():
        more = f" (and so for {', '.join(names[1:])})" if len(names) > 1 else ""
        lines.append(errors[names[0]] + more)
    return "\n".join(lines)


def order(names: Sequence[str], placed: Mapping[str, int]) -> list[tuple[str, list[str]]]:
    """Which of these workers go to which host, in order."""
    left = list(names)
    shares = []
    for host, count in placed.items():
        shares.append((host, left[:count]))
        left = left[count:]
    return shares
