"""Turns what Grid Engine says of jobs into reports and rows. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from itertools import chain, islice

from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._sge.answers import element
from crew_core.plugins import JobState

# By expressions, not by a parser: what one job's name holds must not hide the others.
_JOB = re.compile(r"<job_list\b[^>]*>(.*?)</job_list>", re.DOTALL)
_FIELD = re.compile(r"<(\w+)[^<>]*>([^<]*)</\1>")
_END = "</job_info>"

_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?")
_MOST = 100_000  # elements of one entry

_BAR = re.compile(r"^=+$", re.MULTILINE)
_FACT = re.compile(r"^(\w+)[ \t]+(.*?)[ \t]*$", re.MULTILINE)
_NUMBER = re.compile(r"^job_number:\s+(\d+)\s*$", re.MULTILINE)
_ERROR = re.compile(r"^error reason\s+(\d{1,9}):\s+(?:\S+ \S+ \[\d+:\d+\]: )?(.*)$", re.MULTILINE)
_SCHEDULING = re.compile(r"^scheduling info:\s+(.*)$", re.MULTILINE)
_REQUEST = re.compile(r"\bh_vmem=([\d.]+)([KMGkmg]?)")
_AMOUNT = re.compile(r"([\d.]+)([KMGTkmgt]?)B?")

_POWERS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_LIMIT_ENFORCED = 37

_ENDED = "z"  # in what way, the accounting knows


def read_rows(text: str) -> list[Row]:
    """Jobs that wait or run, one for each element, from ``qstat -xml``.

    Raises:
        UnreadableError: it is no such answer, or has been cut.
    """
    if _END not in text:
        raise UnreadableError(f"qstat -xml printed {text[-500:]!r}")
    return [row for block in _JOB.findall(text) for row in _rows(dict(_FIELD.findall(block)))]


def read_look(text: str) -> dict[str, Report]:
    """Reports by job, from ``qstat -xml``.

    Raises:
        UnreadableError: it is no such answer, or has been cut.
    """
    return {row.job: report(row.raw_state, row.host) for row in read_rows(text)}


def read_found(text: str) -> dict[str, str]:
    """Ids of submissions by name, from ``qstat -xml``.

    Raises:
        UnreadableError: it is no such answer, or has been cut.
    """
    return {row.name: row.submission for row in read_rows(text)}


def report(word: str, host: str = "") -> Report:
    """What Grid Engine's letters come to: "qw", "hqw", "Eqw", "t", "r", "dr", "Rr" and more."""
    state = JobState.UNKNOWN
    if word == _ENDED:
        state = JobState.FINISHED
    elif word and set(word) <= set("dEhNqrRsStTw"):
        state = JobState.PENDING if set(word) & set("Eqw") else JobState.RUNNING
    return Report(
        state,
        raw=word,
        # Deleted, or run again: who ran was ended by others.
        cause="job_ended" if set(word) & set("dR") and state is not JobState.UNKNOWN else None,
        host=host,
        # Only a person takes it out of this state.
        hopeless=state is JobState.PENDING and "E" in word,
    )


def read_reasons(text: str) -> dict[str, str]:
    """Why jobs wait or cannot start, by job or element, from ``qstat -j``.

    What is said of an array as a whole is found by the array's id.
    """
    reasons = {}
    for block in _BAR.split(text):
        if not (number := _NUMBER.search(block)):
            continue
        job = number[1]
        if told := _SCHEDULING.search(block):
            reasons[job] = told[1].strip()
        for index, words in _ERROR.findall(block):
            reasons[element(job, int(index))] = words.strip()
    return reasons


def explained(row: Row, reasons: Mapping[str, str], ended: Mapping[str, Report]) -> Row:
    """A row with why its job waits, or how it ended, as far as that is told."""
    if row.state == "pending":
        return replace(row, reason=reason_of(reasons, row))
    told = ended.get(row.job) if row.raw_state == _ENDED else None
    if told is None:
        return row
    return replace(row, state=told.state.value, reason=told.reason, host=told.host)


def reason_of(reasons: Mapping[str, str], row: Row) -> str:
    """What is said of one job; an error of a plain job is that of its first element."""
    own = reasons.get(element(row.submission, row.index or 1))
    return own or reasons.get(row.submission, "")


def read_history(text: str, names: Iterable[str]) -> dict[str, Report]:
    """Reports of jobs that have ended, by job, from ``qacct -j``.

    Args:
        text: the answer.
        names: of the jobs that are meant: ids are used again in the course of years.
    """
    wanted = set(names)
    found = {}
    for block in _BAR.split(text):
        facts = dict(_FACT.findall(block))
        number, task = facts.get("jobnumber", ""), facts.get("taskid", "")
        if facts.get("jobname") in wanted and number.isdecimal():
            index = int(task) if re.fullmatch(r"\d{1,9}", task) else None
            found[element(number, index)] = _ended(facts)
    return found


def _ended(facts: Mapping[str, str]) -> Report:
    failed, status = _leading(facts.get("failed", "")), _leading(facts.get("exit_status", ""))
    host = facts.get("hostname", "")
    if failed == 0 and status == 0:
        return Report(JobState.FINISHED, raw="0", host=host)
    said = f"failed {facts.get('failed', '?')}, exit_status {facts.get('exit_status', '?')}"
    reason = " ".join(said.split())
    ended = Report(JobState.FAILED, raw=str(failed), reason=reason, host=host)
    if failed == _LIMIT_ENFORCED:
        cause = "out_of_memory" if _is_over_memory(facts) else "wall_time"
        return replace(ended, cause=cause)
    if not status or status < 0:
        return ended
    # Above 128: a shell's word for a signal.
    cause = f"signal {status - 128}" if 128 < status < 160 else f"exit {status}"
    return replace(ended, cause=cause)


def _is_over_memory(facts: Mapping[str, str]) -> bool:
    """Several limits are enforced in the same words. True when this one has been reached."""
    limit = _REQUEST.search(facts.get("category", ""))
    used = _AMOUNT.match(facts.get("maxvmem", ""))
    slots = _leading(facts.get("slots", "")) or 1
    return limit is not None and 0 < _bytes(limit) * slots <= _bytes(used)


def _bytes(match: re.Match[str] | None) -> float:
    try:
        return float(match[1]) * 2 ** _POWERS[match[2].lower()] if match else 0.0
    except ValueError:
        return 0.0


def _leading(text: str) -> int | None:
    match = re.match(r"-?\d{1,9}", text)
    return int(match[0]) if match else None


def _rows(fields: Mapping[str, str]) -> Iterator[Row]:
    """One row, or those of all elements that the entry is about."""
    number = fields.get("JB_job_number", "")
    if not number.isdecimal():
        return
    queue, _, host = fields.get("queue_name", "").partition("@")
    word = fields.get("state", "")
    said = report(word, host)
    state = "ending" if "d" in word and said.state is JobState.RUNNING else said.state.value
    for index in _indices(fields.get("tasks", "")):
        yield Row(
            job=element(number, index),
            submission=number,
            index=index,
            name=html.unescape(fields.get("JB_name", "")),
            state=state,
            raw_state=word,
            queue=queue,
            host=host,
            submitted=moment(fields.get("JB_submission_time", "")),
            started=moment(fields.get("JAT_start_time", "")),
        )


def _indices(text: str) -> Iterator[int | None]:
    """The elements of "3-7:2,9"; None of a plain job."""
    if not text:
        yield None
    yield from islice(chain.from_iterable(map(_range, text.split(","))), _MOST)


def _range(text: str) -> range:
    """The numbers of "3-7:2" or "9"; none of what is no such text."""
    match = _RANGE.fullmatch(text.strip())
    if not match:
        return range(0)
    return range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1) or 1)


def moment(text: str) -> datetime | None:
    """Grid Engine's local time as UTC; None where it tells none."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
