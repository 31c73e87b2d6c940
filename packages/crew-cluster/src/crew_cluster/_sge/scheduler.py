"""Grid Engine, as the shared parts need to know it; runs its commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from crew_cluster._cluster import environment
from crew_cluster._cluster.commands import Answer, CommandError, Run
from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.identity import user_name
from crew_cluster._cluster.job import Handle, Job
from crew_cluster._cluster.names import PREFIX, is_ours
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError, Verdict, by_job
from crew_cluster._sge import answers, script, states


class Sge(Scheduler):
    """Grid Engine, by any of its makers."""

    title: ClassVar[str] = "Grid Engine"
    dialect: ClassVar[Dialect] = script.DIALECT
    submit_program: ClassVar[str] = "qsub"
    list_program: ClassVar[str] = "qstat"
    terminate_program: ClassVar[str] = "qdel"
    array_key: ClassVar[str] = "-t"
    array_most: ClassVar[int] = 75000
    place: ClassVar[str] = "$SGE_TASK_ID"
    # A job whose output cannot be opened waits for ever.
    redirects: ClassVar[bool] = True
    patterns: ClassVar[str] = "$"

    def __init__(self) -> None:
        self._has_history = True

    def directives(self, options: Any, job: Job) -> list[Directive]:
        """What follows from the options."""
        return script.directives(options, job)

    def submission(self, options: Any, script: Path) -> list[str]:  # noqa: ARG002 - as for all
        """``qsub``, to print nothing but the id."""
        return [self.submit_program, "-terse", str(script)]

    def before_start(self, options: Any) -> Sequence[str]:
        """Without a time limit of the user's there may be one of the queue's."""
        return () if options.seconds_wall_time else script.FIND_END

    def environment(self, options: Any, variables: Mapping[str, str]) -> dict[str, str]:
        """What jobs are to have, ``qsub`` must have."""
        if options.envvars:
            return environment.without_job(variables)
        return super().environment(options, variables)

    def job_id(self, answer: Answer) -> str:
        """The id."""
        return answers.job_id(answer)

    def verdict(self, answer: Answer) -> Verdict:
        """What it means that ``qsub`` failed."""
        return answers.verdict(answer)

    def element(self, handle: Handle) -> str:
        """Such as "123.4"."""
        return answers.element(handle.job, handle.index)

    def array_limit(self, run: Run) -> int:
        """The most workers in one array."""
        return answers.array_limit(_checked(run(["qconf", "-sconf"])).stdout) or self.array_most

    def look(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What is in the queue; of those that are there no more, what the accounting says."""
        shown = states.read_look(self._listing(run))
        found = {job: shown[job] for h in handles if (job := self.element(h)) in shown}
        if any(report.hopeless for report in found.values()):
            found = self._with_reasons(run, handles, found)
        gone = [handle for handle in handles if self.element(handle) not in found]
        return self._history(run, gone) | found

    def find(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        """Ids of this user's jobs by name."""
        found = states.read_found(self._listing(run))
        return {name: found[name] for name in names if name in found}

    def cancel(self, run: Run, handles: Sequence[Handle]) -> None:
        """``qdel``, once."""
        names = [name for group in by_job(handles).values() for name in answers.to_cancel(group)]
        answer = run(["qdel", *names])
        if not answers.is_cancelled(answer):
            raise UnreadableError(f"qdel: {answer.words}")

    def rows(self, run: Run) -> list[Row]:
        """This user's jobs, the last that ended too, with reasons where they wait."""
        rows = states.read_rows(self._listing(run, "-s", "prsz"))
        waiting = dict.fromkeys(row.submission for row in rows if row.state == "pending")
        reasons = self._reasons(run, waiting)
        ended = self._accounts(run, {row.name for row in rows if row.state == "finished"})
        return [states.explained(row, reasons, ended) for row in rows]

    def _listing(self, run: Run, *which: str) -> str:
        return _checked(run(["qstat", "-xml", "-u", user_name(), *which])).stdout

    def _accounts(self, run: Run, names: Iterable[str]) -> dict[str, Report]:
        """What the accounting says of crew's jobs of these names."""
        ours = {name for name in names if is_ours(name)}
        try:
            return (
                states.read_history(run(["qacct", "-j", f"{PREFIX}*"]).stdout, ours) if ours else {}
            )
        except CommandError:
            return {}

    def _with_reasons(
        self, run: Run, handles: Sequence[Handle], found: Mapping[str, Report]
    ) -> dict[str, Report]:
        hopeless = {h for h in handles if (r := found.get(self.element(h))) and r.hopeless}
        reasons = self._reasons(run, dict.fromkeys(handle.job for handle in hopeless))
        told = {self.element(h): reasons.get(answers.element(h.job, h.place), "") for h in hopeless}
        return {
            job: replace(report, reason=told[job]) if job in told else report
            for job, report in found.items()
        }

    def _reasons(self, run: Run, jobs: Iterable[str]) -> dict[str, str]:
        """Why jobs wait; nothing when it is not told, as all else is known without it."""
        ids = ",".join(jobs)
        try:
            return states.read_reasons(run(["qstat", "-j", ids]).stdout) if ids else {}
        except CommandError:
            return {}

    def _history(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What the accounting says: a file of a whole site, which may be too long to be read."""
        if not (handles and self._has_history):
            return {}
        names = {handle.name for handle in handles}
        one, several = handles[0].job, f"{handles[0].name.rpartition('-')[0]}-*"
        word = one if len(names) == 1 else several
        try:
            return states.read_history(run(["qacct", "-j", word]).stdout, names)
        except CommandError:
            self._has_history = False
            return {}


def _checked(answer: Answer) -> Answer:
    if answer.returncode:
        raise UnreadableError(f"{answer.argv[0]}: {answer.words}")
    return answer
