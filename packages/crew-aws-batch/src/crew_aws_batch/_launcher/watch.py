"""When to ask about jobs, and what was said last. Pure: who drives it says what time it is.

Looks come soon after something changed, and then ever later, as AWS throttles those who ask often.
A final state stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crew_core.plugins import JobReport, JobState, Looks, Pace

UNKNOWN = JobReport(JobState.UNKNOWN)
"""Nobody has said anything."""


@dataclass
class _Entry:
    report: JobReport = UNKNOWN
    wanted: bool = False
    looked: bool = False

    @property
    def is_open(self) -> bool:
        return self.wanted and not self.report.state.final


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
            self._entries[job] = _Entry(looked=True)
        self._looks.launched(now)

    def want(self, jobs: Iterable[str], now: float) -> None:
        """Somebody asks about these jobs."""
        for job in jobs:
            entry = self._entries.setdefault(job, _Entry())
            entry.wanted = True
            if not entry.looked and not entry.report.state.final:
                # Nobody has asked for some time, and now there is a reason.
                self._looks.wanted(now)

    def due(self, now: float) -> list[str]:
        """The jobs to ask about now; none when it is too early, or there is nothing to learn."""
        if not self._looks.is_due(now):
            return []
        return [job for job, entry in self._entries.items() if entry.is_open]

    def note(self, reports: Mapping[str, JobReport], now: float) -> None:
        """What a look showed. Of a job that it does not show nothing is known, which may change."""
        changed = False
        for job, entry in list(self._entries.items()):
            entry.looked = entry.wanted
            if not entry.wanted:
                if entry.report.state.final:
                    del self._entries[job]  # nobody has asked since the last look
                continue
            entry.wanted = False
            if not entry.report.state.final:
                before, entry.report = entry.report.state, reports.get(job, UNKNOWN)
                changed |= before is not entry.report.state
        self._looks.done(now, changed=changed)

    def note_silence(self, now: float) -> None:
        """A look was in vain: AWS did not answer, which proves nothing."""
        for entry in self._entries.values():
            entry.looked = entry.wanted
            if entry.is_open:
                entry.report = UNKNOWN
                entry.wanted = False
        self._looks.done(now, changed=False)

    def report(self, job: str) -> JobReport:
        """What is known of a job."""
        entry = self._entries.get(job)
        return UNKNOWN if entry is None else entry.report

    def knows(self, job: str) -> bool:
        """False for jobs that have ended, and that nobody asks about any more."""
        return job in self._entries
