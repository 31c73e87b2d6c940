"""A batch platform on this computer that a test scripts: jobs wait, get lost, are refused."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from crew_core._launcher.request import WorkerLaunch
from crew_core._model.errors import ConfigError

ENDED = ("DONE", "FAILED", "CANCELLED")
"""The platform's words for jobs that have ended. The others are QUEUED and RUNNING."""

# The shell that starts a job leaves at once: nobody but the platform is the job's parent.
_START = """
umask 077; : >"$1"; umask "$3"
{ _out=$1 _exit=$2; shift 3
  "$@"; echo $? >"$_exit.new"; mv "$_exit.new" "$_exit"; } >"$1" 2>&1 </dev/null &
echo $!
"""


class RefusedError(Exception):
    """The platform does not take a submission.

    Attributes:
        transient: trying again later may help.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class NoAnswerError(Exception):
    """The platform did not answer. Whether it did what it was asked is not known."""


class ScriptedPlatform(Protocol):
    """What ``PlatformConformance`` makes a platform do. ``FakePlatform`` can; so may yours."""

    @property
    def submissions(self) -> list[int]:
        """How many workers each submission so far had."""

    @property
    def queries(self) -> int:
        """How often the platform was asked about jobs."""

    @property
    def unfinished(self) -> int:
        """How many jobs wait or run."""

    def hold(self) -> None:
        """Let new jobs wait in the queue."""

    def release(self) -> None:
        """Start what waits, and hold no more."""

    def refuse(self, message: str, *, transient: bool, after: int = 0) -> None:
        """Refuse one submission, in these words, after so many that succeed."""

    def lose_answer(self) -> None:
        """Take the next submission, and do not answer it."""

    def hide(self) -> None:
        """Do not list the jobs that are there, as a platform that is behind does."""

    def show(self) -> None:
        """List jobs again."""

    def forget(self) -> None:
        """List ended jobs no more, for ever."""

    def fail_queued(self) -> None:
        """Let jobs that wait fail before they start."""

    def cancel_all(self) -> None:
        """End all jobs, as an operator does."""

    def go_down(self) -> None:
        """Do not answer questions."""

    def come_up(self) -> None:
        """Answer questions again."""


class FakePlatform:
    """A batch platform whose jobs are processes of this computer, and whose moves a test scripts.

    The platform is a folder: whoever is given the same one, in any process, uses the same platform.
    At first it starts every job at once and says the truth.

    Example::

        >>> from crew_core.plugins import WorkerLaunch
        >>> from crew_core.testing import FakePlatform
        >>> platform = FakePlatform("a folder")
        >>> worker = WorkerLaunch(worker=1, instance="a", name="crew-c-a", argv=("echo", "hi"))

    Jobs wait, fail before they start, or are cancelled by somebody::

        >>> platform.hold()
        >>> jobs = [platform.submit([worker])[0] for _ in range(2)]
        >>> platform.cancel(jobs[:1])
        >>> platform.fail_queued()
        >>> list(platform.states(jobs).values())
        ['CANCELLED', 'FAILED']
        >>> platform.release()
        >>> job = platform.submit([worker])[0]
        >>> crew.retry(lambda: platform.states([job])[job] == "DONE", seconds_interval=0.01)
        True
        >>> platform.output(job).strip()
        'hi'
        >>> platform.cancel_all()

    Submissions are refused, or their answers are lost::

        >>> from crew_core.testing.fake_platform import NoAnswerError, RefusedError
        >>> platform.refuse("the queue is full", transient=True)
        >>> try:
        ...     platform.submit([worker])
        ... except RefusedError as error:
        ...     str(error), error.transient
        ('the queue is full', True)
        >>> platform.lose_answer()
        >>> try:
        ...     platform.submit([worker])
        ... except NoAnswerError:
        ...     len(platform.find(["crew-c-a"])), platform.submissions
        (1, [1, 1, 1, 1])

    Jobs are not listed yet, or no more, or nobody answers::

        >>> platform.hide(), platform.states([job]), platform.show()
        (None, {}, None)
        >>> platform.forget(), platform.states([job])
        (None, {})
        >>> platform.go_down()
        >>> try:
        ...     platform.states([job])
        ... except NoAnswerError:
        ...     platform.come_up()
        >>> platform.queries > 5
        True
        >>> platform.cancel_all(), platform.unfinished
        (None, 0)

    Args:
        folder: where it keeps its jobs; made when it is not there.
        limit: the most workers that it takes in one submission.
    """

    def __init__(self, folder: str | os.PathLike[str], *, limit: int = 3) -> None:
        if limit < 1:
            raise ConfigError(f"limit={limit!r}: must be at least 1")
        self.limit = limit
        self._folder = Path(folder) / "fake-platform"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # What the platform's tools do.

    def submit(self, workers: Sequence[WorkerLaunch]) -> list[str]:
        """Take workers, one job for each; the jobs' ids, in order.

        Raises:
            RefusedError: it takes none of them.
            NoAnswerError: the script says so. They are taken all the same.
        """
        if len(workers) > self.limit:
            raise RefusedError(f"{len(workers)} in one: {self.limit} at most", transient=False)
        with self._state() as state:
            self._refuse_if_told(state)
            state["submissions"].append(len(workers))
            jobs = [self._enter(state, worker) for worker in workers]
            if not state["held"]:
                self._start_queued(state)
            lost, state["lost"] = state["lost"], False
        if lost:
            raise NoAnswerError("the answer to a submission was lost")
        return jobs

    def find(self, names: Sequence[str]) -> dict[str, str]:
        """Ids of the jobs of these names, by name, as far as there are any.

        Raises:
            NoAnswerError: the platform is down.
        """
        with self._state() as state:
            self._ask(state)
            return {j["name"]: i for i, j in state["jobs"].items() if j["name"] in names}

    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        """The platform's words for these jobs, by id; those it does not list are left out.

        Raises:
            NoAnswerError: the platform is down.
        """
        with self._state() as state:
            self._ask(state)
            if state["hidden"]:
                return {}
            known = {i: j["state"] for i, j in state["jobs"].items() if not j["forgotten"]}
            return {job: known[job] for job in jobs if job in known}

    def cancel(self, jobs: Sequence[str]) -> None:
        """End these jobs at once. Those that have ended, or are unknown, are no error."""
        with self._state() as state:
            for number in dict.fromkeys(jobs):
                job = state["jobs"].get(number)
                if job is not None and job["state"] not in ENDED:
                    self._kill(job)
                    job.update(state="CANCELLED", argv=[], env={})

    def output(self, job: str) -> str | None:
        """What a job has printed; None when it has not started, or is unknown."""
        path = self._folder / f"{Path(job).name}.out"
        return path.read_text(errors="replace") if path.exists() else None

    # What a test scripts.

    @property
    def submissions(self) -> list[int]:
        """How many workers each submission so far had."""
        with self._state() as state:
            return list(state["submissions"])

    @property
    def queries(self) -> int:
        """How often it was asked about jobs."""
        with self._state() as state:
            return int(state["queries"])

    @property
    def unfinished(self) -> int:
        """How many jobs wait or run."""
        with self._state() as state:
            return sum(job["state"] not in ENDED for job in state["jobs"].values())

    def hold(self) -> None:
        """Let new jobs wait in the queue."""
        self._script(held=True)

    def release(self) -> None:
        """Start what waits, and hold no more."""
        with self._state() as state:
            state["held"] = False
            self._start_queued(state)

    def refuse(self, message: str, *, transient: bool, after: int = 0) -> None:
        """Refuse one submission, in these words, after so many that succeed."""
        with self._state() as state:
            state["refusals"] = [*[None] * after, {"message": message, "transient": transient}]

    def lose_answer(self) -> None:
        """Take the next submission, and do not answer it."""
        self._script(lost=True)

    def hide(self) -> None:
        """Do not list the jobs that are there, as a platform that is behind does."""
        self._script(hidden=True)

    def show(self) -> None:
        """List jobs again."""
        self._script(hidden=False)

    def forget(self) -> None:
        """List ended jobs no more, for ever."""
        with self._state() as state:
            for job in state["jobs"].values():
                job["forgotten"] |= job["state"] in ENDED

    def fail_queued(self) -> None:
        """Let jobs that wait fail before they start."""
        with self._state() as state:
            for job in state["jobs"].values():
                if job["state"] == "QUEUED":
                    job.update(state="FAILED", argv=[], env={})

    def cancel_all(self) -> None:
        """End all jobs, as an operator does."""
        with self._state() as state:
            jobs = list(state["jobs"])
        self.cancel(jobs)

    def go_down(self) -> None:
        """Do not answer questions."""
        self._script(down=True)

    def come_up(self) -> None:
        """Answer questions again."""
        self._script(down=False)

    # How it does that.

    def _script(self, **changes: bool) -> None:
        with self._state() as state:
            state.update(changes)

    @contextlib.contextmanager
    def _state(self) -> Iterator[dict[str, Any]]:
        """All it knows, up to date, and kept when the block ends; other processes wait."""
        with open(self._folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self._folder / "state.json"
            state = json.loads(path.read_text()) if path.exists() else _new_state()
            for number, job in state["jobs"].items():
                self._look(number, job)
            try:
                yield state
            finally:
                # It holds the variables of jobs that wait. Whoever is killed leaves the old one.
                fresh = path.with_suffix(".new")
                fresh.touch(mode=0o600)
                fresh.write_text(json.dumps(state))
                fresh.replace(path)

    def _ask(self, state: dict[str, Any]) -> None:
        state["queries"] += 1
        if state["down"]:
            raise NoAnswerError("the platform is down")

    def _refuse_if_told(self, state: dict[str, Any]) -> None:
        refusal = state["refusals"].pop(0) if state["refusals"] else None
        if refusal is not None:
            raise RefusedError(refusal["message"], transient=refusal["transient"])

    def _enter(self, state: dict[str, Any], worker: WorkerLaunch) -> str:
        number = str(1000 + len(state["jobs"]))
        state["jobs"][number] = {
            "name": worker.name,
            "argv": list(worker.argv),
            "env": dict(worker.env),
            "state": "QUEUED",
            "forgotten": False,
            "pid": None,
        }
        return number

    def _start_queued(self, state: dict[str, Any]) -> None:
        for number, job in state["jobs"].items():
            if job["state"] == "QUEUED":
                files = [str(self._folder / f"{number}.{kind}") for kind in ("out", "exit")]
                mode = os.umask(0o077)
                os.umask(mode)
                started = subprocess.run(
                    ["/bin/sh", "-c", _START, "sh", *files, f"{mode:04o}", *job["argv"]],
                    env={**os.environ, **job["env"]},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    start_new_session=True,
                    check=True,
                )
                job.update(state="RUNNING", pid=int(started.stdout), argv=[], env={})

    def _look(self, number: str, job: dict[str, Any]) -> None:
        """Take note of a job that has ended."""
        if job["state"] != "RUNNING":
            return
        gone = not _lives(job["pid"])  # before the look at its exit, which comes before its end
        path = self._folder / f"{number}.exit"
        if path.exists():
            job["state"] = "DONE" if path.read_text().strip() == "0" else "FAILED"
        elif gone:
            job["state"] = "FAILED"

    def _kill(self, job: dict[str, Any]) -> None:
        if job["pid"] is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(os.getpgid(job["pid"]), signal.SIGKILL)


def _new_state() -> dict[str, Any]:
    return {
        "held": False,
        "hidden": False,
        "down": False,
        "lost": False,
        "refusals": [],
        "submissions": [],
        "queries": 0,
        "jobs": {},
    }


def _lives(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
