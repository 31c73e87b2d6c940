"""The server and scheduler of the stand-in for PBS: which job runs when, and how it ended."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from testbeds.pbs import commands, output, submit
from testbeds.pbs.jobs import FINISHED, WAITING, Job, Run
from testbeds.pbs.options import PbsOptions
from testbeds.standin.files import give
from testbeds.standin.server import Answer, Call, Server

QUEUES = ("workq", "short")

_START_SECONDS = 0.05  # from submission to the cycle that it triggers
_LOOK_SECONDS = 2.0
_CODES = {"walltime": -29, "memory": -27}
_RESTARTED = -4
_CANNOT_START = 254
_NO_COMMAND = 127


class PbsServer(Server):
    """All jobs of one PBS."""

    def __init__(self, place: Path, options: PbsOptions) -> None:
        super().__init__(place)
        self.options = options
        self.name = options.server
        self.jobs: dict[int, Job] = {}
        self.next_number = 0

    # ── Requests ───────────────────────────────────────────────────────────────────────────────

    def wants_stdin(self, program: str, argv: list[str]) -> bool:
        """Only qsub without a script."""
        return program == "qsub" and submit.wants_stdin(argv)

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
        """Look at what runs, and start what can be."""
        running = [
            (job, run) for job in self.jobs.values() if job.finished is None
            for run in job.runs.values() if run.state in ("R", "E")
        ]  # fmt: skip
        turned = self.turned()
        if running:
            self._look(running, turned.failed, now)
        self._schedule(turned.drained + turned.failed, now)
        self._forget(now)

    def _forget(self, now: float) -> None:
        last = now - self.options.seconds_remembered
        for job in [one for one in self.jobs.values() if (one.finished or now) < last]:
            del self.jobs[job.number]
            self.changed()

    def _look(self, running: list[tuple[Job, Run]], failed: list[str], now: float) -> None:
        told = self.ask_mom(do="look")
        for job, run in running:
            if run.state == "E":
                if run.final_at is not None and now >= run.final_at:
                    self._finish(job, run, now)
            elif run.host in failed:
                self._miss(job, run, now)
            elif told is not None:
                run.lost_since = None
                self._hear(job, run, told["runs"].get(job.name_of(run, self.name)), now)

    def _hear(self, job: Job, run: Run, told: dict[str, Any] | None, now: float) -> None:
        """What its node says of a job."""
        if told is None:  # it was started again, and knows nothing of it
            self._run_again(job, run, now)
            return
        run.memory = told["memory"]
        if told["cause"] in _CODES and run.substate == 41:
            run.substate = 42
            self.changed()
        if told["ended"] is None:
            return
        run.cause = run.cause or told["cause"] or ""
        run.code = exit_status(told["code"], told["cause"])
        run.obit = told["ended"]
        run.state, run.substate = "E", 51
        wait = self.options.seconds_exiting
        if not output.deliver(self.place, job, run, self.name):
            wait = self.options.seconds_undelivered
        run.final_at = told["ended"] + wait
        self.ask_mom(do="forget", jobs=[job.name_of(run, self.name)])
        self.changed()

    def _miss(self, job: Job, run: Run, now: float) -> None:
        """Its node is down: it stays running until it is queued again."""
        run.lost_since = run.lost_since or now
        if now - run.lost_since >= self.options.seconds_requeue:
            run.lost_since = None
            self._run_again(job, run, now)

    def _run_again(self, job: Job, run: Run, now: float) -> None:
        if job.request.rerunnable:
            run.state, run.substate, run.since = "Q", 10, now
            run.host, run.comment = "", ""
        else:
            run.code, run.obit = _RESTARTED, now
            self._finish(job, run, now)
        self.changed()

    def _finish(self, job: Job, run: Run, now: float) -> None:
        run.state = "X" if job.is_array else "F"
        run.since = now
        if run.cause == "deleted":
            run.substate, how = 91, "terminated"
        elif run.code == 0:
            run.substate, how = 92, "finished"
        elif run.cause in _CODES:
            resource = "mem" if run.cause == "memory" else "walltime"
            run.substate, how = 93, f"exceeded resource {resource}"
        else:
            run.substate, how = 93, "failed"
        run.comment = f"{run.comment} and {how}".removeprefix(" and ")
        output.clear(self.place, job, run, self.name)
        if all(other.state in FINISHED for other in job.runs.values()):
            job.finished = now
        self.changed()

    # ── What commands do to jobs ───────────────────────────────────────────────────────────────

    def delete(self, job: Job, run: Run, *, force: bool) -> None:
        """End a job, or take it out of the queue."""
        run.cause = "deleted"
        self.changed()
        if run.state in WAITING:
            self._finish(job, run, time.time())
            return
        ladder = [[9, 0]] if force else [[15, self.options.seconds_to_die], [9, 0]]
        name = job.name_of(run, self.name)
        self.ask_mom(do="kill", job=name, ladder=ladder, cause="deleted")

    # ── Starting ───────────────────────────────────────────────────────────────────────────────

    def _schedule(self, closed: list[str], now: float) -> None:
        free = dict.fromkeys(self.options.node_names(), self.options.cpus)
        waiting = []
        for job in self.jobs.values():
            if job.finished is None:
                for run in job.runs.values():
                    if run.state in ("R", "E"):
                        free[run.host] -= job.request.cpus
                    elif run.state == "Q" and now - run.since >= _START_SECONDS:
                        waiting.append((job, run))
        usable = {host: cpus for host, cpus in free.items() if host not in closed}
        full: set[int] = set()
        for job, run in waiting:
            if job.number not in full and not self._try(job, run, usable, now):
                full.add(job.number)

    def _try(self, job: Job, run: Run, usable: dict[str, int], now: float) -> bool:
        """Start a job if there is room; else say why not."""
        wanted, most = job.request.cpus, self.options.cpus
        running = sum(other.state in ("R", "E") for other in job.runs.values())
        if job.request.at_once and running >= job.request.at_once:
            return False
        host = max(usable, key=lambda name: usable[name], default=None)
        has = usable[host] if host is not None else 0
        if wanted > most:
            lack = f"Insufficient amount of resource: ncpus (R: {wanted} A: {most} T: {most})"
            self._say(run, f"Can Never Run: {lack}")
        elif host is None:
            self._say(run, "Not Running: Not enough free nodes available")
        elif wanted > has:
            lack = f"Insufficient amount of resource: ncpus (R: {wanted} A: {has} T: {most})"
            self._say(run, f"Not Running: {lack}")
        else:
            usable[host] -= wanted
            self._start(job, run, host, now)
            return True
        return False

    def _say(self, run: Run, comment: str) -> None:
        if run.comment != comment:
            run.comment = comment
            self.changed()

    def _start(self, job: Job, run: Run, host: str, now: float) -> None:
        run.run_count += 1
        told = self.ask_mom(do="start", job=job.name_of(run, self.name), how=self._how(job, run))
        if told is None:
            run.run_count -= 1  # the node is not there; later, then
            return
        run.host, run.began, run.since = host, now, now
        run.state, run.substate, run.code = "R", 41, None
        run.pid = told.get("pid", 0)
        at = time.strftime("%a %b %d at %H:%M", time.localtime(now))
        run.comment = f"Job run at {at} on ({host}:ncpus={job.request.cpus})"
        self.changed()
        if "error" in told:
            run.code, run.obit = _CANNOT_START, now
            self._finish(job, run, now)

    def _how(self, job: Job, run: Run) -> dict[str, Any]:
        """What the node has to know to run it."""
        request = job.request
        argv, executable = self._command(job, run)
        out, err = output.spooled(self.place, job, run, self.name)
        for path in {out, err}:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"):
                pass
            give(path, request.uid, request.gid)
        return {
            "argv": argv,
            "executable": executable,
            "env": self._environment(job, run),
            "cwd": request.home,
            "uid": request.uid,
            "gid": request.gid,
            "out": str(out),
            "err": str(err),
            "scope": "session",
            "leftovers": "kill",
            "look_seconds": _LOOK_SECONDS,
            "limits": self._limits(job),
        }

    def _command(self, job: Job, run: Run) -> tuple[list[str], str]:
        """A login shell that runs the script, or the shell that was asked for."""
        request = job.request
        script = output.script_file(self.place, job, run, self.name)
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_bytes(request.script.encode("latin-1"))
        script.chmod(0o700)
        give(script, request.uid, request.gid)
        if request.shell and not request.argv:
            return [request.shell, str(script)], request.shell
        if not request.argv and not request.script.strip():
            return ["-bash", "-c", f"exit {_NO_COMMAND}"], "/bin/bash"
        limit = f"ulimit -v {request.address_space}; " if request.address_space else ""
        what = request.argv or [str(script)]
        # It must not replace itself by the script: it is the one whom PBS kills.
        # It reads no profile, for those on this machine are none of the testbed's business.
        shell = ["-bash", "--noprofile", "--norc", "-c"]
        return [*shell, f'{limit}"$0" "$@"; exit $?', *what], "/bin/bash"

    def _limits(self, job: Job) -> dict[str, Any]:
        request = job.request
        ladder = [[15, self.options.seconds_to_die], [9, 0]]
        limits: dict[str, Any] = {}
        if request.walltime:
            say = f"=>> PBS: job killed: walltime {{used}} exceeded limit {request.walltime}"
            limits["walltime"] = {"at": request.walltime, "ladder": ladder, "say": say}
        if request.memory and self.options.enforce_memory:
            limit = f"{request.memory >> 10}kb"
            say = f"=>> PBS: job killed: mem {{used_kb}}kb exceeded limit {limit}"
            each = self.options.seconds_memory
            limits["memory"] = {"at": request.memory, "each": each, "ladder": ladder, "say": say}
        return limits

    def _environment(self, job: Job, run: Run) -> dict[str, str]:
        request = job.request
        folder = output.temporary(self.place, job, run, self.name)
        folder.mkdir(exist_ok=True)
        give(folder, request.uid, request.gid)
        nodes = self.place / "aux" / job.name_of(run, self.name)
        nodes.parent.mkdir(exist_ok=True)
        nodes.write_text(f"{run.host or self.name}\n", encoding="ascii")
        cpus = str(request.cpus)
        found = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": request.home,
            "USER": request.user,
            "LOGNAME": request.user,
            "SHELL": "/bin/bash",
            **submitter_variables(request.submitter, request.cwd, self.name, request.queue),
            **request.given,
            "PBS_JOBID": job.name_of(run, self.name),
            "PBS_JOBNAME": request.name,
            "PBS_QUEUE": request.queue,
            "PBS_NODEFILE": str(nodes),
            "PBS_JOBDIR": request.home,
            "PBS_ENVIRONMENT": "PBS_BATCH",
            "ENVIRONMENT": "BATCH",
            "NCPUS": cpus,
            "OMP_NUM_THREADS": cpus,
            "TMPDIR": str(folder),
        }
        if run.index is not None:
            found["PBS_ARRAY_INDEX"] = str(run.index)
            found["PBS_ARRAY_ID"] = job.name_of(None, self.name)
        return found


def submitter_variables(
    caller: dict[str, str], folder: str, server: str, queue: str
) -> dict[str, str]:
    """The PBS_O_ variables, which every job has."""
    names = ("HOME", "LOGNAME", "PATH", "SHELL", "LANG", "MAIL", "TZ")
    found = {f"PBS_O_{name}": caller[name] for name in names if name in caller}
    return {**found, "PBS_O_WORKDIR": folder, "PBS_O_HOST": server, "PBS_O_QUEUE": queue}


def exit_status(code: int, cause: str | None) -> int:
    """PBS's own number for how the first process of a job ended."""
    if cause in _CODES:
        return _CODES[cause]
    return 256 - code if code < 0 else code


def main() -> None:
    """Serve in the folder that the command line names, with the options that lie there."""
    place = Path(sys.argv[1])
    options = json.loads((place / "options.json").read_text(encoding="utf-8"))
    PbsServer(place, PbsOptions(**options)).run()


if __name__ == "__main__":
    main()
