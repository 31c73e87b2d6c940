"""Tells in words, or as plain values, what a journal says: why there are so many workers. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from crew_core._controller.journal import Entry, Story

_HAPPENED = {
    "asked": "asked for {count} {workers}",
    "enough": "asked for none",
    "held": "asked for none yet",
    "waits": "{count} {jobs} waiting on the platform",
    "joined": "a worker joined",
    "left": "a worker left",
    "lost": "a worker was lost",
    "failed": "a launch came to nothing",
    "cancelled": "a worker was ended",
    "refused": "a launch failed",
    "stopped": "launching has stopped",
    "resumed": "launching goes on",
    "ended": "the session ended",
}
_DECISIONS = ("asked", "enough", "held")


class Line:
    """Entries that say the same, one after the other.

    Attributes:
        first: the first of them.
        times: how many there are.
    """

    def __init__(self, first: Entry) -> None:
        self.first = first
        self.times = 1

    def text(self) -> str:
        """As a person reads it."""
        clock = time.strftime("%H:%M:%S", time.gmtime(self.first.at))
        times = f" ({self.times} times)" if self.times > 1 else ""
        return f"{clock}  {words(self.first)}{times}"


def words(entry: Entry) -> str:
    """An entry as half a sentence."""
    plural = "" if entry.count == 1 else "s"
    said = _HAPPENED.get(entry.what, entry.what).format(
        count=entry.count, workers=f"worker{plural}", jobs=f"job{plural}"
    )
    return f"{said}: {entry.why}" if entry.why else said


def tell(story: Story, *, now: float, live: bool, lines: int = 20) -> str:
    """The account of a session, for a person.

    Args:
        story: what its journal says.
        now: seconds since 1970.
        live: its process is there.
        lines: how many of the latest entries to tell.
    """
    told = [_head(story, live=live)]
    if not story.entries:
        return "\n".join([*told, "no workers were asked for: there were no tasks yet"])
    told.append(_numbers(story, live=live))
    told += _why(story, now)
    latest = _merged(story.entries)[-lines:]
    return "\n".join([*told, "", "latest (UTC):", *(line.text() for line in latest)])


def tell_job(story: Story, job: str) -> str | None:
    """What is known of one of the platform's jobs, for a person; None: nothing."""
    about = [entry for entry in story.entries if job in entry.jobs]
    if not about:
        return None
    head = f"job {job} of controller {story.header.controller!r} on {story.header.launcher!r}"
    return "\n".join([f"{head} (UTC):", *(Line(entry).text() for entry in about)])


def facts(story: Story, *, live: bool, lines: int = 20) -> dict[str, Any]:
    """The same as plain values, for programs."""
    last = story.entries[-1] if story.entries else Entry(at=story.header.began, what="")
    stop = stopped(story)
    return {
        "controller": story.header.controller,
        "launcher": story.header.launcher,
        "pid": story.header.pid,
        "live": live,
        "workers": story.header.workers,
        "online": last.online if live else 0,
        "coming": last.coming if live else 0,
        "demand": last.demand,
        "stopped": None if stop is None else stop.why,
        "waiting": {job: entry.why for entry in waiting(story) for job in entry.jobs},
        "entries": [
            {"at": e.at, "what": e.what, "count": e.count, "why": e.why, "jobs": list(e.jobs)}
            for e in story.entries[-lines:]
        ],
    }


def stopped(story: Story) -> Entry | None:
    """Why launching has stopped, if it has."""
    for entry in reversed(story.entries):
        if entry.what == "stopped":
            return entry
        if entry.what in ("resumed", "asked", "ended"):
            return None
    return None


def waiting(story: Story) -> list[Entry]:
    """Why jobs wait that were waiting when they were last heard of; the latest reason of each."""
    moved: set[str] = set()
    found: list[Entry] = []
    for entry in reversed(story.entries):
        if entry.what == "ended":
            return []
        if entry.what == "waits" and not moved.issuperset(entry.jobs):
            found.append(entry)
        moved |= set(entry.jobs)
    return found[::-1]


def _head(story: Story, *, live: bool) -> str:
    header = story.header
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(header.began))
    if live:
        state = f"process {header.pid}, since {began} UTC"
    else:
        how = "has ended" if story.has_ended else "was killed, or has died"
        state = f"process {header.pid} of {began} UTC {how}"
    return f"controller {header.controller!r} on {header.launcher!r}: {state}"


def _numbers(story: Story, *, live: bool) -> str:
    last = story.entries[-1]
    most = f"{story.header.workers} at most"
    tasks = f"{last.demand} tasks had not ended when something was last decided"
    if not live:
        return f"workers: none any more ({most}); {tasks}"
    return f"workers: {last.online} online, {last.coming} on their way, {most}; {tasks}"


def _why(story: Story, now: float) -> list[str]:
    decided = [entry for entry in story.entries if entry.what in _DECISIONS]
    told = []
    if decided:
        ago = max(0.0, now - decided[-1].at)
        told.append(f"last decision, {ago:.0f} s ago: {words(decided[-1])}")
    if (stop := stopped(story)) is not None:
        told.append(words(stop))
    for entry in waiting(story):
        names = ", ".join(entry.jobs[:3]) + (", ..." if len(entry.jobs) > 3 else "")
        told.append(f"{words(entry)} ({names})" if names else words(entry))
    return told


def _merged(entries: Sequence[Entry]) -> list[Line]:
    """Lines to tell: what was said several times in a row is one."""
    lines: list[Line] = []
    for entry in entries:
        before = lines[-1].first if lines else None
        if before is not None and (before.what, before.why) == (entry.what, entry.why):
            lines[-1].times += 1
        else:
            lines.append(Line(entry))
    return lines
