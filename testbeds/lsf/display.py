"""How LSF shows jobs, queues and hosts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from testbeds.lsf.jobs import WAITING, Job, Run
from testbeds.lsf.output import how_it_ended
from testbeds.lsf.submit import QUEUES

if TYPE_CHECKING:
    from testbeds.lsf.server import LsfServer

_LINE, _BLANKS = 80, " " * 21

_REASONS = {
    "walltime": "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
    "memory": "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
    "killed": "TERM_OWNER: job killed by owner",
}

Found = Sequence[tuple[Job, Run]]


def table(server: LsfServer, found: Found, header: bool, *, wide: bool, reasons: bool) -> str:
    """As ``bjobs`` does; names are cut unless it is wide."""
    lines = []
    if header:
        names = ("JOBID", "USER", "STAT", "QUEUE", "FROM_HOST", "EXEC_HOST", "JOB_NAME")
        lines.append(_row(*names, "SUBMIT_TIME"))
    for job, run in found:
        user, name = job.request.user, job.job_name(run)
        if not wide:
            user = user[:7]
            name = name if len(name) <= 10 else f"*{name[-9:]}"
        where = _where(server, job, run)
        when = time.strftime("%b %e %H:%M", time.localtime(job.submitted))
        queue = job.request.queue or "normal"
        lines.append(_row(str(job.number), user, run.state, queue, server.host, where, name, when))
        if reasons and run.state in WAITING:
            lines.append(f" {run.reason}")
    return "".join(f"{line}\n" for line in lines)


def _row(*fields: str) -> str:
    return "{:<7} {:<7} {:<5} {:<10} {:<11} {:<11} {:<10} {}".format(*fields)


def _where(server: LsfServer, job: Job, run: Run) -> str:
    if run.began is None:
        return "-"
    return server.host if job.request.slots == 1 else f"{job.request.slots}*{server.host}"


def at_length(server: LsfServer, found: Found) -> str:
    """As ``bjobs -l`` does: long lines are broken anywhere, and go on behind 21 blanks."""
    return f"\n{'-' * 78}\n\n".join(_one(server, job, run) for job, run in found)


def _one(server: LsfServer, job: Job, run: Run) -> str:
    request = job.request
    name = f", Job Name <{job.job_name(run)}>" if request.name else ""
    head = (
        f"Job Id <{job.name_of(run)}>{name}, User <{request.user}>, Project <{request.project}>, "
        f"Status <{run.state}>, Queue <{request.queue or 'normal'}>, "
        f"Command <{request.shown_command}>"
    )
    lines = [
        "",
        _broken(head),
        _broken(
            f"{_when(job.submitted)}: Submitted from host <{server.host}>, CWD <{request.cwd}>;"
        ),
    ]
    if request.minutes is not None:
        lines += ["", " RUNLIMIT", f" {request.minutes}.0 min of {server.host}"]
    if request.limit is not None:
        lines += ["", " MEMLIMIT", f" {request.limit >> 10} K"]
    if run.began is not None:
        started = f"[{run.index}] started" if job.is_array else "Started"
        lines.append(_broken(f"{_when(run.began)}: {started} on <{_where(server, job, run)}>;"))
    if run.state in WAITING:
        lines += [" PENDING REASONS:", f" {run.reason}"]
    elif run.ended is None:
        lines.append(f" MEM: {run.memory >> 20} Mbytes;  PGID: {run.pid};  PIDs: {run.pid}")
    else:
        lines += _end(server, run)
    return "\n".join([*lines, ""])


def _end(server: LsfServer, run: Run) -> list[str]:
    assert run.ended is not None
    sentence = how_it_ended(run)
    used = "0.0 seconds" if run.code is not None else "unknown"
    lines = [_broken(f"{_when(run.ended)}: {sentence} The CPU time used is {used}.")]
    if server.options.modern and run.cause in _REASONS:
        lines.append(_broken(f"{_when(run.ended)}: Completed <exit>; {_REASONS[run.cause]}."))
    if server.options.modern:
        lines += ["", f" MAX MEM: {run.memory_most >> 20} Mbytes;  AVG MEM: 1 Mbytes"]
    return lines


def _when(moment: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S", time.localtime(moment))


def _broken(line: str) -> str:
    parts = [line[:_LINE]]
    rest = line[_LINE:]
    while rest:
        parts.append(_BLANKS + rest[: _LINE - len(_BLANKS)])
        rest = rest[_LINE - len(_BLANKS) :]
    return "\n".join(parts)


# ── As IBM documents it ────────────────────────────────────────────────────────────────────────


def chosen_columns(
    server: LsfServer, found: Found, wanted: str, *, header: bool, as_json: bool
) -> str:
    """As ``bjobs -o`` does, and with -json."""
    delimiter = " "
    match = re.search(r"delimiter=(['\"]?)(.+?)\1\s*$", wanted)
    if match:
        delimiter, wanted = match.group(2), wanted[: match.start()]
    columns = [word.partition(":")[0].lower() for word in wanted.split()]
    rows = [[_field(server, job, run, column) for column in columns] for job, run in found]
    if as_json:
        records = [
            {column.upper(): "" if value == "-" else value
             for column, value in zip(columns, row, strict=True)}
            for row in rows
        ]  # fmt: skip
        told = {"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    names = [[column.upper() for column in columns]] if header else []
    return "".join(delimiter.join(row) + "\n" for row in names + rows)


def _field(server: LsfServer, job: Job, run: Run, column: str) -> str:
    def moment(value: float | None) -> str:
        return "-" if value is None else time.strftime("%b %e %H:%M", time.localtime(value))

    reason = _REASONS.get(run.cause, "-") if run.ended is not None else "-"
    values = {
        "jobid": str(job.number),
        "jobindex": str(run.index),
        "stat": run.state,
        "user": job.request.user,
        "queue": job.request.queue or "normal",
        "job_name": job.job_name(run),
        "exit_code": str(run.code if run.code >= 0 else 128 - run.code) if run.code else "-",
        "exit_reason": reason,
        "pend_reason": run.reason if run.state in WAITING else "-",
        "submit_time": moment(job.submitted),
        "start_time": moment(run.began),
        "finish_time": moment(run.ended),
        "from_host": server.host,
        "exec_host": _where(server, job, run),
    }
    return values.get(column, "-")


# ── Queues and hosts ───────────────────────────────────────────────────────────────────────────


def queues(server: LsfServer, names: Sequence[str]) -> str:
    """As ``bqueues`` does."""
    lines = ["QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP "]
    status = "Closed:Active" if server.turned().refuses else "Open:Active"
    for name in names:
        states = [
            run.state
            for job in server.jobs.values()
            if (job.request.queue or "normal") == name
            for run in job.runs.values()
        ]
        waiting, running = states.count("PEND"), states.count("RUN")
        held = states.count("PSUSP") + states.count("USUSP")
        lines.append(
            f"{name:<15} {30:>4} {status:<13}     -    -    -    - "
            f"{waiting + running + held:>5} {waiting:>5} {running:>5} {held:>5}"
        )
    return "".join(f"{line}\n" for line in lines)


def queues_at_length(server: LsfServer, names: Sequence[str]) -> str:
    """As ``bqueues -l`` does: of each queue, what it is for and its limits."""
    texts = []
    for name in names:
        minutes = QUEUES[name]
        lines = ["", f"QUEUE: {name}", "  -- No description provided.", ""]
        if minutes is not None:
            lines += [f" {'RUNLIMIT':<24}", f" {minutes}.0 min of {server.host}"]
        texts.append("\n".join([*lines, ""]))
    return f"\n{'-' * 79}\n".join(texts)


def hosts(server: LsfServer) -> str:
    """As ``bhosts`` does."""
    turned = server.turned()
    status = "closed" if server.host in turned.drained else "ok"
    status = "unavail" if server.host in turned.failed else status
    running = sum(
        job.request.slots
        for job in server.jobs.values()
        for run in job.runs.values()
        if run.state == "RUN"
    )
    return (
        "HOST_NAME          STATUS       JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV \n"
        f"{server.host:<18} {status:<12}    - {server.options.slots:>6} {running:>6} {running:>6} "
        "     0      0      0\n"
    )
