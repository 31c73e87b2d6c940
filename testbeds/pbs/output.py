"""Where a job's streams go: spooled while it runs, delivered when it has ended."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from testbeds.pbs.jobs import Job, Run
from testbeds.standin.files import give

_HOST = re.compile(r"[\w.-]+:(?=/)")


def spooled(place: Path, job: Job, run: Run, server: str) -> tuple[Path, Path]:
    """Where a job writes while it runs."""
    request = job.request
    folder = place / "spool"
    if "d" in request.keep:
        chosen = Path(request.cwd, _HOST.sub("", request.out))
        folder = chosen if chosen.is_dir() else folder
    name = job.name_of(run, server)
    out, err = folder / f"{name}.OU", folder / f"{name}.ER"
    if request.join.startswith("o"):
        return out, out
    if request.join.startswith("e"):
        return err, err
    return out, err


def deliver(place: Path, job: Job, run: Run, server: str) -> bool:
    """Bring what it wrote where it was asked to be; False when that cannot be."""
    request = job.request
    out, err = spooled(place, job, run, server)
    if out.parent != place / "spool":
        return True
    wanted = [] if request.join.startswith("e") else [("o", out)]
    if not request.join.startswith("o"):
        wanted.append(("e", err))
    delivered = True
    for letter, source in wanted:
        target = destination(job, run, server, letter)
        try:
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(source.read_bytes())
            give(target, request.uid, request.gid)
        except OSError:
            delivered = False
    for source in {out, err}:
        source.unlink(missing_ok=True)
    return delivered


def destination(job: Job, run: Run | None, server: str, letter: str) -> str:
    """The file that a stream of a job ends in."""
    request = job.request
    index = "" if run is None or run.index is None else f".{run.index}"
    chosen = _HOST.sub("", request.out if letter == "o" else request.err)
    if not chosen:
        return os.path.join(request.cwd, f"{request.name}.{letter}{job.number}{index}")
    path = os.path.join(request.cwd, chosen).replace("^array_index^", index.lstrip("."))
    if os.path.isdir(path):
        return os.path.join(path, job.name_of(run, server) + (".OU" if letter == "o" else ".ER"))
    return path


def clear(place: Path, job: Job, run: Run, server: str) -> None:
    """Remove what was its own while it ran."""
    shutil.rmtree(temporary(place, job, run, server), ignore_errors=True)
    script_file(place, job, run, server).unlink(missing_ok=True)


def temporary(place: Path, job: Job, run: Run, server: str) -> Path:
    """Its TMPDIR."""
    return place / f"pbs.{job.name_of(run, server)}"


def script_file(place: Path, job: Job, run: Run, server: str) -> Path:
    """The copy of its script that is run."""
    return place / "mom_priv" / "jobs" / f"{job.name_of(run, server)}.SC"
