"""LSF, as the shared parts need to know it; runs its commands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, ClassVar

from crew_cluster._cluster.commands import Answer, CommandError, Run
from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.job import Handle, Job
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError, Verdict, by_job
from crew_cluster._lsf import answers, script, states
from crew_cluster._lsf.memory import site_unit
from crew_cluster._lsf.states import Seen

_ENDED = ("DONE", "EXIT")


class Lsf(Scheduler):
    """LSF, and what behaves like it."""

    title: ClassVar[str] = "LSF"
    dialect: ClassVar[Dialect] = script.DIALECT
    submit_program: ClassVar[str] = "bsub"
    list_program: ClassVar[str] = "bjobs"
    terminate_program: ClassVar[str] = "bkill"
    # It looks for directives in nothing else.
    reads_stdin: ClassVar[bool] = True
    array_key: ClassVar[str] = "-J"
    place: ClassVar[str] = "$LSB_JOBINDEX"
    # It writes output when a job has ended, with a letter around it.
    redirects: ClassVar[bool] = True
    writes_late: ClassVar[bool] = True
    patterns: ClassVar[str] = "%"

    def __init__(self) -> None:
        self._has_columns = True
        self._unit: str | None = None

    def directives(self, options: Any, job: Job) -> list[Directive]:
        """What follows from the options, in the site's unit."""
        return script.directives(options, job, options.memory_unit or self._site_unit())

    def before_start(self, options: Any) -> Sequence[str]:
        """Without a time limit of the user's there may be one of the queue's."""
        return () if options.seconds_wall_time else script.FIND_END

    def job_id(self, answer: Answer) -> str:
        """The id."""
        return answers.job_id(answer)

    def verdict(self, answer: Answer) -> Verdict:
        """What it means that ``bsub`` failed."""
        return answers.verdict(answer)

    def element(self, handle: Handle) -> str:
        """Such as "123[4]"."""
        return answers.element(handle.job, handle.index)

    def look(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What LSF says of these jobs; of those it has forgotten, what its history says."""
        wanted = {self.element(handle) for handle in handles}
        seen = {one.element: one for one in self._seen(run, by_job(handles))}
        found = {name: one for name, one in seen.items() if name in wanted}
        if not self._has_columns:
            ended = [name for name, one in found.items() if one.stat in _ENDED]
            for name, told in _at_length(run, "bjobs", ended).items():
                found[name] = found[name].ended_as(told)
            found |= _with_reasons(run, found)
        forgotten = [name for name in sorted(wanted) if name not in found]
        found |= _at_length(run, "bhist", forgotten)
        return {name: states.report(one) for name, one in found.items()}

    def find(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        """Ids of this user's jobs by name."""
        found = {one.name: one.job for one in self._seen(run, ())}
        return {name: found[name] for name in names if name in found}

    def cancel(self, run: Run, handles: Sequence[Handle]) -> None:
        """``bkill``, once."""
        names = [name for group in by_job(handles).values() for name in answers.to_cancel(group)]
        if names:
            answer = run(["bkill", *names])
            if not answers.is_cancelled(answer):
                raise UnreadableError(f"bkill: {answer.words}")

    def rows(self, run: Run) -> list[Row]:
        """This user's jobs, as long as LSF knows them."""
        seen = {one.element: one for one in self._seen(run, ())}
        if not self._has_columns:
            seen |= _with_reasons(run, seen)
        return [states.row(one, datetime.now(timezone.utc)) for one in seen.values()]

    def _site_unit(self) -> str:
        if self._unit is None:
            self._unit = site_unit(os.environ)
        return self._unit

    def _seen(self, run: Run, ids: Iterable[str]) -> list[Seen]:
        """What LSF shows of these submissions, or of all."""
        if self._has_columns:
            answer = run(["bjobs", "-a", "-noheader", "-o", states.FORMAT, *ids])
            if answer.returncode == 0 or answers.knows_none(answer):
                return _checked(answer, states.read_columns(answer.stdout))
        answer = run(["bjobs", "-a", "-w", *ids])
        seen = _checked(answer, states.read_table(answer.stdout))
        # It answers, but not that question: it has no such columns, or not all of them.
        self._has_columns = False
        return seen


def _at_length(run: Run, program: str, names: Sequence[str]) -> dict[str, Seen]:
    """How these jobs ended; nothing of those that are not told, as less is known without it."""
    if not names:
        return {}
    try:
        found = states.read_at_length(run([program, "-l", *names]).stdout)
    except CommandError:
        return {}
    return {name: found[name] for name in names if name in found and found[name].stat in _ENDED}


def _with_reasons(run: Run, seen: dict[str, Seen]) -> dict[str, Seen]:
    """Those that wait, with reasons, as far as they are told."""
    waiting = [one for one in seen.values() if one.stat == "PEND"]
    if not waiting:
        return {}
    try:
        answer = run(["bjobs", "-w", "-p", *dict.fromkeys(one.job for one in waiting)])
    except CommandError:
        return {}
    told = {one.element: one.reason for one in states.read_table(answer.stdout)}
    return {one.element: replace(one, reason=told.get(one.element, "")) for one in waiting}


def _checked(answer: Answer, seen: list[Seen]) -> list[Seen]:
    """What was read, unless it is no answer to the question."""
    if answer.returncode:
        if not answers.knows_none(answer):
            raise UnreadableError(f"bjobs: {answer.words}")
    elif not seen:  # all would be taken for vanished
        raise UnreadableError(f"bjobs: {answer.words}")
    return seen
