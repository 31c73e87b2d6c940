"""SLURM, as the shared parts need to know it; runs its commands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from crew_cluster._cluster.commands import Answer, CommandError, Run
from crew_cluster._cluster.directives import Dialect, Directive
from crew_cluster._cluster.job import Handle, Job
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError, Verdict, by_job
from crew_cluster._slurm import answers, script, states


class Slurm(Scheduler):
    """SLURM."""

    title: ClassVar[str] = "SLURM"
    dialect: ClassVar[Dialect] = script.DIALECT
    submit_program: ClassVar[str] = "sbatch"
    list_program: ClassVar[str] = "squeue"
    terminate_program: ClassVar[str] = "scancel"
    array_key: ClassVar[str] = "--array"
    place: ClassVar[str] = "$SLURM_ARRAY_TASK_ID"
    patterns: ClassVar[str] = "%"

    def __init__(self) -> None:
        self._has_history = True

    def directives(self, options: Any, job: Job) -> list[Directive]:
        """What follows from the options."""
        return script.directives(options, job)

    def submission(self, options: Any, script: Path) -> list[str]:  # noqa: ARG002 - as for all
        """``sbatch``, to print nothing but the id."""
        return [self.submit_program, "--parsable", str(script)]

    def before_start(self, options: Any) -> Sequence[str]:
        """Without a time limit of the user's there may be one of the partition's."""
        return () if options.seconds_wall_time else script.FIND_END

    def job_id(self, answer: Answer) -> str:
        """The id, with the cluster where there are several."""
        return answers.job_id(answer)

    def verdict(self, answer: Answer) -> Verdict:
        """What it means that ``sbatch`` failed."""
        return answers.verdict(answer)

    def element(self, handle: Handle) -> str:
        """Such as "123_4"."""
        return answers.element(handle.job, handle.index)

    def array_limit(self, run: Run) -> int:
        """The most workers in one array."""
        limit = answers.array_limit(_checked(run(["scontrol", "show", "config"])).stdout)
        return self.array_most if limit is None else limit

    def look(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What the controller says; of those it has forgotten, what the accounting says."""
        found: dict[str, Report] = {}
        for cluster, ids in _by_cluster(handles).items():
            argv = ["squeue", "--noheader", "--array", "--states=all"]
            argv += [_fields(states.LOOK_FIELDS), f"--jobs={','.join(ids)}"]
            answer = run(argv + _on(cluster))
            if answer.returncode and not answers.knows_none(answer):
                raise UnreadableError(f"squeue: {answer.words}")
            shown = states.read_look(answer.stdout, cluster)
            if not shown and answer.stdout.strip():  # all would be taken for vanished
                raise UnreadableError(f"squeue: {answer.words}")
            found |= shown
        forgotten = [handle for handle in handles if self.element(handle) not in found]
        return self._history(run, forgotten) | found

    def find(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        """Ids of this user's jobs by name."""
        argv = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}"]
        argv += [f"--format={states.FIND_FORMAT}", f"--name={','.join(names)}"]
        return states.read_found(_checked(run(argv)).stdout)

    def cancel(self, run: Run, handles: Sequence[Handle]) -> None:
        """``scancel``, once."""
        clusters: dict[str, list[str]] = {}
        for job, group in by_job(handles).items():
            clusters.setdefault(answers.split_id(job)[1], []).append(answers.to_cancel(group))
        for cluster, names in clusters.items():
            answer = run(["scancel", "--quiet", *_on(cluster), *names])
            if answer.returncode and not answers.knows_none(answer):
                raise UnreadableError(f"scancel: {answer.words}")

    def rows(self, run: Run) -> list[Row]:
        """This user's jobs, as long as the controller knows them."""
        argv = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}"]
        return states.read_rows(_checked(run([*argv, _fields(states.ROWS_FIELDS)])).stdout)

    def cause_in(self, output: str) -> str | None:
        """How a job died, from what SLURM wrote into its output."""
        return states.read_cause(output)

    def _history(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What the accounting says, at sites that have one; it is asked in vain once only."""
        found: dict[str, Report] = {}
        if not self._has_history:
            return found
        for cluster, ids in _by_cluster(handles).items():
            argv = ["sacct", "--noheader", "--parsable2", "--allocations"]
            argv += [f"--format={states.HISTORY_FIELDS}", f"--jobs={','.join(ids)}"]
            try:
                answer = run(argv + _on(cluster))
            except CommandError as error:
                self._has_history = error.began
                return found
            if answer.returncode:
                self._has_history = "disabled" not in answer.stderr
                return found
            found |= states.read_history(answer.stdout, cluster)
        return found


def _by_cluster(handles: Sequence[Handle]) -> dict[str, list[str]]:
    """Ids of submissions, by cluster."""
    clusters: dict[str, list[str]] = {}
    for job in by_job(handles):
        number, cluster = answers.split_id(job)
        clusters.setdefault(cluster, []).append(number)
    return clusters


def _fields(names: Sequence[str]) -> str:
    return "--Format=" + ",".join(f"{name}:|" for name in names)


def _on(cluster: str) -> list[str]:
    return [f"--clusters={cluster}"] if cluster else []


def _checked(answer: Answer) -> Answer:
    if answer.returncode:
        raise UnreadableError(f"{answer.argv[0]}: {answer.words}")
    return answer
