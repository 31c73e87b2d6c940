"""Has the platform say how workers died, before their tasks are judged and their jobs ended."""

from __future__ import annotations

from crew_core._controller.escalation import Escalation
from crew_core._controller.herald import Herald
from crew_core._controller.platform import Platform
from crew_core._controller.roster import Roster
from crew_core._launcher.report import verdict_of
from crew_core._wire import messages

VERDICT_SECONDS = 15.0
"""How long a platform is asked how a lost worker died."""


class Verdicts:
    """Asks the platform, and tells the dispatcher.

    Args:
        platform: knows how jobs fared.
        roster: what was launched.
        escalation: what deaths say about the next launch.
        herald: tells the dispatcher.
    """

    def __init__(
        self,
        platform: Platform,
        roster: Roster,
        escalation: Escalation,
        herald: Herald,
    ) -> None:
        self._platform = platform
        self._roster = roster
        self._escalation = escalation
        self._herald = herald

    def look(self, now: float) -> None:
        """Ask about those who are cut off and those who are lost."""
        self._look_at_cut()
        self._look_at_lost(now)

    def _look_at_cut(self) -> None:
        """A broken connection may be the network's, or a death; the platform may know which."""
        cut = self._roster.cut()
        ends = []
        for row, report in zip(cut, self._platform.reports(cut), strict=True):
            if (verdict := verdict_of(report)) is not None:
                row.cut, row.job_over = False, report.state.final
                ends.append(messages.JobEnd(row.instance, verdict, report.reason))
                self._escalation.note_death(row.step, verdict or "crash")
        if ends:
            self._herald.tell_over(ends)

    def _look_at_lost(self, now: float) -> None:
        lost = self._roster.lost()
        known = [row for row in lost if row.has_handle]
        for row, report in zip(known, self._platform.reports(known), strict=True):
            row.report = report
        ends = []
        for row in lost:
            report, verdict = row.report, verdict_of(row.report)
            if row.ask_until is None:
                row.ask_until = now + VERDICT_SECONDS
            if verdict is None and now < row.ask_until:
                continue
            row.job_over |= report.state.final
            self._roster.note_answer(row)
            ends.append(messages.JobEnd(row.instance, verdict or "", report.reason))
            self._escalation.note_death(row.step, verdict or row.reason)
        if ends:
            self._herald.tell_over(ends)
