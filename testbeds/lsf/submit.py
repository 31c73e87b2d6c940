"""What bsub makes of its options, and of the #BSUB lines of a script that comes by its input."""

from __future__ import annotations

import getopt
import re
import shlex
from collections.abc import Sequence

from testbeds.lsf.jobs import Request
from testbeds.lsf.options import LsfOptions
from testbeds.lsf.resources import are_understood
from testbeds.standin.server import Call

OPTIONS = "BHIKNrxhVa:b:c:C:D:e:E:f:F:G:i:J:k:L:m:M:n:o:P:p:q:R:S:t:u:v:w:W:X:"

QUEUES = {"normal": None, "short": 5}  # the most minutes of each

_LONG = {"-cwd": "cwd", "-env": "env", "-oo": "oo", "-eo": "eo"}  # which only modern ones know
_ARRAY = re.compile(r"(?P<name>[^\[\]]*)\[(?P<indices>[^\[\]]+)\](?:%(?P<at_once>\d+))?")
_INDICES = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_MINUTES = re.compile(r"(?:(\d+):)?(\d+)(?:/\S+)?")
_LIMIT = re.compile(r"(\d+)([KMGT]?B?)", re.IGNORECASE)
_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}
_LONGEST_NAME = 511

_TEXTS = {"-q": "queue", "-P": "project", "-o": "out", "-e": "err", "-L": "shell"}
_FLAGS = {"-H": "held", "-K": "waits"}


class RefusedError(Exception):
    """bsub says no."""


def wants_stdin(argv: Sequence[str], *, modern: bool) -> bool:
    """Whether the job comes by standard input."""
    try:
        _, operands = _split(argv, modern=modern)
    except RefusedError:
        return False
    return not operands and "-V" not in argv


def read(call: Call, options: LsfOptions) -> Request:
    """Read one submission.

    Raises:
        RefusedError: as the real one would.
    """
    given, operands = _split(call.argv, modern=options.modern)
    script = "" if operands else call.stdin
    if not operands and not script.strip():
        raise RefusedError("No command is specified. Job not submitted.")
    request = Request(
        script=script,
        command=_joined(operands),
        user=call.user,
        uid=call.uid,
        gid=call.gid,
        home=call.home,
        cwd=call.cwd,
        environment=dict(call.env),
    )
    for letter, value in [*_directives(script, modern=options.modern), *given]:
        _apply(request, letter, value, options)
    return request


def _split(argv: Sequence[str], *, modern: bool) -> tuple[list[tuple[str, str]], list[str]]:
    words = list(argv)
    found: list[tuple[str, str]] = []
    try:
        while modern and words:  # getopt knows no names of several letters behind one dash
            at = next((i for i, word in enumerate(words[:-1]) if word in _LONG), None)
            if at is None:
                break
            options, rest = getopt.getopt(words[:at], OPTIONS)
            if rest:
                break
            found += [*options, (words[at], words[at + 1])]
            words = words[at + 2 :]
        options, operands = getopt.getopt(words, OPTIONS)
    except getopt.GetoptError as error:
        missing = "requires argument" in error.msg
        what = "option requires an argument" if missing else "illegal option"
        raise RefusedError(f"bsub: {what} -- {error.opt}\n. Job not submitted.") from None
    return found + options, operands


def _joined(operands: Sequence[str]) -> str:
    """The words as one line for a shell: quoted again where they need it, but not all."""
    return " ".join(
        word if len(operands) == 1 or re.fullmatch(r"[\w./=:,@%+*;<>|&-]+", word) else _quoted(word)
        for word in operands
    )


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'" if "$" in word else f'"{word}"'


def _directives(script: str, *, modern: bool) -> list[tuple[str, str]]:
    """The options of all its #BSUB lines, behind commands too."""
    found: list[tuple[str, str]] = []
    for line in script.splitlines():
        if line.startswith("#BSUB"):
            try:
                words = shlex.split(line[len("#BSUB") :], comments=True)
            except ValueError:
                words = line[len("#BSUB") :].split()
            options, _ = _split(words, modern=modern)
            found += options
    return found


# ── One option ─────────────────────────────────────────────────────────────────────────────────


def _apply(request: Request, letter: str, value: str, options: LsfOptions) -> None:
    if letter in _TEXTS:
        setattr(request, _TEXTS[letter], value)
        return
    if letter in _FLAGS:
        setattr(request, _FLAGS[letter], True)
        return
    match letter:
        case "-J":
            _apply_name(request, value)
        case "-n":
            request.slots = _count(value)
        case "-R":
            _apply_resources(request, value)
        case "-W":
            request.minutes = _minutes(value, "RUNLIMIT")
        case "-c":
            _minutes(value, "CPULIMIT")
        case "-M":
            request.limit = _limit(value, options)
        case _:
            _apply_modern(request, letter, value)


def _apply_modern(request: Request, letter: str, value: str) -> None:
    match letter:
        case "-cwd":
            request.cwd = value
        case "-oo":
            request.out, request.overwrites = value, True
        case "-eo":
            request.err, request.overwrites = value, True
        case "-env":
            words = [word.strip() for word in value.split(",")]
            kept = dict(request.environment) if "all" in words else {}
            kept.update(word.partition("=")[::2] for word in words if "=" in word)
            request.environment = kept


def _apply_name(request: Request, value: str) -> None:
    if len(value) > _LONGEST_NAME:
        raise RefusedError("Bad job name. Job not submitted.")
    request.name, request.indices, request.at_once = value, [], 0
    if "[" not in value:
        return
    match = _ARRAY.fullmatch(value)
    if match is None:
        raise RefusedError("Bad job name. Job not submitted.")
    for part in match["indices"].split(","):
        indices = _INDICES.fullmatch(part.strip())
        if indices is None:
            raise RefusedError("Bad job name. Job not submitted.")
        first, last, step = (int(text) if text else 0 for text in indices.groups())
        if first < 1 or (last and last < first):
            raise RefusedError("Bad job name. Job not submitted.")
        request.step = step or 1
        request.indices += range(first, (last or first) + 1, request.step)
    request.at_once = int(match["at_once"] or 0)
    request.name = value.partition("%")[0]


def _count(value: str) -> int:
    text = value.rsplit(",", maxsplit=1)[-1]
    if not text.isdigit() or int(text) < 1:
        raise RefusedError(
            "The number of processors must be a positive integer. Job not submitted."
        )
    return int(text)


def _apply_resources(request: Request, value: str) -> None:
    if not are_understood(value.strip()):
        raise RefusedError("Bad resource requirement syntax. Job not submitted.")
    request.resources = f"{request.resources} {value}".strip()
    reserved = re.search(r"rusage\[[^\]]*\bmem=(\d+)", value)
    if reserved:
        request.reserved = int(reserved.group(1))


def _minutes(value: str, what: str) -> int:
    match = _MINUTES.fullmatch(value)
    if match is None:
        raise RefusedError(f"{value}: Bad {what} specification. Job not submitted.")
    return int(match.group(1) or 0) * 60 + int(match.group(2))


def _limit(value: str, options: LsfOptions) -> int:
    match = _LIMIT.fullmatch(value)
    if match is None or (match.group(2) and not options.modern):
        what = "MEMLIMT value should be a positive integer"
        raise RefusedError(f"{value}: {what}. Job not submitted.")
    unit = (match.group(2) or options.unit)[0].upper()
    return int(match.group(1)) << _UNITS[unit]


def check(request: Request, options: LsfOptions) -> None:
    """What the master refuses.

    Raises:
        RefusedError: as the real one would.
    """
    if request.queue and request.queue not in QUEUES:
        raise RefusedError(f"{request.queue}: No such queue. Job not submitted.")
    if request.indices and max(request.indices) > options.array_limit:
        raise RefusedError("Job array index too large. Job not submitted.")
    if request.slots > options.slots:
        raise RefusedError("Too many processors requested. Job not submitted.")
    most = QUEUES[request.queue or "normal"]
    if most is not None and (request.minutes or 0) > most:
        raise RefusedError("RUNLIMIT: Cannot exceed queue's hard limit(s). Job not submitted.")
