"""How PBS shows jobs and nodes: as a table, as text, delimited, and as its own kind of JSON."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from testbeds.pbs import output
from testbeds.pbs.jobs import Job, Run
from testbeds.standin.server import Turned

if TYPE_CHECKING:
    from testbeds.pbs.server import PbsServer

Attributes = dict[str, Any]

VERSION = "23.06.06"

_WHOLE = re.compile(r"[+-]?\d+")
_FRACTION = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_LINE = 78


# ── What is told of a job ──────────────────────────────────────────────────────────────────────


def attributes(server: PbsServer, job: Job, run: Run | None) -> tuple[str, Attributes]:
    """The id and attributes of a job, an array, or an element."""
    request = job.request
    shown = run or (None if job.is_array else job.runs[None])
    told: Attributes = {
        "Job_Name": request.name,
        "Job_Owner": f"{request.user}@{server.name}",
    }
    if shown is not None and shown.began is not None:
        told["resources_used"] = _used(shown, request.cpus)
    told["job_state"] = job.state() if shown is None else shown.state
    told["queue"] = request.queue
    told["server"] = server.name
    if request.account:
        told["Account_Name"] = request.account
    told["ctime"] = time.ctime(job.queued)
    told["Error_Path"] = f"{server.name}:{output.destination(job, shown, server.name, 'e')}"
    if shown is not None and shown.host:
        cpus = f"*{request.cpus}" if request.cpus > 1 else ""
        told["exec_host"] = f"{shown.host}/0{cpus}"
        told["exec_vnode"] = f"({shown.host}:ncpus={request.cpus})"
    told["Hold_Types"] = "u" if told["job_state"] == "H" else "n"
    told["Join_Path"] = request.join or "n"
    told["Keep_Files"] = request.keep or "n"
    told["mtime"] = time.ctime(shown.since if shown is not None else job.queued)
    told["Output_Path"] = f"{server.name}:{output.destination(job, shown, server.name, 'o')}"
    told["Priority"] = int(request.priority) if request.priority.lstrip("-").isdigit() else 0
    told["qtime"] = time.ctime(job.queued)
    told["Rerunable"] = "True" if request.rerunnable else "False"
    told["Resource_List"] = _resources(job)
    told.update(_progress(job, shown))
    told["Variable_List"] = {
        **{f"PBS_O_{name}": request.submitter[name] for name in ("HOME", "LANG", "LOGNAME", "PATH")
           if name in request.submitter},
        "PBS_O_WORKDIR": request.cwd,
        "PBS_O_HOST": server.name,
        "PBS_O_QUEUE": request.queue,
        **request.given,
    }  # fmt: skip
    told.update(_array(job, run))
    told["project"] = request.project
    return job.name_of(run, server.name), told


def _used(run: Run, cpus: int) -> Attributes:
    end = run.obit or time.time()
    seconds = max(0, int(end - (run.began or end)))
    return {
        "cpupercent": 0,
        "cput": "00:00:00",
        "mem": f"{run.memory >> 10}kb",
        "ncpus": cpus,
        "vmem": f"{run.memory >> 10}kb",
        "walltime": _clock(seconds),
    }


def _resources(job: Job) -> Attributes:
    request = job.request
    told: Attributes = {"ncpus": request.cpus, "nodect": 1}
    if request.memory:
        told["mem"] = f"{request.memory >> 20}mb"
    told["place"] = "pack"
    told["select"] = request.resources.get("select", f"1:ncpus={request.cpus}")
    if request.walltime:
        told["walltime"] = _clock(request.walltime)
    return told


def _progress(job: Job, run: Run | None) -> Attributes:
    """What is known of how it went."""
    if run is None:
        if job.finished is None:
            return {"substate": 10 if job.state() != "B" else 41}
        failed = any(one.code != 0 for one in job.runs.values())
        return {
            "substate": 93 if failed else 92,
            "Exit_status": int(failed),
            "history_timestamp": int(job.finished),
        }
    told: Attributes = {}
    if run.began is not None:
        told["stime"] = time.ctime(run.began)
        told["session_id"] = run.pid
        told["jobdir"] = job.request.home
    if run.obit is not None:
        told["obittime"] = time.ctime(run.obit)
    told["substate"] = run.substate
    if run.comment:
        told["comment"] = run.comment
    if run.run_count:
        told["run_count"] = run.run_count
    if run.code is not None and run.state in ("E", "F", "X"):
        told["Exit_status"] = run.code
    if run.is_finished:
        told["history_timestamp"] = int(run.since)
    return told


def _array(job: Job, run: Run | None) -> Attributes:
    if not job.is_array:
        return {}
    if run is not None:
        return {"array_id": f"{job.number}[]", "array_index": run.index}
    states = [one.state for one in job.runs.values()]
    counts = {
        "Queued": sum(state in "QH" for state in states),
        "Running": states.count("R"),
        "Exiting": states.count("E"),
        "Expired": states.count("X"),
    }
    left = [one.index for one in job.runs.values() if one.state in "QH"]
    return {
        "array": "True",
        "array_state_count": " ".join(f"{name}:{count}" for name, count in counts.items()) + " ",
        "array_indices_submitted": job.request.index_range,
        "array_indices_remaining": ",".join(map(str, left)) or "-",
    }


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


# ── Ways to show it ────────────────────────────────────────────────────────────────────────────


def as_json(entries: Sequence[tuple[str, Attributes]], server: str) -> str:
    """As ``qstat -f -F json`` does: what looks like JSON in a variable becomes it."""
    told: Attributes = {
        "timestamp": int(time.time()),
        "pbs_version": VERSION,
        "pbs_server": server,
    }
    if entries:
        told["Jobs"] = {
            name: {
                **job,
                "Variable_List": {
                    variable: _mangled(value) for variable, value in job["Variable_List"].items()
                },
            }
            for name, job in entries
        }
    return json.dumps(told, indent=4, ensure_ascii=False) + "\n"


def _mangled(text: str) -> Any:
    if _WHOLE.fullmatch(text):
        return int(text) if len(text) < 19 else float(text)
    if _FRACTION.fullmatch(text):
        value = float(text)
        return None if value in (float("inf"), float("-inf")) else value
    if text[:1] in ("[", "{") or text in ("true", "false", "null"):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _flat(job: Attributes) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in job.items():
        if name == "Variable_List":
            lines.append((name, ",".join(f"{key}={text}" for key, text in value.items())))
        elif isinstance(value, dict):
            lines += [(f"{name}.{key}", str(one)) for key, one in value.items()]
        else:
            lines.append((name, str(value)))
    return lines


def as_dsv(entries: Sequence[tuple[str, Attributes]]) -> str:
    """As ``qstat -f -F dsv`` does."""
    return "".join(
        "|".join([f"Job Id: {name}", *(f"{key}={value}" for key, value in _flat(job))]) + "\n"
        for name, job in entries
    )


def as_text(entries: Sequence[tuple[str, Attributes]], *, wide: bool) -> str:
    """As ``qstat -f`` does: long lines go on behind a tab, unless it is wide."""
    told = []
    for name, job in entries:
        told.append(f"Job Id: {name}\n")
        for key, value in _flat(job):
            line = f"    {key} = {value}"
            while not wide and len(line) > _LINE:
                told.append(f"{line[:_LINE]}\n")
                line = "\t" + line[_LINE:]
            told.append(f"{line}\n")
        told.append("\n")
    return "".join(told)


def as_table(server: PbsServer, found: Sequence[tuple[Job, Run | None]]) -> str:
    """As plain ``qstat`` does: names are cut."""
    if not found:
        return ""
    told = [
        "Job id            Name             User              Time Use S Queue\n",
        "----------------  ---------------- ----------------  -------- - -----\n",
    ]
    for job, run in found:
        shown = run or (None if job.is_array else job.runs[None])
        state = job.state() if shown is None else shown.state
        used = "00:00:00" if shown is not None and shown.began else "0"
        name, user = job.request.name[:16], job.request.user[:16]
        told.append(
            f"{job.name_of(run, server.name):<17} {name:<16} {user:<16} {used:>9} {state} "
            f"{job.request.queue}\n"
        )
    return "".join(told)


def as_server(server: PbsServer) -> str:
    """As ``qstat -B -f`` does."""
    lines = [
        "server_state = Active",
        f"server_host = {server.name}",
        "scheduling = True",
        f"total_jobs = {len(server.jobs)}",
        "default_queue = workq",
        f"max_array_size = {server.options.array_limit}",
        f"pbs_version = {VERSION}",
        *(["job_history_enable = True"] if server.options.history else []),
    ]
    return "".join([f"Server: {server.name}\n", *(f"    {line}\n" for line in lines), "\n"])


def as_node(server: PbsServer, node: str, turned: Turned) -> str:
    """As ``pbsnodes -av`` does."""
    used = sum(
        job.request.cpus
        for job in server.jobs.values()
        for run in job.runs.values()
        if run.state in ("R", "E") and run.host == node
    )
    state = "free" if used < server.options.cpus else "job-busy"
    if node in turned.drained:
        state = "offline"
    if node in turned.failed:
        state = "down"
    lines = [
        f"Mom = {node}",
        "ntype = PBS",
        f"state = {state}",
        f"pcpus = {server.options.cpus}",
        f"resources_available.ncpus = {server.options.cpus}",
        f"resources_available.vnode = {node}",
        f"resources_assigned.ncpus = {used}",
        "resv_enable = True",
        "sharing = default_shared",
    ]
    return "".join([f"{node}\n", *(f"     {line}\n" for line in lines), "\n"])
