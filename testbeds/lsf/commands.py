"""The commands of LSF, as its master answers them."""

from __future__ import annotations

import getopt
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from testbeds.lsf import display, output, submit
from testbeds.lsf.jobs import ENDED, WAITING, Job, Run
from testbeds.standin.server import Answer, Call
from testbeds.standin.signals import signal_number

if TYPE_CHECKING:
    from testbeds.lsf.server import LsfServer

FAILED = 255

_ID = re.compile(r"(\d+)(?:\[(\d+)\])?")

Found = tuple[Job, Run]


def run(server: LsfServer, call: Call) -> Answer:
    """Answer one call."""
    programs: dict[str, Callable[[LsfServer, Call], Answer]] = {
        "bsub": _bsub,
        "bjobs": _bjobs,
        "bkill": _bkill,
        "bstop": _bstop,
        "bresume": _bresume,
        "bpeek": _bpeek,
        "bhist": _bhist,
        "bqueues": _bqueues,
        "bhosts": _bhosts,
        "lsid": _lsid,
        "lsadmin": _lsadmin,
        "badmin": _lsadmin,
    }
    return programs[call.program](server, call)


# ── bsub ───────────────────────────────────────────────────────────────────────────────────────


def _bsub(server: LsfServer, call: Call) -> Answer:
    if "-V" in call.argv:
        return _lsid(server, call)
    try:
        request = submit.read(call, server.options)
        number = server.next_number
        server.next_number += 1  # a refusal has used it up
        server.changed()
        submit.check(request, server.options)
    except submit.RefusedError as refused:
        return Answer(err=f"{refused}\n", code=FAILED)
    queue = request.queue or "normal"
    if server.turned().refuses:
        return Answer(err=f"{queue}: Queue has been closed. Job not submitted.\n", code=FAILED)
    now = time.time()
    state = "PSUSP" if request.held else "PEND"
    runs = {index: Run(index, state, now) for index in request.indices or [0]}
    job = Job(number, request, now, runs)
    server.jobs[number] = job
    default = "" if request.queue else "default "
    told = f"Job <{number}> is submitted to {default}queue <{queue}>.\n"
    if not request.waits:
        return Answer(told)
    call.say(f"{told}<<Waiting for dispatch ...>>\n")
    call.wait_until(lambda: job.is_over or any(one.began for one in runs.values()))
    call.say(f"<<Starting on {server.host}>>\n")
    call.wait_until(lambda: job.is_over)
    codes = [one.code for one in runs.values()]
    return Answer("<<Job is finished>>\n", code=(codes[0] or 0) & 0xFF)


# ── Finding jobs ───────────────────────────────────────────────────────────────────────────────


def _named(server: LsfServer, operands: Sequence[str], errors: list[str]) -> Iterator[Found]:
    for text in operands:
        match = _ID.fullmatch(text)
        if match is None:
            errors.append(f"{text}: Illegal job ID.\n")
            continue
        job = server.jobs.get(int(match.group(1)))
        index = match.group(2)
        if job is None or (index is not None and int(index) not in job.runs):
            errors.append(f"Job <{text}> is not found\n")
        elif index is not None:
            yield job, job.runs[int(index)]
        else:
            for element in job.runs.values():
                yield job, element


def _all(server: LsfServer, chosen: dict[str, str], user: str) -> list[Found]:
    wanted = chosen.get("-u", user)
    return [
        (job, element)
        for job in server.jobs.values()
        if wanted in ("all", job.request.user)
        and chosen.get("-q", job.request.queue or "normal") == (job.request.queue or "normal")
        and _has_name(job, chosen.get("-J"))
        for element in job.runs.values()
    ]


def _has_name(job: Job, wanted: str | None) -> bool:
    if wanted is None:
        return True
    pattern = ".*".join(map(re.escape, wanted.split("*")))
    return bool(re.fullmatch(pattern, job.request.plain_name))


# ── bjobs ──────────────────────────────────────────────────────────────────────────────────────


def _bjobs(server: LsfServer, call: Call) -> Answer:
    words = [word for word in call.argv if word != "-noheader"]
    header = len(words) == len(call.argv)
    as_json = server.options.modern and "-json" in words
    words = [word for word in words if not (as_json and word == "-json")]
    modern = "o:" if server.options.modern else ""
    try:
        given, operands = getopt.getopt(words, f"adlprswAXu:q:J:m:P:g:{modern}")
    except getopt.GetoptError as error:
        return Answer(err=f"bjobs: invalid option -- '{error.opt}'\n", code=FAILED)
    chosen = dict(given)
    errors: list[str] = []
    found = list(_named(server, operands, errors)) if operands else _by_state(server, call, chosen)
    if not found:
        return Answer(err="".join(errors) or f"{_none(chosen)}\n", code=FAILED)
    if "-o" in chosen:
        told = display.chosen_columns(server, found, chosen["-o"], header=header, as_json=as_json)
    elif "-l" in chosen:
        told = display.at_length(server, found)
    else:
        reasons = "-p" in chosen
        told = display.table(server, found, header, wide="-w" in chosen, reasons=reasons)
    return Answer(told, "".join(errors), FAILED if errors else 0)


def _none(chosen: dict[str, str]) -> str:
    """What is said where no job is as chosen."""
    if chosen.get("-q", "normal") not in submit.QUEUES:
        return f"{chosen['-q']}: No such queue"
    if "-J" in chosen:
        return f"Job <{chosen['-J']}> is not found"
    return "No job found" if "-a" in chosen else "No unfinished job found"


def _by_state(server: LsfServer, call: Call, chosen: dict[str, str]) -> list[Found]:
    found = _all(server, chosen, call.user)
    if "-a" in chosen:
        return found
    if "-d" in chosen:
        return [(job, element) for job, element in found if element.state in ENDED]
    found = [(job, element) for job, element in found if element.state not in ENDED]
    if "-p" in chosen:
        return [(job, element) for job, element in found if element.state in WAITING]
    if "-r" in chosen:
        return [(job, element) for job, element in found if element.state == "RUN"]
    return found


# ── What is done to jobs ───────────────────────────────────────────────────────────────────────


def _bkill(server: LsfServer, call: Call) -> Answer:
    given, operands = getopt.getopt(call.argv, "lbrs:u:q:J:m:g:")
    chosen = dict(given)
    number = signal_number(chosen.get("-s", "KILL"))
    now = time.time()
    out: list[str] = []
    err: list[str] = []
    if operands in ([], ["0"]):
        found = [one for one in _all(server, chosen, call.user) if one[1].state not in ENDED]
        if not operands and not {"-J", "-u", "-q"} & set(chosen):
            what = "Job ID or one of '-m', '-u' '-q' -'g' and '-J' must be specified"
            return Answer(err=f"{what}\n", code=FAILED)
        if not found:
            err.append("No matching job found\n")
        for job, element in found:
            _end(server, job, element, number, now, out)
        return Answer("".join(out), "".join(err), FAILED if err else 0)
    for text in operands:
        unknown: list[str] = []
        named = list(_named(server, [text], unknown))
        live = [one for one in named if one[1].state not in ENDED]
        if unknown:
            illegal = _ID.fullmatch(text) is None
            err.append(unknown[0] if illegal else f"Job <{text}>: No matching job found\n")
        elif not live:
            err.append(f"Job <{text}>: Job has already finished\n")
        elif len(named) > 1:
            quiet: list[str] = []
            for job, element in live:
                _end(server, job, element, number, now, quiet)
            err.append(f"Job <{text}>: Operation is in progress\n")
        else:
            _end(server, *live[0], number, now, out)
    return Answer("".join(out), "".join(err), FAILED if err else 0)


def _end(
    server: LsfServer, job: Job, element: Run, number: int, now: float, told: list[str]
) -> None:
    name = job.name_of(element)
    if number == signal_number("KILL"):
        server.kill(job, element, now)
        told.append(f"Job <{name}> is being terminated\n")
    else:
        server.signal(job, element, number)
        told.append(f"Job <{name}> is being signaled\n")


def _bstop(server: LsfServer, call: Call) -> Answer:
    return _suspend(server, call, {"PEND": "PSUSP", "RUN": "USUSP"}, "STOP", "stopped")


def _bresume(server: LsfServer, call: Call) -> Answer:
    return _suspend(server, call, {"PSUSP": "PEND", "USUSP": "RUN"}, "CONT", "resumed")


def _suspend(
    server: LsfServer, call: Call, changes: dict[str, str], name: str, what: str
) -> Answer:
    errors: list[str] = []
    told = []
    for job, element in _named(server, call.argv, errors):
        if element.state in changes:
            element.state = changes[element.state]
            server.changed()
            server.signal(job, element, signal_number(name))
            told.append(f"Job <{job.name_of(element)}> is being {what}\n")
        else:
            errors.append(f"Job <{job.name_of(element)}>: Job has already finished\n")
    return Answer("".join(told), "".join(errors), FAILED if errors else 0)


# ── What is told ───────────────────────────────────────────────────────────────────────────────


def _bpeek(server: LsfServer, call: Call) -> Answer:
    errors: list[str] = []
    told = []
    for job, element in _named(server, call.argv, errors):
        out, _ = output.spooled(server.place, job, element)
        if not out.exists():
            errors.append(f"Job <{job.name_of(element)}> : Not yet started.\n")
            continue
        told.append(f"<< output from stdout >>\n{out.read_bytes().decode('latin-1')}")
    return Answer("".join(told), "".join(errors), FAILED if errors else 0)


def _bhist(server: LsfServer, call: Call) -> Answer:
    errors: list[str] = []
    operands = [word for word in call.argv if not word.startswith("-")]
    found = list(_named(server, operands, errors))
    if errors:
        return Answer("No matching job found\n", code=FAILED)
    return Answer(display.at_length(server, found))


def _bqueues(server: LsfServer, call: Call) -> Answer:
    names = [word for word in call.argv if not word.startswith("-")] or list(submit.QUEUES)
    unknown = [name for name in names if name not in submit.QUEUES]
    if unknown:
        return Answer(err=f"{unknown[0]}: No such queue\n", code=FAILED)
    if "-l" in call.argv:
        return Answer(display.queues_at_length(server, names))
    return Answer(display.queues(server, names))


def _bhosts(server: LsfServer, call: Call) -> Answer:
    unknown = [word for word in call.argv if not word.startswith("-") and word != server.host]
    if unknown:
        return Answer(
            err=f"{unknown[0]}: Bad host name, host group name or cluster name\n", code=FAILED
        )
    return Answer(display.hosts(server))


def _lsid(server: LsfServer, _call: Call) -> Answer:
    product = "IBM Spectrum LSF Standard 10.1.0.0" if server.options.modern else "OpenLava 4.0dev4"
    names = f"My cluster name is testbed\nMy master name is {server.host}\n"
    return Answer(f"{product}, Jan 1 2016\n\n{names}")


def _lsadmin(server: LsfServer, call: Call) -> Answer:
    if server.options.modern and call.argv[:1] == ["showconf"]:
        now = time.ctime()
        return Answer(
            f"LSF configuration at {now}\n    LSF_UNIT_FOR_LIMITS = {server.options.unit}\n"
        )
    word = call.argv[0] if call.argv else ""
    return Answer(err=f"{call.program}: unknown command <{word}>\n", code=FAILED)
