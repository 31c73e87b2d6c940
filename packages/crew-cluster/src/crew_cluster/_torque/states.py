"""Turns what TORQUE says of jobs into reports and rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._pbs.states import Attributes, cause_of, host_of, moment, row, whole
from crew_core.plugins import JobState

_STATES = {
    "C": JobState.FINISHED,
    "E": JobState.RUNNING,
    "H": JobState.PENDING,
    "Q": JobState.PENDING,
    "R": JobState.RUNNING,
    "S": JobState.RUNNING,
    "T": JobState.PENDING,
    "W": JobState.PENDING,
}

_CANCELLED = 271  # 256 and SIGTERM

_CAUSES = {
    -4: "node_lost",
    -5: "node_lost",
    -6: "node_lost",
    -10: "out_of_memory",
    -11: "wall_time",
    -12: "wall_time",  # of processors
}


def is_over(attributes: Attributes) -> bool:
    """True when the server says that a job has ended."""
    return _STATES.get(attributes.get("job_state", "").strip(), JobState.UNKNOWN).final


def report(attributes: Attributes, code: int | None = None) -> Report:
    """What a job's attributes come to.

    Args:
        attributes: the server's.
        code: the exit code of the job, where the server does not tell it.
    """
    letter = attributes.get("job_state", "").strip()
    said = Report(
        _STATES.get(letter, JobState.UNKNOWN),
        raw=letter,
        reason=attributes.get("comment", "").strip(),
        host=host_of(attributes),
    )
    if not said.state.final:
        return said
    status = whole(attributes.get("exit_status"))
    if status is None and not said.host:
        return replace(said, state=JobState.CANCELLED, cause="job_ended")
    return _ended(said, code if status is None else status)


def _ended(said: Report, status: int | None) -> Report:
    if status == 0:
        return said
    if status is None:
        why = "ended before its script did: cancelled, or over a limit"
        return replace(said, state=JobState.FAILED, reason=f"{said.reason} {why}".strip())
    said = replace(said, reason=f"{said.reason} (exit_status {status})".strip())
    if status == _CANCELLED:
        return replace(said, state=JobState.CANCELLED, cause="job_ended")
    return replace(said, state=JobState.FAILED, cause=_CAUSES.get(status) or cause_of(status))


def read_rows(jobs: Mapping[str, Attributes]) -> list[Row]:
    """Jobs for a person; of arrays their elements."""
    return [_row(name, attributes) for name, attributes in jobs.items() if "[]" not in name]


def _row(name: str, attributes: Attributes) -> Row:
    said = report(attributes, 0)
    told = row(name, attributes, said)
    return replace(
        told,
        # Names of elements have their index behind them.
        name=told.name if told.index is None else told.name.removesuffix(f"-{told.index}"),
        started=moment(attributes.get("start_time")),
        finished=moment(attributes.get("comp_time")) if said.state.final else None,
        exit_code=whole(attributes.get("exit_status")) if said.state.final else None,
    )


def owned(jobs: Mapping[str, Attributes], user: str) -> dict[str, Attributes]:
    """Those of a user."""
    return {
        name: attributes
        for name, attributes in jobs.items()
        if attributes.get("Job_Owner", "").partition("@")[0] == user
    }


def by_name(jobs: Mapping[str, Attributes]) -> dict[str, str]:
    """Ids of submissions by name: an array has got its number before its jobs got theirs."""
    found: dict[str, str] = {}
    for job in sorted(jobs, key=_number):
        found.setdefault(jobs[job].get("Job_Name", ""), job)
    return found


def _number(job: str) -> int:
    return whole(job.partition(".")[0].partition("[")[0]) or 0
