"""Turns what PBS says of jobs into reports and rows. Pure.

Attributes of jobs come as JSON or as text; both become the same words by name.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate
from typing import Any

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import UnreadableError
from crew_cluster._pbs.answers import core, is_same
from crew_core.plugins import JobState

Attributes = Mapping[str, str]

_NAME = re.compile(r"\d\S*")
_JOB = re.compile(r"Job Id:\s*(\d\S*)\s*")
_ATTRIBUTE = re.compile(r"\s+([A-Za-z_][\w.]*) = (.*)")
_ELEMENT = re.compile(r"(\d+)\[(\d{1,9})\](.*)", re.ASCII)

_STATES = {
    "B": JobState.RUNNING,
    "E": JobState.RUNNING,
    "H": JobState.PENDING,
    "Q": JobState.PENDING,
    "R": JobState.RUNNING,
    "S": JobState.RUNNING,
    "T": JobState.PENDING,
    "U": JobState.RUNNING,
    "W": JobState.PENDING,
}
_OVER = ("F", "X")

_DELETED = "91"
_SUCCEEDED = "92"

# What the server's own signals make of the job's first shell: 256 and SIGTERM or SIGKILL.
_CANCELLED = (271, 265)

_CAUSES = {
    -4: "node_lost",
    -14: "node_lost",
    -20: "node_lost",
    -26: "out_of_memory",
    -27: "out_of_memory",
    -28: "wall_time",  # of processors
    -29: "wall_time",
}
_CAUSES_IN_COMMENT = (
    ("exceeded resource walltime", "wall_time"),
    ("exceeded resource mem", "out_of_memory"),
    ("exceeded resource vmem", "out_of_memory"),
)
_NEVER = "Can Never Run"
_SIGNALS = 64


# ── Attributes ─────────────────────────────────────────────────────────────────────────────────


def read_json(answer: Answer) -> dict[str, Attributes]:
    """Attributes by job, from ``qstat -f -F json``.

    Raises:
        UnreadableError: it is no JSON, or not of jobs.
    """
    # Lines of a site's own may come before. Control characters may stand in strings.
    start = re.search(r"^\s*\{", answer.stdout, re.MULTILINE)
    try:
        text = answer.stdout[start.start() :].lstrip() if start else ""
        answered = json.JSONDecoder(strict=False).raw_decode(text)[0]
        jobs = answered.get("Jobs", {})
        # An id is a word of later commands, so it must look like one.
        return {name: _flat(told) for name, told in jobs.items() if _NAME.fullmatch(name)}
    except (ValueError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"qstat: {answer.words}") from error


def read_text(text: str) -> dict[str, Attributes]:
    """Attributes by job, from ``qstat -f`` with an attribute on each line, or on several."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if match := _JOB.fullmatch(line):
            found[match[1]] = current = {}
            last = ""
        elif match := _ATTRIBUTE.fullmatch(line):
            # A value may hold lines that look like attributes; those of PBS come before.
            last = "" if match[1] in current else match[1]
            current.setdefault(match[1], match[2])
        elif last and line.startswith("\t"):
            current[last] += line[1:]
    return {
        job: {key: value.strip() for key, value in attributes.items()}
        for job, attributes in found.items()
    }


def _flat(attributes: Mapping[str, Any]) -> Attributes:
    return {
        key: str(value)
        for key, value in attributes.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }


# ── Reports ────────────────────────────────────────────────────────────────────────────────────


def report_all(
    jobs: Mapping[str, Attributes],
    wanted: Iterable[str],
    read: Callable[[Attributes], Report],
) -> dict[str, Report]:
    """Reports of the wanted jobs, by the names by which they are wanted."""
    by_core: dict[str, list[str]] = {}
    for name in wanted:
        by_core.setdefault(core(name), []).append(name)
    return {
        name: read(attributes)
        for shown, attributes in jobs.items()
        for name in by_core.get(core(shown), ())
        if is_same(name, shown)
    }


def report(attributes: Attributes) -> Report:
    """What a job's attributes come to."""
    letter = attributes.get("job_state", "").strip()
    comment = attributes.get("comment", "").strip()
    host = host_of(attributes)
    if letter in _OVER:
        return _ended(letter, attributes, comment, host)
    state = _STATES.get(letter, JobState.UNKNOWN)
    hopeless = state is JobState.PENDING and comment.lower().startswith(_NEVER.lower())
    return Report(state, raw=letter, reason=comment, host=host, hopeless=hopeless)


def _ended(letter: str, attributes: Attributes, comment: str, host: str) -> Report:
    code = whole(attributes.get("Exit_status"))
    substate = attributes.get("substate")
    reason = comment if code is None else f"{comment} (Exit_status {code})".strip()
    if substate == _DELETED or code in _CANCELLED:
        state, cause = JobState.CANCELLED, "job_ended"
    elif code == 0 or (code is None and substate == _SUCCEEDED):
        state, cause = JobState.FINISHED, None
    else:
        state, cause = JobState.FAILED, _cause(code, comment)
    return Report(state, raw=letter, reason=reason, cause=cause, host=host)


def _cause(code: int | None, comment: str) -> str | None:
    if code in _CAUSES:
        return _CAUSES[code]
    for words, cause in _CAUSES_IN_COMMENT:
        if words in comment:
            return cause
    return None if code is None else cause_of(code)


def cause_of(code: int) -> str:
    """How a job died of which PBS itself says no more than the exit code."""
    for base in (256, 128):
        if base < code <= base + _SIGNALS:
            return f"signal {code - base}"
    return f"exit {code}"


def host_of(attributes: Attributes) -> str:
    """The first host of "n1/0*2+n2/0"."""
    return attributes.get("exec_host", "").partition("/")[0].strip()


# ── Rows ───────────────────────────────────────────────────────────────────────────────────────


def read_rows(jobs: Mapping[str, Attributes]) -> list[Row]:
    """Jobs for a person; of arrays their elements."""
    return [_row(name, attributes) for name, attributes in jobs.items() if "[]" not in name]


def _row(name: str, attributes: Attributes) -> Row:
    said = report(attributes)
    ended = attributes.get("obittime") or attributes.get("mtime")
    return replace(
        row(name, attributes, said),
        started=moment(attributes.get("stime")),
        finished=moment(ended) if said.state.final else None,
        exit_code=whole(attributes.get("Exit_status")) if said.state.final else None,
    )


def row(name: str, attributes: Attributes, said: Report) -> Row:
    """What all servers tell of a job."""
    element = _ELEMENT.fullmatch(name)
    return Row(
        job=name,
        submission=f"{element[1]}[]{element[3]}" if element else name,
        index=int(element[2]) if element else None,
        name=attributes.get("Job_Name", ""),
        state="ending" if said.raw == "E" else said.state.value,
        raw_state=said.raw,
        reason=said.reason,
        queue=attributes.get("queue", ""),
        host=said.host,
        submitted=moment(attributes.get("qtime")),
    )


def moment(text: str | None) -> datetime | None:
    """PBS's local time, "Sat Nov 21 00:37:16 2026", as UTC; None where it tells none."""
    try:
        parts = parsedate(text) if text else None
        return None if parts is None else datetime.fromtimestamp(time.mktime(parts), timezone.utc)
    except (ValueError, OverflowError, OSError, IndexError, TypeError):
        return None


def whole(text: str | None) -> int | None:
    """A whole number, which may be negative; None where there is none."""
    match = re.fullmatch(r"-?\d{1,9}", text.strip(), re.ASCII) if text else None
    return int(match[0]) if match else None
