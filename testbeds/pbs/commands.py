"""The commands of PBS, as its server answers them."""

from __future__ import annotations

import getopt
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from testbeds.pbs import display, submit
from testbeds.pbs.jobs import WAITING, Job, Run, parse_id
from testbeds.standin.server import Answer, Call
from testbeds.standin.signals import signal_number

if TYPE_CHECKING:
    from testbeds.pbs.server import PbsServer

VERSION = "pbs_version = 23.06.06\n"

_UNKNOWN, _HAS_FINISHED, _BAD_STATE, _NO_QUEUE, _QUEUE_CLOSED = 153, 35, 168, 170, 176
_SECONDS_PER_ID = 0.008  # that a status takes without -E

_QUEUES = ("workq", "short")

Found = tuple[Job, Run | None]


def run(server: PbsServer, call: Call) -> Answer:
    """Answer one call."""
    if call.argv == ["--version"]:
        return Answer(VERSION)
    programs: dict[str, Callable[[PbsServer, Call], Answer]] = {
        "qsub": _qsub,
        "qstat": _qstat,
        "qdel": _qdel,
        "qselect": _qselect,
        "qsig": _qsig,
        "qhold": _qhold,
        "qrls": _qrls,
        "qrerun": _qrerun,
        "pbsnodes": _pbsnodes,
    }
    return programs[call.program](server, call)


# ── qsub ───────────────────────────────────────────────────────────────────────────────────────


def _qsub(server: PbsServer, call: Call) -> Answer:
    try:
        request = submit.read(
            call.argv,
            stdin=call.stdin,
            cwd=call.cwd,
            caller=dict(call.env),
            user=(call.user, call.uid, call.gid, call.home),
            array_limit=server.options.array_limit,
        )
    except submit.RefusedError as refused:
        return Answer(err=refused.text, code=refused.code)
    if request.queue not in _QUEUES:
        return Answer(err="qsub: Unknown queue\n", code=_NO_QUEUE)
    if server.turned().refuses:
        return Answer(err="qsub: Queue is not enabled\n", code=_QUEUE_CLOSED)
    now = time.time()
    indices: list[int | None] = [*request.indices] or [None]
    state, substate = ("H", 20) if request.held else ("Q", 10)
    runs = {index: Run(index, state, substate, since=now) for index in indices}
    job = Job(server.next_number, request, now, runs)
    server.jobs[job.number] = job
    server.next_number += 1
    server.changed()
    told = "" if request.is_quiet else job.name_of(None, server.name) + "\n"
    helper = server.options.seconds_helper if request.helper else 0
    if not request.blocks:
        return Answer(told, helper_seconds=helper)
    call.say(told)
    call.wait_until(lambda: job.finished is not None)
    return Answer(code=_code_of(job) & 0xFF, helper_seconds=helper)


def _code_of(job: Job) -> int:
    codes = [run.code for run in job.runs.values()]
    if job.is_array:
        return int(any(code != 0 for code in codes))
    return codes[0] if codes[0] is not None else 1


# ── Finding jobs ───────────────────────────────────────────────────────────────────────────────


def _find(server: PbsServer, text: str) -> Found | None:
    named = parse_id(text)
    if named is None:
        return None
    job = server.jobs.get(named.number)
    if job is None or job.is_array != named.is_array or named.server not in (None, server.name):
        return None
    if named.index is None:
        return job, None
    element = job.runs.get(named.index)
    return None if element is None else (job, element)


def _full_name(server: PbsServer, text: str) -> str:
    return text if "." in text else f"{text}.{server.name}"


def _is_over(found: Found) -> bool:
    job, element = found
    if job.finished is not None:
        return True
    return element is not None and element.state == "F"


def _runs_of(found: Found) -> list[Run]:
    job, element = found
    return list(job.runs.values()) if element is None else [element]


def _each(
    server: PbsServer, call: Call, operands: list[str], errors: list[tuple[str, int]]
) -> Iterator[tuple[str, Found]]:
    """The jobs of a command that are not over; errors are noted for the others."""
    for text in operands:
        found = _find(server, text)
        name = _full_name(server, text)
        if parse_id(text) is None:
            errors.append((f"{call.program}: illegally formed job identifier: {text}\n", 1))
        elif found is None or (_is_over(found) and not server.options.history):
            errors.append((f"{call.program}: Unknown Job Id {name}\n", _UNKNOWN))
        elif _is_over(found):
            errors.append((f"{call.program}: Job has finished {name}\n", _HAS_FINISHED))
        else:
            yield name, found


def _with_errors(errors: list[tuple[str, int]]) -> Answer:
    return Answer(err="".join(text for text, _ in errors), code=errors[-1][1] if errors else 0)


def _usage(program: str, options: str) -> Answer:
    told = f"usage:\n\t{program} {options} job_identifier...\n\t{program} --version\n"
    return Answer(err=told, code=2)


# ── What is done to jobs ───────────────────────────────────────────────────────────────────────


def _qdel(server: PbsServer, call: Call) -> Answer:
    try:
        options, operands = getopt.getopt(call.argv, "W:x")
    except getopt.GetoptError:
        operands = []
    if not operands:
        return _usage("qdel", "[-W force|suppress_email=X] [-x]")
    force = ("-W", "force") in options
    forgets = ("-x", "") in options
    errors: list[tuple[str, int]] = []
    if forgets:
        operands = [text for text in operands if not _forget(server, text)]
    for name, found in _each(server, call, operands, errors):
        runs = [run for run in _runs_of(found) if not run.is_finished]
        if any(run.state == "E" for run in runs) and len(runs) == 1:
            errors.append((f"qdel: Request invalid for state of job {name}\n", _BAD_STATE))
            continue
        for run in runs:
            if run.state != "E":
                server.delete(found[0], run, force=force)
        if forgets and found[0].finished is not None:
            del server.jobs[found[0].number]
    return _with_errors(errors)


def _forget(server: PbsServer, text: str) -> bool:
    found = _find(server, text)
    if found is None or found[0].finished is None:
        return False
    del server.jobs[found[0].number]
    server.changed()
    return True


def _qsig(server: PbsServer, call: Call) -> Answer:
    options, operands = getopt.getopt(call.argv, "s:")
    number = signal_number(dict(options).get("-s", "SIGTERM"))
    errors: list[tuple[str, int]] = []
    for name, found in _each(server, call, operands, errors):
        for run in _runs_of(found):
            if run.state != "R":
                errors.append((f"qsig: Request invalid for state of job {name}\n", _BAD_STATE))
                continue
            key = found[0].name_of(run, server.name)
            server.ask_mom(do="signal", job=key, signal=number)
    return _with_errors(errors)


def _qhold(server: PbsServer, call: Call) -> Answer:
    return _set_held(server, call, held=True)


def _qrls(server: PbsServer, call: Call) -> Answer:
    return _set_held(server, call, held=False)


def _set_held(server: PbsServer, call: Call, *, held: bool) -> Answer:
    _, operands = getopt.getopt(call.argv, "h:")
    errors: list[tuple[str, int]] = []
    for _, found in _each(server, call, operands, errors):
        for run in _runs_of(found):
            if run.state in WAITING:
                run.state, run.substate = ("H", 20) if held else ("Q", 10)
                server.changed()
    return _with_errors(errors)


def _qrerun(server: PbsServer, call: Call) -> Answer:
    _, operands = getopt.getopt(call.argv, "W:")
    errors: list[tuple[str, int]] = []
    for name, found in _each(server, call, operands, errors):
        for run in _runs_of(found):
            if run.state != "R" or not found[0].request.rerunnable:
                errors.append((f"qrerun: Request invalid for state of job {name}\n", _BAD_STATE))
                continue
            key = found[0].name_of(run, server.name)
            server.ask_mom(do="signal", job=key, signal=9)
            server.ask_mom(do="forget", jobs=[key])
    return _with_errors(errors)


# ── What is told ───────────────────────────────────────────────────────────────────────────────


def _qstat(server: PbsServer, call: Call) -> Answer:
    try:
        given, operands = getopt.getopt(call.argv, "aefF:GHiJnpQrsStTu:wWxBE")
    except getopt.GetoptError:
        told = "usage: qstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format] [ job_identifier... ]"
        return Answer(err=f"{told}\n", code=2)
    letters = {letter for letter, _ in given}
    chosen = dict(given)
    if {"-B", "-f"} <= letters:
        return Answer(display.as_server(server))
    as_json = "-f" in letters and chosen.get("-F") == "json"
    history = bool({"-x", "-H"} & letters)
    if history and not server.options.history:
        ids = " ".join(_full_name(server, text) for text in operands)
        told = f"qstat: PBS is not configured to maintain job history {ids}\n"
        return Answer(display.as_json([], server.name) if as_json else "", told)
    errors: list[tuple[str, int]] = []
    if operands:
        asked = operands[:1] if as_json and "-E" not in letters else operands
        found = _asked(server, asked, errors, history=history, lenient="-E" in letters)
    else:
        found = [(job, None) for job in server.jobs.values() if history or job.finished is None]
    if "-u" in chosen:
        users = chosen["-u"].split(",")
        found = [(job, run) for job, run in found if job.request.user in users]
    if "-t" in letters:
        found = list(_with_elements(found))
    entries = [display.attributes(server, job, run) for job, run in found]
    answer = _with_errors(errors)
    answer.out = _shown(server, entries, letters, chosen, found)
    answer.delay_seconds = 0 if "-E" in letters else _SECONDS_PER_ID * len(operands)
    return answer


def _shown(
    server: PbsServer,
    entries: list[tuple[str, display.Attributes]],
    letters: set[str],
    chosen: dict[str, str],
    found: list[Found],
) -> str:
    if "-f" not in letters:
        return display.as_table(server, found)
    if chosen.get("-F") == "json":
        return display.as_json(entries, server.name)
    if chosen.get("-F") == "dsv":
        return display.as_dsv(entries)
    return display.as_text(entries, wide="-w" in letters)


def _asked(
    server: PbsServer,
    operands: list[str],
    errors: list[tuple[str, int]],
    *,
    history: bool,
    lenient: bool,
) -> list[Found]:
    kept = []
    for text in operands:
        found = _find(server, text)
        name = _full_name(server, text)
        if parse_id(text) is None:
            errors.append((f"qstat: Unknown queue {text}\n", _NO_QUEUE))
        elif found is None or (_is_over(found) and not server.options.history):
            if not lenient:
                errors.append((f"qstat: Unknown Job Id {name}\n", _UNKNOWN))
        elif _is_over(found) and not history:
            if not lenient:
                hint = "use -x or -H to obtain historical job information"
                errors.append((f"qstat: {name} Job has finished, {hint}\n", _HAS_FINISHED))
        else:
            kept.append(found)
    return kept


def _with_elements(found: list[Found]) -> Iterator[Found]:
    for job, run in found:
        yield job, run
        if job.is_array and run is None:
            for element in job.runs.values():
                yield job, element


def _qselect(server: PbsServer, call: Call) -> Answer:
    given, _ = getopt.getopt(call.argv, "xu:N:s:q:HJTP:t:")
    chosen = dict(given)
    told = []
    for job in server.jobs.values():
        if job.finished is not None and not ("-x" in chosen and server.options.history):
            continue
        if job.request.user not in chosen.get("-u", job.request.user).split(","):
            continue
        if job.request.name != chosen.get("-N", job.request.name):
            continue
        if job.state() in chosen.get("-s", job.state()):
            told.append(job.name_of(None, server.name) + "\n")
    return Answer("".join(told))


def _pbsnodes(server: PbsServer, call: Call) -> Answer:
    given, operands = getopt.getopt(call.argv, "ao:r:vljSLHF:s:")
    turned = server.turned()
    told = []
    for node in operands or server.options.node_names():
        if node not in server.options.node_names():
            return Answer(err=f"Node: {node},  Error: Unknown node\n", code=1)
        told.append(display.as_node(server, node, turned))
    del given
    return Answer("".join(told))
