"""What a launcher says of a worker's job: its state, and how it died, if the platform tells."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crew_core._model.states import JobState

CAUSES = ("crash", "out_of_memory", "wall_time", "preempted", "node_lost", "job_ended")
"""How a job may have died, beside "signal N" and "exit N"."""

_NUMBERED = r"(signal|exit) -?\d{1,10}"
_REASON_MAX = 500


@dataclass(frozen=True)
class JobReport:
    """What ``Launcher.poll`` may answer instead of a mere ``JobState``.

    Attributes:
        state: the job's.
        cause: how its worker died, as far as the platform tells: "out_of_memory", "wall_time",
            "preempted", "node_lost", "job_ended" (by somebody), "crash", "signal N" or "exit N";
            None when it does not tell: then who is cancelled died of "job_ended", and of others
            what the connection tells is believed. Also of a job that is not over: one that waits
            again, as it was preempted.
        reason: what the platform says in its own words, for a person. At most 500 characters of one
            line are kept.
        hopeless: the job waits, and the platform will never start it: it is given up and ended, and
            launching stops with an error.

    Example::

        >>> from crew_core.plugins import JobReport, JobState
        >>> JobReport(JobState.FAILED, cause="out_of_memory", reason="OUT_OF_MEMORY 0:125").cause
        'out_of_memory'
        >>> JobReport(JobState.PENDING, cause="a lion")
        Traceback (most recent call last):
        ValueError: cause='a lion': must be one of crash, out_of_memory, wall_time, ..., or None
    """

    state: JobState
    cause: str | None = None
    reason: str = ""
    hopeless: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.state, JobState):
            raise TypeError(f"state={self.state!r}: must be a JobState")
        if self.cause is not None and not _is_cause(self.cause):
            raise ValueError(
                f"cause={self.cause!r}: must be one of {', '.join(CAUSES)}, 'signal N', 'exit N', "
                "or None"
            )
        object.__setattr__(self, "reason", " ".join(str(self.reason).split())[:_REASON_MAX])


def verdict_of(report: JobReport) -> str | None:
    """How a worker that was lost has died; "" if nobody knows more, None if they may later."""
    if report.cause is not None:
        return report.cause
    if report.state is JobState.CANCELLED:
        return "job_ended"
    return "" if report.state.final else None


def report_of(answer: object) -> JobReport:
    """What ``poll`` said of one handle, in full.

    Raises:
        TypeError: it is neither a state nor a report.
    """
    if isinstance(answer, JobReport):
        return answer
    if isinstance(answer, JobState):
        return JobReport(answer)
    raise TypeError(f"{answer!r} is neither a JobState nor a JobReport")


def _is_cause(text: object) -> bool:
    return isinstance(text, str) and (text in CAUSES or re.fullmatch(_NUMBERED, text) is not None)
