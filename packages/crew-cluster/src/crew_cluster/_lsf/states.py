"""Turns what LSF says of jobs into reports and rows. Pure.

Newer versions print the columns that they are asked for. Of others there is a table for all jobs,
which does not say how a job ended, and a long text for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._lsf.answers import element
from crew_core.plugins import JobState

# The reason comes last, as it may be any text.
COLUMNS = (
    "jobid",
    "jobindex",
    "stat",
    "queue",
    "exec_host",
    "exit_code",
    "exit_reason",
    "submit_time",
    "start_time",
    "finish_time",
    "job_name",
    "pend_reason",
)
FORMAT = f"{' '.join(COLUMNS)} delimiter='|'"

_STATES = {
    "PEND": JobState.PENDING,
    "PSUSP": JobState.PENDING,
    "PROV": JobState.PENDING,
    "WAIT": JobState.PENDING,
    "RUN": JobState.RUNNING,
    "USUSP": JobState.RUNNING,
    "SSUSP": JobState.RUNNING,
    "DONE": JobState.FINISHED,
    "EXIT": JobState.FAILED,
    "ZOMBI": JobState.FAILED,
}

_CAUSES = {
    "TERM_MEMLIMIT": "out_of_memory",
    "TERM_SWAP": "out_of_memory",
    "TERM_RUNLIMIT": "wall_time",
    "TERM_CPULIMIT": "wall_time",
    "TERM_DEADLINE": "wall_time",
    "TERM_WINDOW": "wall_time",
    "TERM_PREEMPT": "preempted",
    "TERM_ZOMBI": "node_lost",
    "TERM_OWNER": "job_ended",
    "TERM_ADMIN": "job_ended",
    "TERM_FORCE_OWNER": "job_ended",
    "TERM_FORCE_ADMIN": "job_ended",
    "TERM_BUCKET_KILL": "job_ended",
}
# What LSF ends jobs by: one signal after the other, and SIGUSR2 when their time is over.
_INTERRUPTED, _TERMINATED, _KILLED, _OUT_OF_TIME = 130, 143, 137, 140
_CAUSES_BY_CODE = {_INTERRUPTED: "job_ended", _OUT_OF_TIME: "wall_time"}
_TOMORROW = timedelta(days=1)

_NOTHING = ("", "-")

# EXEC_HOST may be empty; names of jobs may be anything.
_LINE = re.compile(
    r"(?P<job>\d+)\s+\S+\s+(?P<stat>[A-Z]+)\s+(?P<queue>\S+)\s+\S+\s+(?:(?P<host>\S+)\s+)?"
    r"(?P<name>\S.*?)(?:\[(?P<index>\d{1,9})\])?\s+(?P<when>[A-Z][a-z]{2}\s+\d+\s+\d+:\d+)\s*"
)

_BROKEN = re.compile(r"\n {21}")
_HEAD = re.compile(r"^Job(?:Id)?<(\d+)(?:\[(\d{1,9})\])?>")
_CODE = re.compile(r"Exitedwithexitcode(\d{1,3})\b")
_SIGNAL = re.compile(r"Exitedbysignal(\d{1,3})\b")
_STARTED = re.compile(r"(?:\]s|:S)tartedon|ispatchedto")
_REASON = re.compile(r"(TERM_[A-Z_]+):")
_LIMIT = re.compile(r"MEMLIMIT(\d{1,18}(?:\.\d+)?)([KMGT])")
_MOST = re.compile(r"MAXMEM(?:ORY)?:(\d{1,18}(?:\.\d+)?)([KMGT])", re.IGNORECASE)
_MEBI = {"K": 2.0**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20}


@dataclass(frozen=True)
class Seen:
    """One job as LSF shows it.

    Attributes:
        job: the id of the submission.
        index: of the element; None for a plain job.
        stat: LSF's word.
        name: the job's name, without the index.
        code: the exit code; above 128, a signal.
        exit_reason: why it ended, if LSF says so.
        reason: why it waits, if it was asked.
        started: when; empty when it never was, None when that is not told.
        over: True when it had more memory than its limit.
    """

    job: str
    index: int | None
    stat: str
    name: str = ""
    queue: str = ""
    host: str = ""
    code: int | None = None
    exit_reason: str = ""
    reason: str = ""
    submitted: str = ""
    started: str | None = None
    finished: str = ""
    over: bool = False

    @property
    def element(self) -> str:
        """LSF's name of it."""
        return element(self.job, self.index)

    def ended_as(self, told: Seen) -> Seen:
        """The same with what a longer text tells of its end."""
        return replace(
            self,
            code=told.code,
            exit_reason=told.exit_reason,
            started=told.started,
            over=told.over,
        )


# ── What commands print ────────────────────────────────────────────────────────────────────────


def read_columns(text: str) -> list[Seen]:
    """Jobs, from ``bjobs`` with ``FORMAT``; other lines are left out."""
    return [_seen(fields) for fields in _fields(text)]


def read_table(text: str) -> list[Seen]:
    """Jobs, from ``bjobs -w``, with reasons of ``-p`` where they follow; the rest is left out."""
    found: list[Seen] = []
    for line in text.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            found.append(_of_table(match))
        elif found and line.startswith(" ") and line.strip():
            reason = f"{found[-1].reason} {line.strip()}".strip()
            found[-1] = replace(found[-1], reason=reason)
    return found


def read_at_length(text: str) -> dict[str, Seen]:
    """How jobs ended, by job, from ``bjobs -l`` or ``bhist -l``."""
    found = {}
    for block in re.split(r"^-{20,}$", text, flags=re.MULTILINE):
        # Lines are broken anywhere, so that no blank can be relied upon.
        words = re.sub(r"\s+", "", _BROKEN.sub("", block))
        if match := _HEAD.match(words):
            index = None if match[2] is None else int(match[2])
            # What comes before is the user's: the command, which is our script.
            seen = _at_length(match[1], index, words.rpartition("Submittedfromhost")[2])
            found[seen.element] = seen
    return found


# ── What it comes to ───────────────────────────────────────────────────────────────────────────


def report(seen: Seen) -> Report:
    """What LSF's word, its reason and an exit code come to."""
    state = _STATES.get(seen.stat, JobState.UNKNOWN)
    cause = _cause(seen) if state.final else None
    if cause == "job_ended" and state is JobState.FAILED:
        state = JobState.CANCELLED
    if seen.stat == "UNKWN":  # its host does not answer
        cause = "node_lost"
    return Report(
        state,
        raw=seen.stat,
        reason=seen.exit_reason or seen.reason,
        cause=cause,
        host=seen.host,
    )


def row(seen: Seen, now: datetime) -> Row:
    """A job for a person.

    Args:
        seen: the job.
        now: LSF does not tell years.
    """
    said = report(seen)
    return Row(
        job=seen.element,
        submission=seen.job,
        index=seen.index,
        name=seen.name,
        state=said.state.value,
        raw_state=said.raw,
        reason=said.reason,
        queue=seen.queue,
        host=said.host,
        submitted=moment(seen.submitted, now),
        started=moment(seen.started or "", now),
        finished=moment(seen.finished, now) if said.state.final else None,
        exit_code=0 if seen.stat == "DONE" else seen.code,
    )


def moment(text: str, now: datetime) -> datetime | None:
    """LSF's local time, such as "Nov 22 00:42", as UTC; None where it tells none."""
    words = " ".join(text.split()[:3])
    for year in (now.year, now.year - 1):
        try:
            told = datetime.strptime(f"{year} {words}", "%Y %b %d %H:%M").astimezone(timezone.utc)
        except (ValueError, OverflowError, OSError):
            continue
        if told <= now + _TOMORROW:
            return told
    return None


def _cause(seen: Seen) -> str | None:
    """How a job died. Older versions tell no reasons, so that one code may mean several things."""
    if known := _CAUSES.get(seen.exit_reason.partition(":")[0]):
        return known
    if seen.over and seen.code in (None, _INTERRUPTED, _KILLED, _TERMINATED):
        return "out_of_memory"
    if seen.stat == "ZOMBI":
        return "node_lost"
    if seen.stat == "DONE":
        return None
    if seen.code is None:
        return "job_ended" if seen.started == "" else None
    return _cause_of_code(seen.code)


def _cause_of_code(code: int) -> str:
    if code in _CAUSES_BY_CODE:
        return _CAUSES_BY_CODE[code]
    return f"signal {code - 128}" if 128 < code < 160 else f"exit {code}"


def _of_table(match: re.Match[str]) -> Seen:
    host = match["host"] or ""
    return Seen(
        job=match["job"],
        index=None if match["index"] is None else int(match["index"]),
        stat=match["stat"],
        name=match["name"],
        queue=match["queue"],
        host="" if host in _NOTHING else host.rpartition("*")[2],
        submitted=match["when"],
    )


def _at_length(job: str, index: int | None, words: str) -> Seen:
    code, signal, reason = _CODE.search(words), _SIGNAL.search(words), _REASON.search(words)
    status = int(code[1]) if code else 128 + int(signal[1]) if signal else None
    limit, most = _LIMIT.search(words), _MOST.search(words)
    return Seen(
        job,
        index,
        "DONE" if "Donesuccessfully" in words else "EXIT" if "Exited" in words else "",
        code=status,
        exit_reason=reason[1] if reason else "",
        started="yes" if _STARTED.search(words) else "",
        over=limit is not None and most is not None and _mebi(most) >= int(_mebi(limit)),
    )


def _mebi(match: re.Match[str]) -> float:
    return float(match[1]) * _MEBI[match[2].upper()]


def _seen(fields: list[str]) -> Seen:
    job, index, stat, queue, host, code, ended, submitted, started, finished, name, why = fields
    number = int(index[:9]) if index.isascii() and index.isdecimal() else 0
    is_code = code.isascii() and code.isdecimal() and len(code) < 4
    return Seen(
        job=job,
        index=number or None,
        stat=stat,
        name=re.sub(r"\[\d+\]$", "", name),
        queue=queue,
        host=host.rpartition("*")[2],
        code=int(code) if is_code else None,
        exit_reason=ended,
        reason=why.rstrip("|"),
        submitted=submitted,
        started=started,
        finished=finished,
    )


def _fields(text: str) -> Iterator[list[str]]:
    """The lines with so many columns; the last may hold anything."""
    for line in text.splitlines():
        fields = [part.strip() for part in line.strip().split("|", len(COLUMNS) - 1)]
        if len(fields) == len(COLUMNS) and fields[0].isdecimal():
            yield ["" if part == "-" else part for part in fields]
