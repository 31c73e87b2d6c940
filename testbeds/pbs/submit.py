"""What qsub makes of its options, the directives of a script and the resources they ask for."""

from __future__ import annotations

import getopt
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from testbeds.pbs.jobs import Request

OPTIONS = "a:A:c:C:e:fhIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:Xxz"

USAGE = (
    "usage: qsub [-a date_time] [-A account_string] [-c interval]\n"
    "\t[-C directive_prefix] [-e path] [-f ] [-h ] [-I [-X]] [-j oe|eo] [-J X-Y[:Z]]\n"
    "\t[-k keep] [-l resource_list] [-m mail_options] [-M user_list]\n"
    "\t[-N jobname] [-o path] [-p priority] [-P project] [-q queue] [-r y|n]\n"
    "\t[-R o|e|oe] [-S path] [-u user_list] [-W otherattributes=value...]\n"
    "\t[-v variable_list] [-V ] [-z] [script | -- command [arg1 ...]]\n"
    "       qsub --version\n"
)

_CHECKED = {"-N": re.compile(r"[A-Za-z0-9._+-]{1,230}"), "-r": re.compile(r"[yn]")}
_TEXTS = {
    "-N": "name",
    "-j": "join",
    "-k": "keep",
    "-S": "shell",
    "-q": "queue",
    "-A": "account",
    "-P": "project",
    "-p": "priority",
    "-r": "rerun",
}
_FLAGS = {"-h": ("held", True), "-z": ("is_quiet", True), "-f": ("helper", False)}

_INDICES = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?:%(\d+))?")
_SIZE = re.compile(r"(\d+)([kmgt]?)[bw]?", re.IGNORECASE)
_JOB_WIDE = ("ncpus", "mem", "vmem", "nodect", "mpiprocs", "ompthreads")
_KNOWN = ("walltime", "cput", "select", "place", "nodes", "pmem", "pvmem", "pcput", "file", "nice")
_IN_CHUNK = ("ncpus", "mem", "vmem", "mpiprocs", "ompthreads", "host", "vnode", "arch")


class RefusedError(Exception):
    """qsub says no.

    Args:
        code: its exit code.
        text: what it prints to standard error.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def wants_stdin(argv: Sequence[str]) -> bool:
    """Whether the script comes by standard input."""
    try:
        _, operands = getopt.getopt(list(argv), OPTIONS)
    except getopt.GetoptError:
        return False
    return not operands and "--version" not in argv


def read(
    argv: Sequence[str],
    *,
    stdin: str,
    cwd: str,
    caller: dict[str, str],
    user: tuple[str, int, int, str],
    array_limit: int,
) -> Request:
    """Read one submission.

    Args:
        argv: of qsub.
        stdin: what it was given there.
        cwd: where it was called.
        caller: its variables.
        user: name, numbers and home folder of who submits.
        array_limit: how many elements an array may have.

    Raises:
        RefusedError: as the real one would be.
    """
    options, operands = _options(argv, 2)
    is_command = "--" in argv and bool(operands)
    script, default_name = _script(operands, stdin, cwd) if not is_command else ("", "STDIN")
    directives = [] if is_command else _directives(script)
    name, uid, gid, home = user
    request = Request(
        name=default_name,
        script=script,
        argv=operands if is_command else [],
        user=name,
        uid=uid,
        gid=gid,
        home=home,
        cwd=cwd,
        submitter=caller,
    )
    given = [letter for letter, _ in options]
    kept = [(letter, value) for letter, value in directives if letter not in given]
    resources: list[str] = []
    for letter, value in kept:
        _apply(request, letter, value, resources, is_directive=True)
    for letter, value in options:
        _apply(request, letter, value, resources, is_directive=False)
    _apply_resources(request, resources)
    _check_array(request, array_limit)
    return request


def _options(argv: Sequence[str], code: int) -> tuple[list[tuple[str, str]], list[str]]:
    try:
        return getopt.getopt(list(argv), OPTIONS)
    except getopt.GetoptError as error:
        raise RefusedError(code, f"qsub: {_as_getopt(error)}\n{USAGE}") from None


def _as_getopt(error: getopt.GetoptError) -> str:
    if "requires argument" in error.msg:
        return f"option requires an argument -- '{error.opt}'"
    return f"invalid option -- '{error.opt}'"


def _script(operands: Sequence[str], stdin: str, cwd: str) -> tuple[str, str]:
    if not operands:
        return stdin, "STDIN"
    path = Path(cwd, operands[0])
    try:
        text = path.read_bytes().decode("latin-1")
    except OSError:
        raise RefusedError(1, f"qsub: script file: {operands[0]}: No such file\n") from None
    return text, re.sub(r"[^A-Za-z0-9._+-]", "_", path.name)[:230]


def _directives(script: str) -> list[tuple[str, str]]:
    """The options of its #PBS lines, which end with the first line that is a command."""
    if "\r\n" in script:
        raise RefusedError(1, "qsub: script contains cr, lf\n")
    found: list[tuple[str, str]] = []
    for line in script.splitlines():
        if line.startswith("#PBS"):
            try:
                words = shlex.split(line[len("#PBS") :])
            except ValueError:
                raise RefusedError(1, f"qsub: directive error: {line}\n") from None
            options, rest = _options(words, 1)
            if rest:
                raise RefusedError(1, f"qsub: directive error: {line}\n{USAGE}")
            found += options
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return found


# ── One option ─────────────────────────────────────────────────────────────────────────────────


def _apply(
    request: Request, letter: str, value: str, resources: list[str], *, is_directive: bool
) -> None:
    if letter in _CHECKED and not _CHECKED[letter].fullmatch(value):
        raise _illegal(letter)
    if letter in _TEXTS:
        setattr(request, _TEXTS[letter], value)
    elif letter in _FLAGS:
        setattr(request, *_FLAGS[letter])
    elif letter == "-l":
        resources.append(value)
    elif letter in ("-o", "-e"):
        _apply_path(request, letter, value, is_directive=is_directive)
    elif letter == "-J":
        _apply_indices(request, value)
    else:
        _apply_more(request, letter, value)


def _apply_more(request: Request, letter: str, value: str) -> None:
    match letter:
        case "-v":
            request.given.update(_variables(value, request.submitter))
        case "-V":
            request.given = {**request.submitter, **request.given}
        case "-W":
            request.blocks = request.blocks or "block=true" in value.split(",")


def _apply_path(request: Request, letter: str, value: str, *, is_directive: bool) -> None:
    if not is_directive:
        if re.search(r"(?<!\\)\s", value):
            raise _illegal(letter)
        value = re.sub(r"\\(.)", r"\1", value)
    if letter == "-o":
        request.out = value
    else:
        request.err = value


def _apply_indices(request: Request, value: str) -> None:
    match = _INDICES.fullmatch(value)
    if match is None:
        raise _illegal("-J")
    first, last, step, at_once = (int(text) if text else 0 for text in match.groups())
    indices = list(range(first, last + 1, step or 1))
    if len(indices) < 2:
        raise _illegal("-J")
    request.indices, request.at_once = indices, at_once
    request.index_range = value.partition("%")[0]


def _variables(text: str, caller: dict[str, str]) -> dict[str, str]:
    """Read NAME=VALUE,NAME,... where quotes and backslashes keep commas."""
    found: dict[str, str] = {}
    for item in re.findall(r"""((?:\\.|"[^"]*"|'[^']*'|[^,\\"'])+)(?:,|$)""", text):
        name, has_value, value = item.partition("=")
        if has_value:
            value = re.sub(r"""\\(.)|["']""", lambda match: match.group(1) or "", value)
            found[name] = value
        elif name in caller:
            found[name] = caller[name]
    return found


def _illegal(letter: str) -> RefusedError:
    return RefusedError(2, f"qsub: illegal {letter} value\n{USAGE}")


# ── Resources ──────────────────────────────────────────────────────────────────────────────────


def _apply_resources(request: Request, given: Sequence[str]) -> None:
    found: dict[str, str] = {}
    for text in given:
        for item in text.split(","):
            name, _, value = item.partition("=")
            found[name] = value
    wide = [name for name in found if name in _JOB_WIDE]
    if "select" in found and wide:
        told = f'"-lresource=" cannot be used with "select" or "place", resource is: {wide[0]}'
        raise RefusedError(5, f"qsub: {told}\n")
    for name in found:
        if name not in _KNOWN + _JOB_WIDE:
            raise RefusedError(187, f"qsub: Unknown resource Resource_List.{name}\n")
    for name, value in found.items():
        _apply_resource(request, name, value)
    request.resources = found


def _apply_resource(request: Request, name: str, value: str) -> None:
    match name:
        case "walltime":
            request.walltime = seconds(value)
        case "mem":
            request.memory = size(value, name)
        case "pvmem":
            request.address_space = size(value, name) >> 10
        case "ncpus":
            request.cpus = number(value, name)
        case "select":
            _apply_select(request, value)
        case "nodes":
            count, _, rest = value.partition(":")
            each = re.search(r"ppn=(\d+)", rest)
            request.cpus = int(count) * int(each.group(1) if each else 1)


def _apply_select(request: Request, text: str) -> None:
    cpus, memory = 0, 0
    for chunk in text.split("+"):
        count, parts = 1, chunk.split(":")
        if parts[0].isdigit():
            count = int(parts.pop(0))
        of_chunk = dict(part.partition("=")[::2] for part in parts)
        for name in of_chunk:
            if name not in _IN_CHUNK:
                raise RefusedError(187, f"qsub: Unknown resource Resource_List.{name}\n")
        cpus += count * number(of_chunk.get("ncpus", "1"), "ncpus")
        if "mem" in of_chunk:
            memory += count * size(of_chunk["mem"], "mem")
    request.cpus, request.memory = cpus, memory or None


def number(text: str, name: str) -> int:
    """Read a count."""
    if not text.isdigit():
        raise _bad_value(name)
    return int(text)


def seconds(text: str) -> int:
    """Read HH:MM:SS, or seconds."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise _bad_value("walltime")
    total = 0
    for part in text.partition(".")[0].split(":"):
        total = total * 60 + int(part)
    return total


def size(text: str, name: str) -> int:
    """Read a size with a unit, in bytes."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise _bad_value(name)
    return (
        int(match.group(1)) << {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[match.group(2).lower()]
    )


def _bad_value(name: str) -> RefusedError:
    return RefusedError(166, f"qsub: Illegal attribute or resource value Resource_List.{name}\n")


def _check_array(request: Request, array_limit: int) -> None:
    if not request.indices:
        return
    if not request.rerunnable:
        raise RefusedError(2, f"qsub: cannot submit non-rerunable Array Job\n{USAGE}")
    if len(request.indices) > array_limit:
        raise RefusedError(3, "qsub: Array job exceeds server or queue size limit\n")
