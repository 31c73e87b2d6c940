"""PBS, as the shared parts need to know it; runs its commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from crew_cluster._cluster import names
from crew_cluster._cluster.commands import Answer, Run
from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.identity import user_name
from crew_cluster._cluster.job import Handle, Job
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError, Verdict, by_job
from crew_cluster._pbs import answers, script, states

_USAGE = 2


class Pbs(Scheduler):
    """PBS Pro and OpenPBS."""

    title: ClassVar[str] = "PBS"
    dialect: ClassVar[Dialect] = script.DIALECT
    submit_program: ClassVar[str] = "qsub"
    list_program: ClassVar[str] = "qstat"
    terminate_program: ClassVar[str] = "qdel"
    array_key: ClassVar[str] = "-J"
    array_most: ClassVar[int] = 10000
    place: ClassVar[str] = "$PBS_ARRAY_INDEX"
    redirects: ClassVar[bool] = True
    writes_late: ClassVar[bool] = True
    patterns: ClassVar[str] = "^$:"

    def __init__(self) -> None:
        self._has_history = True
        self._has_json = True

    def directives(self, options: Any, job: Job) -> list[Directive]:
        """What follows from the options."""
        return script.directives(options, job)

    def job_name(self, worker: str) -> str:
        """A name of 15 characters, as older versions take no more."""
        return names.narrow(worker)

    def before_start(self, options: Any) -> Sequence[str]:
        """Jobs start in the home directory, and are not told when they end."""
        lines = () if script.seconds_told(options, self.dialect) else script.FIND_END
        return (*lines, script.GO_TO_WORK) if options.cwd else lines

    def seconds_life(self, options: Any) -> float | None:
        """How long a job may run, unless the user's own directives say so."""
        return script.seconds_told(options, self.dialect)

    def job_id(self, answer: Answer) -> str:
        """The id, with the server's name."""
        return answers.job_id(answer)

    def verdict(self, answer: Answer) -> Verdict:
        """What it means that ``qsub`` failed."""
        return answers.verdict(answer)

    def element(self, handle: Handle) -> str:
        """Such as "123[4].server"."""
        return answers.element(handle.job, handle.index)

    def array_limit(self, run: Run) -> int:
        """The most workers in one array."""
        answer = run(["qstat", "-B", "-f"])
        limit = answers.array_limit(answer.stdout) if answer.returncode == 0 else None
        return self.array_most if limit is None else limit

    def look(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What the server says."""
        jobs = self._status(run, list(by_job(handles)))
        elements = [self.element(handle) for handle in handles]
        return states.report_all(jobs, elements, states.report)

    def find(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        """Ids of this user's jobs by name."""
        found = {}
        for name in names:
            listed = answers.ids(_checked(run(["qselect", "-u", user_name(), "-N", name])))
            if listed:
                found[name] = listed[0]
        return found

    def cancel(self, run: Run, handles: Sequence[Handle]) -> None:
        """``qdel``, once."""
        answer = run(["qdel", *answers.to_cancel(handles)])
        if answer.returncode and not answers.knows_none(answer, ending=True):
            raise UnreadableError(f"qdel: {answer.words}")

    def rows(self, run: Run) -> list[Row]:
        """This user's jobs; ended ones where the server has a history of them."""
        select = ["qselect", "-u", user_name()]
        answer = run([*select, "-x"])
        listed = answers.ids(_checked(answer if answer.returncode == 0 else run(select)))
        return states.read_rows(self._status(run, listed)) if listed else []

    def _status(self, run: Run, ids: Sequence[str]) -> Mapping[str, states.Attributes]:
        """What the server says of these jobs; how to ask it is learned once.

        Only ``-E`` makes it tell of all jobs as JSON, and older versions do not know it.
        """
        while True:
            argv = ["qstat", *(["-x"] if self._has_history else [])]
            argv += ["-t"] if any("[]" in job for job in ids) else []
            argv += ["-E", "-f", "-F", "json"] if self._has_json else ["-f"]
            answer = run([*argv, *ids])
            if self._has_history and answers.keeps_no_history(answer):
                self._has_history = False
            elif self._has_json and answer.returncode == _USAGE:
                self._has_json = False
            else:
                break
        if answer.returncode and not answers.knows_none(answer):
            raise UnreadableError(f"qstat: {answer.words}")
        if not self._has_json:
            return read_all(answer)
        try:
            return states.read_json(answer)
        except UnreadableError:
            self._has_json = False  # some versions write JSON that is none
            return self._status(run, ids)


def read_all(answer: Answer) -> Mapping[str, states.Attributes]:
    """What a text tells of jobs. Of those that it cannot tell of, ``qstat`` complains.

    Raises:
        UnreadableError: it tells of none, and does not complain.
    """
    jobs = states.read_text(answer.stdout)
    if not jobs and not answer.returncode:  # all would be taken for vanished
        raise UnreadableError(f"qstat: {answer.words}")
    return jobs


def _checked(answer: Answer) -> Answer:
    if answer.returncode:
        raise UnreadableError(f"{answer.argv[0]}: {answer.words}")
    return answer
