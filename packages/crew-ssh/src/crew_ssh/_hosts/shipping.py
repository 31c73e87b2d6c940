"""Brings the agent to a host: its modules' text goes along, so that nothing needs to be there."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import crew_ssh._remote

NO_PYTHON = 69
"""The exit code when no Python was found."""

_PACKAGE = "crew_ssh._remote"
# In the order in which they import each other.
_MODULES = (
    *("processes", "folders", "starting", "commands", "links"),
    *("reaching", "relays", "installing", "agent"),
)

# Makes modules of what is told in the first line, and starts the last of them.
_BOOT = """\
import json, sys, types
told = json.loads(sys.stdin.buffer.readline())
for name, text in told["modules"]:
    module = types.ModuleType(name)
    sys.modules[name] = module
    if text is None:
        module.__path__ = []
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    exec(compile(text or "", name, "exec"), module.__dict__)
module.main(*told["arguments"])
"""

# What lines of the user's read is not our words, and what they print is not our answers.
_SCRIPT = """\
exec 3<&0 4>&1 </dev/null >&2
{prologue}
for crew_python in {candidates}; do
    command -v "$crew_python" >/dev/null 2>&1 && break
    crew_python=
done
[ -n "$crew_python" ] || exit {no_python}
exec "$crew_python" -I -u -c {boot} <&3 >&4 3<&- 4>&-
"""


def candidates(python: str | None) -> tuple[str, ...]:
    """The interpreters to look for on a host."""
    if python is not None:
        return (python,)
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return (own, "python3", "python")


def command(python: str | None, prologue: Sequence[str]) -> str:
    """What the host's login shell, whichever that is, is to run."""
    script = _SCRIPT.format(
        prologue="\n".join(prologue),
        candidates=" ".join(_word(name) for name in candidates(python)),
        no_python=NO_PYTHON,
        boot=shlex.quote(_BOOT),
    )
    return in_any_shell(script)


def in_any_shell(script: str) -> str:
    """A line that means "run this by sh" to every shell: nothing in it needs to be understood."""
    octal = "".join(f"\\0{byte:03o}" for byte in script.encode(errors="surrogateescape"))
    return f"""exec sh -c 'eval "$(printf %b "{octal}")"'"""


def first_line(token: str, run_directory: str | None) -> bytes:
    """What the agent is told first: itself."""
    folder = Path(crew_ssh._remote.__file__).parent
    modules: list[list[str | None]] = [["crew_ssh", None], [_PACKAGE, None]]
    for name in _MODULES:
        text = (folder / f"{name}.py").read_text(encoding="utf-8")
        modules.append([f"{_PACKAGE}.{name}", text])
    told = {"modules": modules, "arguments": [token, run_directory]}
    return json.dumps(told).encode() + b"\n"


def _word(name: str) -> str:
    """A word for sh, in which a leading "~" means what it does there."""
    if name.startswith("~/"):
        return "~/" + shlex.quote(name[2:])
    return shlex.quote(name)
