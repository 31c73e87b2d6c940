"""Tells why nothing is launched, and why what was launched waits."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from crew_core._controller.journal import Note
from crew_core._controller.roster import Row
from crew_core._controller.scaling import Plan
from crew_core._model.states import JobState

log = logging.getLogger("crew")


def tell_why_not(decision: Plan, note: Note) -> None:
    """Nothing is launched: note the reason.

    Args:
        decision: what was planned.
        note: where to.
    """
    if decision.enough:
        note("enough", decision.reason, 0)
    elif not decision.launch:
        note("held", decision.reason, 0)
    else:
        note("held", "the platform takes no more jobs of yours at present", 0)


def tell_why_jobs_wait(rows: Sequence[Row], controller: str, note: Note) -> None:
    """Log and note what the platform says, once for all that wait for the same.

    Args:
        rows: workers that were submitted.
        controller: the controller's name.
        note: where to.
    """
    waiting: defaultdict[str, list[str | None]] = defaultdict(list)
    for row in rows:
        if row.report.state is JobState.PENDING and row.report.reason != row.told:
            row.told = row.report.reason
            waiting[row.told].append(row.job)
    for why, jobs in waiting.items():
        if why:
            log.info("%d jobs of controller %r wait: %s", len(jobs), controller, why)
            note("waits", why, len(jobs), jobs)
