"""The one door for people who work on crew: `python3 dev.py tour` and `python3 dev.py test`.

Needs nothing but Python 3.10 or newer: it makes an environment of its own in .dev/, and nox does
the rest. Nothing is installed outside this folder.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - an older Python is to get a sentence, not a trace
    sys.exit("crew needs Python 3.10 or newer; this is " + sys.version.split()[0])

import argparse
import contextlib
import ctypes
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent
HOME = ROOT / ".dev"
ENVIRONMENT = HOME / "venv"
CONSTRAINTS = ROOT / "constraints.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")

# Run side by side: the second mostly waits, for testbeds and for what takes its time.
LANES = {
    "code": [
        *("lint", "types", "imports", "tests", "ecosystem", "bench_tests", "packages", "lowest"),
    ],
    "beds": [
        *("testbed_tests", "schedulers", "hosts", "aws_batch"),
        *("slow", "chaos_tests", "fuzz_tests", "docs", "docs_tests"),
    ],
}

SECONDS_TO_STOP = 10.0  # what a run leaves behind gets this long before it is ended
SECONDS_TO_STOP_LANE = 4 * SECONDS_TO_STOP  # nox, and then what it left behind
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit code."""
    parser = argparse.ArgumentParser(prog="dev.py", description="Try crew, or check it.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tour", help="see crew at work in a minute")
    test = commands.add_parser("test", help="lint, types, imports, and all tests on all Pythons")
    test.add_argument("--quick", action="store_true", help="tests on one Python only")
    lane = commands.add_parser("lane", help="some of the tests, as `test` runs them")
    lane.add_argument("name", choices=sorted(LANES))
    options = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, leave)
    adopt_orphans()
    nox = ready_nox()
    if options.command == "tour":
        return run_nox(nox, ["tour"], report_of("tour"))
    found = find_pythons()
    if options.command == "lane":
        end_with_parent()
        return run_nox(nox, LANES[options.name], report_of(options.name), list(found.values()))
    return check(nox, found, quick=options.quick)


def leave(signum: int, _frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that every `finally` is run."""
    sys.exit(128 + signum)


# --- an environment with nox ---------------------------------------------------------------------


def ready_nox() -> list[str]:
    """Make the private environment unless it is there already; return nox's command line."""
    folder = "Scripts" if os.name == "nt" else "bin"
    python = ENVIRONMENT / folder / "python"
    stamp = ENVIRONMENT / "ready"
    wanted = f"{sys.version}\n{ROOT}\n{CONSTRAINTS.read_text(encoding='utf-8')}"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        make_environment(python)
        stamp.write_text(wanted, encoding="utf-8")
    return [str(python), "-m", "nox"]


def make_environment(python: Path) -> None:
    """Make an environment with nox in it, in place of any older one."""
    if not all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            "This Python cannot make virtual environments: venv or ensurepip is missing.\n"
            f"On Debian or Ubuntu: sudo apt-get install python{version}-venv (or python3-venv).\n"
            "Elsewhere: use a Python from python.org, or one made by pyenv."
        )
    say("making an environment for nox in .dev (once)")
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--constraint", str(CONSTRAINTS), "nox"], check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not make the environment: {error}; see the lines above")


# --- Pythons -------------------------------------------------------------------------------------


def runs(python: str, version: str) -> bool:
    """Tell whether a command is really that Python; a pyenv shim can be there and refuse."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [python, "-c", question], check=False, capture_output=True, text=True
        )
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version


def find_python(version: str) -> Path | None:
    """Find the folder of a working Python: this one, one on PATH, or one that pyenv made."""
    candidates = [sys.executable, shutil.which(f"python{version}") or ""]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += map(str, sorted(versions.glob(f"{version}.*/bin/python{version}"), reverse=True))
    works = (Path(found).parent for found in candidates if found and runs(found, version))
    return next(works, None)


def find_pythons() -> dict[str, Path]:
    """Find the folders of all Pythons that crew is for, as far as they are here."""
    return {version: folder for version in PYTHONS if (folder := find_python(version))}


# --- running nox ---------------------------------------------------------------------------------


def check(nox: list[str], found: dict[str, Path], *, quick: bool) -> int:
    """Run every check; end with a line per session."""
    say(f"testing on Python {', '.join(found) or 'nothing: none found'}")
    if quick:
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        chosen = here if here in found else next(reversed(found), "3.10")
        sessions = ["lint", "types", "imports", f"tests-{chosen}", "bench_tests", "fuzz_tests"]
        code = run_nox(nox, sessions, report_of("quick"), list(found.values()))
        results = read_report(report_of("quick"))
    else:
        code = run_lanes()
        results = [row for lane in LANES for row in read_report(report_of(lane))]
    code = summarize(results) or code
    if quick:
        say(f"quick: only tests on Python {chosen}, neither slow nor ecosystem")
    elif missing := untested(results):
        say(f"NOT TESTED, because not found on this machine: Python {', '.join(missing)}")
    say("all is well" if code == 0 else f"FAILED (exit code {code})")
    return code


def run_lanes() -> int:
    """Run all lanes side by side; show what the first prints at once, the others' at the end."""
    lanes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in LANES:
            lanes[name] = start_lane(name, is_shown=not lanes)
        codes = [lane.wait() for lane in lanes.values()]
    finally:
        for lane in lanes.values():
            # Not as by Ctrl-C, which who runs in the background may have been told to ignore.
            stop(lane, signal.SIGTERM, SECONDS_TO_STOP_LANE)
        end_orphans()
    for name in list(lanes)[1:]:
        say(f"what {name} printed:")
        print(log_of(name).read_text(encoding="utf-8", errors="replace"), flush=True)
    return next((code for code in codes if code), 0)


def start_lane(name: str, *, is_shown: bool) -> subprocess.Popen[bytes]:
    """Begin a lane: each adopts its own orphans, so that none ends another's daemons."""
    command = [sys.executable, __file__, "lane", name]
    if is_shown:
        return subprocess.Popen(command, start_new_session=True)
    with open(log_of(name), "wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def report_of(run: str) -> Path:
    """Where nox tells how the sessions of a run ended."""
    return HOME / f"{run}.json"


def log_of(lane: str) -> Path:
    """Where a lane prints that is not shown at once."""
    return HOME / f"{lane}.log"


def run_nox(nox: list[str], sessions: list[str], report: Path, folders: Sequence[Path] = ()) -> int:
    """Run sessions in a process group of their own, and leave nothing of it behind."""
    report.unlink(missing_ok=True)
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [*nox, "--report", str(report), "--session", *sessions]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        code = process.wait()
    finally:
        stop(process)
        left = end_orphans()
    for orphan in left:
        say(f"LEFT BEHIND by the run, now ended: {orphan}")
    return code or int(bool(left))


def read_report(report: Path) -> list[tuple[str, str, float]]:
    """Read name, result and seconds of every session from nox's report."""
    if not report.exists():
        return []
    sessions: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["sessions"]
    return [
        (next(iter(session["signatures"]), session["name"]), session["result"], session["duration"])
        for session in sessions
    ]


def summarize(results: list[tuple[str, str, float]]) -> int:
    """Print how each session ended and how long it took; return 1 unless all went well."""
    print(flush=True)
    for name, result, seconds in results:
        print(f"{result:>8}  {seconds:6.1f} s  {name}", flush=True)
    return int(not results or any(row[1] not in ("success", "skipped") for row in results))


def untested(results: list[tuple[str, str, float]]) -> list[str]:
    """List the Pythons on which no tests were run."""
    ran = [name for name, result, _ in results if result != "skipped"]
    return [v for v in PYTHONS if not any(name.startswith(f"tests-{v}(") for name in ran)]


# --- nothing is left behind ----------------------------------------------------------------------


def stop(
    process: subprocess.Popen[bytes],
    signum: int = signal.SIGINT,
    seconds: float = SECONDS_TO_STOP,
) -> None:
    """End a process and its group: politely, then, after so many seconds, for certain."""
    if process.poll() is not None and sys.platform == "linux":
        return  # whatever it left is found by end_orphans, which also tells of it
    if process.poll() is None:
        process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
    process.wait()


def adopt_orphans() -> None:
    """Make this process the parent of descendants that lose theirs, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Leave when whoever started this dies, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def end_orphans() -> list[str]:
    """Wait a little for adopted processes to leave, then kill them; return what was killed."""
    deadline = time.monotonic() + SECONDS_TO_STOP
    killed: dict[int, str] = {}
    while (alive := dict(children())) and time.monotonic() < deadline + SECONDS_TO_STOP:
        if time.monotonic() > deadline:
            for pid, command in alive.items():
                killed[pid] = f"{pid} {command}"
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return list(killed.values())


def children() -> Iterator[tuple[int, str]]:
    """List the living children of this process, reaping the dead ones."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                words = (status.parent / "cmdline").read_bytes().replace(b"\0", b" ")
                yield int(status.parent.name), words.decode(errors="replace").strip()


def say(text: str) -> None:
    """Print one line of this script's own, in step with what its children print."""
    print(f"dev.py: {text}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
