"""The streams of LSF's jobs: spooled while they run, and appended with a header at the end."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from testbeds.lsf.jobs import Job, Run
from testbeds.standin.files import give


def spooled(place: Path, job: Job, run: Run) -> tuple[Path, Path]:
    """Where a job writes while it runs."""
    out = place / "spool" / f"{job.number}.{run.index}.out"
    return out, out.with_suffix(".err") if job.request.err else out


def chosen(job: Job, run: Run, text: str) -> str:
    """A path as given, with the job's numbers in it."""
    path = text.replace("%J", str(job.number)).replace("%I", str(run.index))
    return os.path.join(job.request.cwd, path)


def deliver(place: Path, job: Job, run: Run, host: str) -> None:
    """Append what it wrote to the files that were asked for; lost where that cannot be."""
    request = job.request
    out, err = spooled(place, job, run)
    if request.out:
        text = _header(job, run, host).encode("latin-1", errors="replace")
        _append(job, chosen(job, run, request.out), text + out.read_bytes())
    if request.err:
        _append(job, chosen(job, run, request.err), err.read_bytes())
    for path in {out, err}:
        path.unlink(missing_ok=True)


def _append(job: Job, path: str, content: bytes) -> None:
    with contextlib.suppress(OSError), open(path, "wb" if job.request.overwrites else "ab") as file:
        file.write(content)
        give(path, job.request.uid, job.request.gid)


def how_it_ended(run: Run) -> str:
    """The sentence of the end."""
    if run.state == "DONE":
        return "Done successfully."
    if run.code is None:
        return "Exited"
    if run.code < 0:
        return f"Exited by signal {-run.code}."
    return f"Exited with exit code {run.code}."


def _header(job: Job, run: Run, host: str) -> str:
    request = job.request
    end = "Done" if run.code == 0 else "Exited"
    rule = "-" * 60
    sentence = "Successfully completed." if run.code == 0 else how_it_ended(run)
    return "\n".join(
        [
            f"Sender: OpenLava System <{request.user}@{host}>",
            f"Subject: Job {job.name_of(run)}: <{job.job_name(run)}> {end}",
            "",
            f"Job <{job.job_name(run)}> was submitted from host <{host}> by user <{request.user}>.",
            f"Job was executed on host(s) <{host}>, in queue <{request.queue or 'normal'}>, "
            f"as user <{request.user}>.",
            f"<{request.home}> was used as the home directory.",
            f"<{request.cwd}> was used as the working directory.",
            f"Started at {time.ctime(run.began)}",
            f"Results reported at {time.ctime(run.ended)}",
            "",
            "Your job looked like:",
            "",
            rule,
            "# LSBATCH: User input",
            (request.command or request.script).rstrip("\n"),
            rule,
            "",
            sentence,
            "",
            "Resource usage summary:",
            "",
            f"    Max Memory :{run.memory_most >> 20:10d} MB",
            "",
            "The output (if any) follows:",
            "",
            "",
        ]
    )
