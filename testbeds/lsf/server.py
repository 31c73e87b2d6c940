"""The master of the stand-in for LSF: which job runs when, and how it ended."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from testbeds.lsf import commands, output, submit
from testbeds.lsf.jobs import ENDED, Job, Run
from testbeds.lsf.options import LsfOptions
from testbeds.standin.files import give
from testbeds.standin.server import Answer, Call, Server

_END_SECONDS = 0.3  # from an end to its being seen
_LOOK_SECONDS = 1.0
_INT, _KILL, _USR2, _TERM = 2, 9, 12, 15
_LEAST_AGE = 1.1  # of a job that is started, in cycles


class LsfServer(Server):
    """All jobs of one LSF."""

    def __init__(self, place: Path, options: LsfOptions) -> None:
        super().__init__(place)
        self.options = options
        self.host = options.host
        self.jobs: dict[int, Job] = {}
        self.next_number = 101
        self._cycle_at = 0.0

    # ── Requests ───────────────────────────────────────────────────────────────────────────────

    def wants_stdin(self, program: str, argv: list[str]) -> bool:
        """Only bsub without a command."""
        return program == "bsub" and submit.wants_stdin(argv, modern=self.options.modern)

    def answer(self, call: Call) -> Answer:
        """Do what a command asks."""
        return commands.run(self, call)

    def memory(self) -> object:
        """Its jobs."""
        return self.next_number, self.jobs

    def remember(self, memory: Any) -> None:
        """Know its jobs again."""
        self.next_number, self.jobs = memory

    # ── Rounds ─────────────────────────────────────────────────────────────────────────────────

    def tick(self, now: float) -> None:
        """Look at what runs; now and then start what can be, and forget what is long over."""
        turned = self.turned()
        running = [
            (job, run)
            for job in self.jobs.values()
            for run in job.runs.values()
            if run.state in ("RUN", "USUSP", "UNKWN")
        ]
        if running:
            self._look(running, now, is_lost=self.host in turned.failed)
        if now >= self._cycle_at:
            self._cycle_at = now + self.options.seconds_cycle
            self._schedule(running, now, is_closed=self.host in turned.drained + turned.failed)
            self._forget(now)

    def _look(self, running: list[tuple[Job, Run]], now: float, *, is_lost: bool) -> None:
        if is_lost:
            for _, run in running:
                run.state = "UNKWN"
            return
        told = self.ask_mom(do="look")
        if told is None:
            return
        for job, run in running:
            if run.state == "UNKWN":
                run.state = "RUN"
            self._hear(job, run, told["runs"].get(job.name_of(run)), now)

    def _hear(self, job: Job, run: Run, told: dict[str, Any] | None, now: float) -> None:
        if told is None:  # its daemon was started again: nobody knows how it ended
            run.state, run.ended, run.since = "EXIT", now, now
            self.changed()
            return
        run.memory, run.memory_most = told["memory_now"], told["memory"]
        if told["ended"] is None or now < told["ended"] + _END_SECONDS:
            return
        run.code, run.ended, run.since = told["code"], told["ended"], now
        run.cause = run.cause or told["cause"] or ""
        is_done = run.code == 0 or self._hides_its_end(job, run)
        run.state = "DONE" if is_done else "EXIT"
        output.deliver(self.place, job, run, self.host)
        self._shell_file(job, run).unlink(missing_ok=True)
        self.ask_mom(do="forget", jobs=[job.name_of(run)])
        self.changed()

    def _hides_its_end(self, job: Job, run: Run) -> bool:
        """A command that took the place of LSF's own shell: of that one's end nothing is known."""
        return job.request.command.startswith("exec ") and (run.code or 0) < 0

    def _forget(self, now: float) -> None:
        for job in list(self.jobs.values()):
            if job.is_over:
                last = max(run.since for run in job.runs.values())
                if now - last > self.options.seconds_remembered:
                    del self.jobs[job.number]
                    self.changed()

    # ── What commands do to jobs ───────────────────────────────────────────────────────────────

    def kill(self, job: Job, run: Run, now: float) -> None:
        """End a job by one signal after the other, or take it out of the queue."""
        self.changed()
        if run.state in ("PEND", "PSUSP"):
            run.state, run.ended, run.since = "EXIT", now, now
            return
        run.cause = run.cause or "killed"
        ladder = self._ladder()
        self.ask_mom(do="kill", job=job.name_of(run), ladder=ladder, cause="killed")

    def signal(self, job: Job, run: Run, number: int) -> None:
        """Send one signal to a job."""
        self.ask_mom(do="signal", job=job.name_of(run), signal=number)

    def _ladder(self) -> list[list[float]]:
        wait = self.options.seconds_to_die
        return [[_INT, wait], [_TERM, wait], [_KILL, 0]]

    # ── Starting ───────────────────────────────────────────────────────────────────────────────

    def _schedule(self, running: list[tuple[Job, Run]], now: float, *, is_closed: bool) -> None:
        live = [(job, run) for job, run in running if run.state not in ENDED]
        free = self.options.slots - sum(job.request.slots for job, _ in live)
        memory = self.options.memory_mb - sum(job.request.reserved for job, _ in live)
        for job in self.jobs.values():
            at_once = sum(one is job for one, _ in live)
            for run in job.runs.values():
                if run.state != "PEND" or now - run.since < _LEAST_AGE * self.options.seconds_cycle:
                    continue
                reason = self._reason(job, free, memory, at_once, is_closed=is_closed)
                if reason:
                    run.reason = reason
                    continue
                free -= job.request.slots
                memory -= job.request.reserved
                at_once += 1
                self._start(job, run, now)

    def _reason(
        self, job: Job, free: int, memory: int, at_once: int, *, is_closed: bool
    ) -> str | None:
        """Why a job cannot start; None when it can."""
        request = job.request
        wanted = re.search(r"\bmem\s*>=?\s*(\d+)", request.resources)
        asked = max(request.reserved, int(wanted.group(1)) if wanted else 0)
        if asked > self.options.memory_mb:
            return "Job's resource requirements not satisfied: 1 host;"
        if is_closed:
            return "Closed by LSF administrator: 1 host;"
        if request.at_once and at_once >= request.at_once:
            return "The job array has reached its running element limit;"
        if request.slots > free:
            return "Job slot limit reached: 1 host;"
        if request.reserved > memory:
            return "Job's requirements for reserving resource (mem) not satisfied: 1 host;"
        return None

    def _start(self, job: Job, run: Run, now: float) -> None:
        told = self.ask_mom(do="start", job=job.name_of(run), how=self._how(job, run))
        if told is None:
            return
        run.state, run.began, run.since, run.reason = "RUN", now, now, ""
        run.pid = told.get("pid", 0)
        self.changed()
        if "error" in told:
            run.state, run.code, run.ended = "EXIT", 127, now

    def _how(self, job: Job, run: Run) -> dict[str, Any]:
        request = job.request
        out, err = output.spooled(self.place, job, run)
        for path in {out, err}:
            path.touch(mode=0o600)
            give(path, request.uid, request.gid)
        return {
            "argv": self._command(job, run),
            "env": self._environment(job, run),
            "cwd": request.cwd,
            "cwd_instead": "/tmp",
            "uid": request.uid,
            "gid": request.gid,
            "out": str(out),
            "err": str(err),
            "scope": "group",
            "leftovers": "wait",
            "look_seconds": _LOOK_SECONDS,
            "limits": self._limits(job),
        }

    def _command(self, job: Job, run: Run) -> list[str]:
        """LSF's own shell, which outlives signals, around the command or the script."""
        request = job.request
        catch = "trap : HUP INT TERM USR2\n"
        if request.command:
            return ["/bin/sh", "-c", f"{catch}{request.command}\nexit $?"]
        script = self._shell_file(job, run)
        script.parent.mkdir(exist_ok=True)
        script.write_bytes(request.script.encode("latin-1"))
        script.chmod(0o700)
        give(script, request.uid, request.gid)
        shell = request.shell if not request.script.startswith("#!") else ""
        return ["/bin/sh", "-c", f"{catch}{shell} {shlex.quote(str(script))}\nexit $?"]

    def _shell_file(self, job: Job, run: Run) -> Path:
        return self.place / "lsbatch" / f"{int(job.submitted)}.{job.number}.{run.index}.shell"

    def _limits(self, job: Job) -> dict[str, Any]:
        request = job.request
        limits: dict[str, Any] = {}
        if request.minutes is not None:
            ladder = [[_USR2, self.options.seconds_to_die], *self._ladder()]
            seconds = request.minutes * self.options.seconds_minute
            limits["walltime"] = {"at": seconds, "ladder": ladder}
        if request.limit is not None and self.options.enforce_memory:
            limits["memory"] = {"at": request.limit, "ladder": self._ladder()}
        return limits

    def _environment(self, job: Job, run: Run) -> dict[str, str]:
        request = job.request
        slots = request.slots
        found = {
            **request.environment,
            "LSB_JOBID": str(job.number),
            "LSB_JOBINDEX": str(run.index),
            "LSB_JOBNAME": request.name or request.shown_command,
            "LSB_HOSTS": " ".join([self.host] * slots),
            "LSB_MCPU_HOSTS": f"{self.host} {slots}",
            "LSB_DJOB_NUMPROC": str(slots),
            "LSB_QUEUE": request.queue or "normal",
            "LSB_SUB_HOST": self.host,
            "LS_SUBCWD": request.cwd,
        }
        if request.out:
            found["LSB_OUTPUTFILE"] = output.chosen(job, run, request.out)
        if request.indices:
            found["LSB_JOBINDEX_STEP"] = str(request.step)
            found["LSB_JOBINDEX_END"] = str(max(request.indices))
        return found


def main() -> None:
    """Serve in the folder that the command line names, with the options that lie there."""
    place = Path(sys.argv[1])
    options = json.loads((place / "options.json").read_text(encoding="utf-8"))
    LsfServer(place, LsfOptions(**options)).run()


if __name__ == "__main__":
    main()
