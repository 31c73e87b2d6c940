"""When to look at the queue, and what to make of what is there and what is not. Pure.

A job that a look does not show is not dead: the scheduler may list it late, or have forgotten it::

    launched ──► never seen ──► seen (pending, running) ──► final: stays so
                     │                   │
                     └── missing twice ──┴──► final: "vanished"

Looks come soon after something changed, and then ever later. Who drives it says what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from crew_cluster._cluster.reports import UNKNOWN, Report
from crew_core.plugins import JobState, Looks, Pace

VANISHED = "VANISHED"
"""The raw state of a job that the scheduler lists no more and tells nothing of."""

_LOOKS = 2
"""So many looks in a row must miss a job."""

_UNSEEN_SECONDS = 10.0
"""A job that was never seen counts as vanished only after so many seconds."""


@dataclass
class _Entry:
    since: float
    report: Report = UNKNOWN
    last: Report = UNKNOWN  # of when it was seen
    seen: bool = False
    misses: int = 0
    wanted: bool = False
    looked: bool = False


class Watch:
    """All that is known of the jobs of one launcher.

    Args:
        pace: how often to look.
    """

    def __init__(self, pace: Pace) -> None:
        self._looks = Looks(pace)
        self._entries: dict[str, _Entry] = {}

    def launched(self, jobs: Iterable[str], now: float) -> None:
        """New jobs: they are given a moment to start before the first look."""
        for job in jobs:
            self._entries[job] = _Entry(now, looked=True)
        self._looks.launched(now)

    def want(self, jobs: Sequence[str], now: float) -> None:
        """Somebody asks about these jobs."""
        for job in jobs:
            entry = self._entries.get(job)
            if entry is None:  # another launcher's, or an earlier session's
                entry = self._entries[job] = _Entry(now)
            entry.wanted = True
            if not entry.looked and not entry.report.state.final:
                # Nobody has asked for some time, and now there is a reason.
                self._looks.wanted(now)

    def due(self, now: float) -> list[str]:
        """The jobs to look for now; none when it is too early, or there is nothing to learn."""
        if not self._looks.is_due(now):
            return []
        return [job for job, entry in self._entries.items() if _is_open(entry)]

    def note(self, reports: Mapping[str, Report], now: float) -> list[str]:
        """What a look showed; the jobs that have ended since the last."""
        ended = []
        changed = False
        for job, entry in list(self._entries.items()):
            is_open = _is_open(entry)
            entry.looked, entry.wanted = entry.wanted, False
            if is_open:
                before = entry.last.state
                self._note(entry, reports.get(job), now)
                changed |= entry.last.state is not before
                if entry.report.state.final:
                    ended.append(job)
            elif entry.report.state.final and not entry.looked:
                del self._entries[job]  # nobody has asked since the last look
        self._looks.done(now, changed=changed)
        return ended

    def note_silence(self, now: float) -> None:
        """A look was in vain: the scheduler did not answer, which proves nothing."""
        for entry in self._entries.values():
            entry.looked = entry.wanted
            if _is_open(entry):
                entry.report = UNKNOWN
                entry.wanted = False
        self._looks.done(now, changed=False)

    def knows(self, job: str) -> bool:
        """False for jobs that have ended, and that nobody asks about any more."""
        return job in self._entries

    def report(self, job: str) -> Report:
        """What is known of a job."""
        entry = self._entries.get(job)
        return UNKNOWN if entry is None else entry.report

    def _note(self, entry: _Entry, report: Report | None, now: float) -> None:
        if report is not None:
            entry.report = entry.last = report
            entry.seen, entry.misses = True, 0
            return
        entry.misses += 1
        late = entry.seen or now - entry.since >= _UNSEEN_SECONDS
        entry.report = _vanished(entry) if entry.misses >= _LOOKS and late else UNKNOWN


def _is_open(entry: _Entry) -> bool:
    return entry.wanted and not entry.report.state.final


def _vanished(entry: _Entry) -> Report:
    """A job that ran may have ended in any way; one that never did has not done its work."""
    ran = entry.last.state is JobState.RUNNING
    return replace(
        entry.last,
        state=JobState.FINISHED if ran else JobState.FAILED,
        raw=VANISHED,
        reason="is not in the queue any more" if entry.seen else "never came into the queue",
    )
