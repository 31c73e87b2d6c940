"""Turns what SLURM says of jobs into reports and rows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone

from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_core.plugins import JobState

# The reason comes last, as it may be any text.
LOOK_FIELDS = ("JobArrayID", "State", "NodeList", "exit_code", "Reason")
ROWS_FIELDS = (
    "JobArrayID",
    "ArrayJobID",
    "ArrayTaskID",
    "Name",
    "State",
    "Partition",
    "NodeList",
    "SubmitTime",
    "StartTime",
    "EndTime",
    "exit_code",
    "Reason",
)
FIND_FORMAT = "%F|%j"
HISTORY_FIELDS = "JobID,State,ExitCode,NodeList"

_STATES = {
    "BOOT_FAIL": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "COMPLETED": JobState.FINISHED,
    "COMPLETING": JobState.RUNNING,
    "CONFIGURING": JobState.PENDING,
    "DEADLINE": JobState.FAILED,
    "FAILED": JobState.FAILED,
    "LAUNCH_FAILED": JobState.FAILED,
    "NODE_FAIL": JobState.FAILED,
    "OUT_OF_MEMORY": JobState.FAILED,
    "PENDING": JobState.PENDING,
    "PREEMPTED": JobState.FAILED,
    "RECONFIG_FAIL": JobState.FAILED,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "RESIZING": JobState.RUNNING,
    "RESV_DEL_HOLD": JobState.PENDING,
    "REVOKED": JobState.CANCELLED,
    "RUNNING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "SPECIAL_EXIT": JobState.PENDING,
    "STAGE_OUT": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "TIMEOUT": JobState.FAILED,
}

_CAUSES = {
    "BOOT_FAIL": "node_lost",
    "CANCELLED": "job_ended",
    "DEADLINE": "wall_time",
    "NODE_FAIL": "node_lost",
    "OUT_OF_MEMORY": "out_of_memory",
    "PREEMPTED": "preempted",
    "REVOKED": "job_ended",
    "TIMEOUT": "wall_time",
}

_CAUSES_BY_REASON = {"OutOfMemory": "out_of_memory", "TimeLimit": "wall_time"}

# Where memory is watched by polling, the job's state is only that it was killed.
_CAUSES_IN_OUTPUT = (
    ("exceeded memory limit", "out_of_memory"),
    ("Exceeded job memory limit", "out_of_memory"),
    ("oom-kill", "out_of_memory"),
    ("oom_kill", "out_of_memory"),
    ("DUE TO TIME LIMIT", "wall_time"),
    ("DUE TO PREEMPTION", "preempted"),
    ("DUE TO NODE FAILURE", "node_lost"),
)

# As slurmstepd says that a node cannot open the file of a job's output.
_NO_OUTPUT = "signal 53"

# Nothing that other jobs do will let these start.
_HOPELESS = frozenset(
    {
        "AccountNotAllowed",
        "BadConstraints",
        "DependencyNeverSatisfied",
        "InvalidAccount",
        "InvalidQOS",
        "PartitionTimeLimit",
        "QOSNotAllowed",
    }
)

_NOTHING = ("", "None", "(null)", "N/A", "Unknown", "None assigned")


def read_look(text: str, cluster: str = "") -> dict[str, Report]:
    """Reports by job, from ``squeue`` with ``LOOK_FIELDS``; other lines are left out."""
    found = {}
    for job, raw, host, code, reason in _fields(text, len(LOOK_FIELDS)):
        said = report(raw, reason.rstrip("|"), host)
        if said.state is JobState.FAILED and said.cause is None:
            said = replace(said, cause=_cause_of(code))
            if said.cause == _NO_OUTPUT:
                said = replace(said, reason=f"{said.reason}: cannot write where its output goes")
        found[f"{job};{cluster}" if cluster else job] = said
    return found


def read_cause(output: str) -> str | None:
    """How a job died, from what SLURM wrote into its output; None when it wrote nothing of it."""
    said = "\n".join(line for line in output.splitlines() if line.startswith("slurmstepd"))
    return next((cause for words, cause in _CAUSES_IN_OUTPUT if words in said), None)


def read_history(text: str, cluster: str = "") -> dict[str, Report]:
    """Reports of jobs that have ended, by job, from ``sacct`` with ``HISTORY_FIELDS``.

    Of others its database knows less than the controller, or knows it wrongly.
    """
    found = {}
    for job, raw, code, host in _fields(text, 4):
        ended = report(raw, f"{raw} {code}", host)
        if ended.state.final:
            found[f"{job};{cluster}" if cluster else job] = ended
    return found


def read_found(text: str) -> dict[str, str]:
    """Ids of submissions by name, from ``squeue`` with ``FIND_FORMAT``."""
    return {name: job for job, name in _fields(text, 2) if job.isdecimal()}


def report(raw: str, reason: str = "", host: str = "") -> Report:
    """What SLURM's word and its reason come to."""
    # "CANCELLED by 1000", and in narrow columns "CANCELLED+".
    word = raw.strip().partition(" ")[0].rstrip("+").upper()
    state = _STATES.get(word, JobState.UNKNOWN)
    reason = "" if reason.strip() in _NOTHING else reason.strip()
    cause = _CAUSES.get(word)
    if cause is None and state is JobState.FAILED:
        cause = _CAUSES_BY_REASON.get(reason)
    return Report(
        state,
        raw=word,
        reason=reason,
        cause=cause,
        host="" if host in _NOTHING else host,
        hopeless=state is JobState.PENDING and reason.partition(",")[0] in _HOPELESS,
    )


def read_rows(text: str) -> list[Row]:
    """Jobs for a person, from ``squeue`` with ``ROWS_FIELDS``, each followed by a bar."""
    return [_row(fields) for fields in _fields(text, len(ROWS_FIELDS))]


def _row(fields: list[str]) -> Row:
    job, submission, index, name, raw, queue, host, submitted, started, finished, code = fields[:-1]
    reason = fields[-1].rstrip("|")
    said = report(raw, reason, host)
    begun = said.state not in (JobState.PENDING, JobState.UNKNOWN)
    return Row(
        job=job,
        submission=submission,
        index=int(index[:9]) if index.isascii() and index.isdecimal() else None,
        name=name,
        state="ending" if said.raw == "COMPLETING" else said.state.value,
        raw_state=said.raw,
        reason=said.reason,
        queue=queue,
        host=said.host,
        submitted=moment(submitted),
        # Of a job that waits or runs, SLURM also tells when it may start or end.
        started=moment(started) if begun else None,
        finished=moment(finished) if said.state.final else None,
        exit_code=_exit_code(code) if said.state.final else None,
    )


def _exit_code(text: str) -> int | None:
    """A status of wait() as shells show it: of a signal, 128 and its number."""
    code, signal = _status(text)
    return 128 + signal if code == 0 and signal else code


def _cause_of(text: str) -> str | None:
    """The same as a cause of death."""
    code, signal = _status(text)
    if not code:
        return f"signal {signal}" if signal else None
    # A shell's word for a signal that ended what it ran.
    return f"signal {code - 128}" if 128 < code < 160 else f"exit {code}"


def _status(text: str) -> tuple[int | None, int]:
    """The exit code and the signal of a status of wait(); no code when it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        return None, 0
    code, signal = divmod(int(text), 256)
    return code, signal & 127


def moment(text: str) -> datetime | None:
    """SLURM's local time as UTC; None where it tells none."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _fields(text: str, count: int) -> Iterator[list[str]]:
    """The lines that have so many fields; the last may hold anything."""
    for line in text.splitlines():
        fields = line.strip().split("|", count - 1)
        if len(fields) == count and fields[0]:
            yield fields
