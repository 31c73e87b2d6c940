"""TORQUE, as the shared parts need to know it; runs its commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from crew_cluster._cluster import names
from crew_cluster._cluster.commands import Answer, CommandError, Run
from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.identity import user_name
from crew_cluster._cluster.job import Handle, Job
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError, Verdict, by_job
from crew_cluster._pbs import answers as common
from crew_cluster._pbs.script import FIND_END, GO_TO_WORK, seconds_told
from crew_cluster._pbs.states import Attributes, read_text, report_all
from crew_cluster._slurm import answers as slurm
from crew_cluster._torque import answers, notes, states
from crew_cluster._torque.script import DIALECT, directives, output_words


class Torque(Scheduler):
    """TORQUE, or SLURM with its commands for users of TORQUE."""

    title: ClassVar[str] = "TORQUE"
    dialect: ClassVar[Dialect] = DIALECT
    submit_program: ClassVar[str] = "qsub"
    list_program: ClassVar[str] = "qstat"
    terminate_program: ClassVar[str] = "qdel"
    array_key: ClassVar[str] = "-t"
    place: ClassVar[str] = "${PBS_ARRAYID:-$PBS_ARRAY_INDEX}"
    redirects: ClassVar[bool] = True
    writes_late: ClassVar[bool] = True
    patterns: ClassVar[str] = "$:%"

    def __init__(self) -> None:
        self._has_select = True

    def directives(self, options: Any, job: Job) -> list[Directive]:
        """What follows from the options."""
        return directives(options, job)

    def submission(self, options: Any, script: Path) -> list[str]:
        """``qsub``, which is told here as well where output goes."""
        return [self.submit_program, *output_words(options), str(script)]

    def job_name(self, worker: str) -> str:
        """A name of 15 characters, as TORQUE takes no more."""
        return names.narrow(worker)

    def before_start(self, options: Any) -> Sequence[str]:
        """Jobs start in the home directory."""
        lines = (*notes.AT_START, *(() if seconds_told(options, self.dialect) else FIND_END))
        return (*lines, GO_TO_WORK) if options.cwd else lines

    def after_end(self, options: Any) -> Sequence[str]:  # noqa: ARG002 - as for all
        """Servers may not tell how a job ended."""
        return notes.AT_END

    def seconds_life(self, options: Any) -> float | None:
        """How long a job may run, unless the user's own directives say so."""
        return seconds_told(options, self.dialect)

    def job_id(self, answer: Answer) -> str:
        """The id, with the server's name."""
        return common.job_id(answer)

    def verdict(self, answer: Answer) -> Verdict:
        """What it means that ``qsub`` failed."""
        return answers.verdict(answer)

    def element(self, handle: Handle) -> str:
        """Such as "123[4].server"."""
        return common.element(handle.job, handle.index)

    def array_limit(self, run: Run) -> int:
        """The most workers in one array."""
        answer = run(["qstat", "-B", "-f"])
        limit = common.array_limit(answer.stdout) if answer.returncode == 0 else None
        return self.array_most if limit is None else limit

    def look(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What the server says."""
        groups = by_job(handles)
        written = {
            job: notes.read_all(group[0], self.shelf)
            for job, group in groups.items()
            if _tells(job)
        }
        numbers = [note.number for found in written.values() for note in found.values()]
        jobs = self._status(run, list(dict.fromkeys([*groups, *numbers])))
        by_server = [self.element(handle) for handle in handles if not _tells(handle.job)]
        found = report_all(jobs, by_server, states.report)
        by_core = {common.core(name): attributes for name, attributes in jobs.items()}
        for handle in (one for one in handles if _tells(one.job)):
            told = written[handle.job]
            attributes = notes.attributes_of(handle.place, handle.job, told, by_core)
            if attributes is not None:
                # Not as it was read: the job may have ended since, which the server has seen.
                code = notes.code_of(handle, self.shelf) if states.is_over(attributes) else None
                found[self.element(handle)] = states.report(attributes, code)
        return found

    def find(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        """Ids of this user's jobs by name."""
        found = {}
        for name in names:
            listed = self._select(run, "-N", name)
            if listed is None:
                return states.by_name(self._everything(run))
            if listed:
                found[name] = listed[0]
        return found

    def cancel(self, run: Run, handles: Sequence[Handle]) -> None:
        """``qdel``, once. SLURM's ends nothing less than an array: SLURM itself does."""
        words: list[str] = []
        elements: list[str] = []
        for job, group in by_job(handles).items():
            named = _elements(group) if _tells(job) else []
            elements += named
            words += [] if named else common.to_cancel(group)
        if words and not answers.cancelled(answer := run(["qdel", *words])):
            raise UnreadableError(f"qdel: {answer.words}")
        if not elements:
            return
        answer = run(["scancel", "--quiet", *elements])
        if answer.returncode and not slurm.knows_none(answer):
            raise UnreadableError(f"scancel: {answer.words}")

    def rows(self, run: Run) -> list[Row]:
        """This user's jobs, as long as the server knows them."""
        listed = self._select(run)
        if listed is None:
            return states.read_rows(self._everything(run))
        return states.read_rows(self._status(run, listed)) if listed else []

    def placed(self, row: Row, folder: Path) -> Row:
        """SLURM shows jobs of arrays by numbers of their own."""
        found = notes.place_of(row.job, folder, self.shelf) if row.index is None else None
        if found is None:
            return row
        array, place = found
        return replace(row, job=common.element(array, place), submission=array, index=place)

    def _status(self, run: Run, ids: Sequence[str]) -> dict[str, Attributes]:
        """What the server says of these jobs.

        Some versions tell nothing of the others when they do not know one: these are asked for
        again.
        """
        found: dict[str, Attributes] = {}
        left = list(ids)
        while left:
            elements = ["-t"] if any("[]" in job for job in left) else []
            answer = run(["qstat", *elements, "-f", "-1", *left])
            found |= _read(answer)
            unknown = common.unknown(answer, left)
            if not unknown:
                break
            shown = {common.core(job).partition("[")[0] for job in found}
            left = [
                job
                for job in left
                if job not in unknown and common.core(job).partition("[")[0] not in shown
            ]
        return found

    def _everything(self, run: Run) -> dict[str, Attributes]:
        """All jobs of this user; at a site that can list them only with everybody's."""
        return states.owned(_read(run(["qstat", "-f", "-1"])), user_name())

    def _select(self, run: Run, *words: str) -> list[str] | None:
        """Ids of this user's jobs; None where there is no such command."""
        if not self._has_select:
            return None
        try:
            answer = run(["qselect", "-u", user_name(), *words])
        except CommandError as error:
            if error.began:
                raise
            self._has_select = False
            return None
        if answer.returncode:
            raise UnreadableError(f"qselect: {answer.words}")
        return common.ids(answer)


def _tells(job: str) -> bool:
    """True when jobs tell more of themselves than the server does."""
    return not common.is_whole_array(job)


def _elements(group: Sequence[Handle]) -> list[str]:
    """SLURM's names of some jobs of an array; none when all of it is meant, or it is none."""
    whole = len(group) == group[0].count
    return [] if whole or group[0].index is None else [slurm.to_cancel(group)]


def _read(answer: Answer) -> dict[str, Attributes]:
    """What a text tells of jobs.

    Raises:
        UnreadableError: it tells of none, and does not complain that they are not known.
    """
    if answer.returncode and not answers.tells_of_none(answer):
        raise UnreadableError(f"qstat: {answer.words}")
    jobs = read_text(answer.stdout)
    if not jobs and not answer.returncode:  # all would be taken for vanished
        raise UnreadableError(f"qstat: {answer.words}")
    return jobs
