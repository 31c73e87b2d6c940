"""What one scheduler does its own way. Each has a class of its own derived from this one.

The first part is pure: options become directives and command lines, answers become ids. The second
runs commands by the ``run`` it is given, and turns the answers into reports by pure functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from crew_cluster._cluster import environment
from crew_cluster._cluster.commands import Answer, Run
from crew_cluster._cluster.directives import Dialect, Directive, matches
from crew_cluster._cluster.folder import OUTPUT_SUFFIX
from crew_cluster._cluster.job import Handle, Job
from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.rows import Row
from crew_cluster._cluster.shelf import Shelf
from crew_core.plugins import CrewError


class Verdict(Enum):
    """What a submission that failed means."""

    REFUSED = "refused"
    """It will fail again."""
    BUSY = "busy"
    """It was not taken; later it may be."""
    FULL = "full"
    """It was not taken, as the site takes no more of this user's jobs; fewer it may take."""
    UNSURE = "unsure"
    """It may have been taken all the same."""


class UnreadableError(CrewError):
    """A command succeeded, and what it printed cannot be understood."""


class Scheduler(ABC):
    """One scheduler. An object may keep what it learns about its site.

    Attributes:
        title: what people call it.
        dialect: how it writes directives.
        submit_program: what submits, unless the user says otherwise.
        list_program: what lists jobs, likewise.
        terminate_program: what cancels jobs, likewise.
        reads_stdin: the script is given as standard input, not as a file's name.
        array_key: the directive that makes an array.
        array_most: the most workers of an array, where the site does not tell.
        place: shell text for a worker's index in its array.
        redirects: the script itself sends output to the job's folder, as the scheduler would do so
            late; directives then say /dev/null.
        writes_late: a job's output comes to where it was sent when the job has ended, so that what
            workers print there could not be read before. It stays in crew's own logs.
        shelf: where folders of submissions are, for those who look into them.
        patterns: characters that make a path of output depend on the job.
    """

    title: ClassVar[str]
    dialect: ClassVar[Dialect]
    submit_program: ClassVar[str]
    list_program: ClassVar[str]
    terminate_program: ClassVar[str]
    reads_stdin: ClassVar[bool] = False
    array_key: ClassVar[str]
    array_most: ClassVar[int] = 1000
    place: ClassVar[str]
    redirects: ClassVar[bool] = False
    writes_late: ClassVar[bool] = False
    patterns: ClassVar[str] = "%$"
    shelf: Shelf = Shelf(Path())

    # ── Pure: options and what is submitted ────────────────────────────────────────────────────

    @abstractmethod
    def directives(self, options: Any, job: Job) -> list[Directive]:
        """What follows from the options, each list of which is at one of its steps."""

    def job_name(self, worker: str) -> str:
        """The name of a job that a worker, or the first of several, has this name for."""
        return worker

    def submission(self, options: Any, script: Path) -> list[str]:  # noqa: ARG002 - for those who need it
        """The command that submits a script."""
        return [self.submit_program] if self.reads_stdin else [self.submit_program, str(script)]

    def programs(self, options: Any) -> dict[str, str]:
        """What is to be run instead of the scheduler's own programs, by their names."""
        chosen = {
            self.submit_program: getattr(options, "command_submit", None),
            self.list_program: options.command_list,
            self.terminate_program: options.command_terminate,
        }
        return {name: str(program) for name, program in chosen.items() if program is not None}

    def before_start(self, options: Any) -> Sequence[str]:  # noqa: ARG002 - for those who need it
        """Shell lines that run in the job just before the worker starts.

        They may export CREW_JOB_END_TIME, in seconds since 1970, where ``seconds_life`` says less.
        """
        return ()

    def after_end(self, options: Any) -> Sequence[str]:  # noqa: ARG002 - for those who need it
        """Shell lines that run in the job when the worker has ended with ``$crew_status``."""
        return ()

    def environment(self, options: Any, variables: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002
        """What commands get of this process's variables."""
        return environment.clean(variables)

    def seconds_life(self, options: Any) -> float | None:
        """How long a job may run by these options; None where they do not say."""
        seconds: float | None = options.seconds_wall_time
        return seconds

    def chunk(self, options: Any, limit: int) -> int:
        """The most workers in one submission, where the site takes so many."""
        if any(matches(self.array_key, self.dialect.bare(w)) for w in options.drop_directives):
            return 1
        return max(1, min(limit, options.array_size or limit))

    # ── Pure: answers ──────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def job_id(self, answer: Answer) -> str:
        """The id of what was submitted, whole; of an array without any index.

        Raises:
            UnreadableError: there is none.
        """

    @abstractmethod
    def verdict(self, answer: Answer) -> Verdict:
        """What a submission means that did not exit with 0."""

    @abstractmethod
    def element(self, handle: Handle) -> str:
        """The scheduler's own name of one worker's job: "123_4". Reports are told apart by it."""

    def cause_in(self, output: str) -> str | None:  # noqa: ARG002 - for those who write there
        """How a job died, from its output, where the scheduler itself tells no more than that."""
        return None

    # ── Thin: commands ─────────────────────────────────────────────────────────────────────────

    def array_limit(self, run: Run) -> int:  # noqa: ARG002 - for those who can be asked
        """The most workers that the site takes in one array; 1: none."""
        return self.array_most

    @abstractmethod
    def look(self, run: Run, handles: Sequence[Handle]) -> dict[str, Report]:
        """What the scheduler says of these jobs, in one question; left out: those it does not show.

        Raises:
            CommandError: it did not answer.
            UnreadableError: it did not answer, or not what was asked.
        """

    @abstractmethod
    def find(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        """Ids of this user's jobs of these names, by name, as far as there are any.

        Raises:
            CommandError: it did not answer.
            UnreadableError: it did not answer, or not what was asked.
        """

    @abstractmethod
    def cancel(self, run: Run, handles: Sequence[Handle]) -> None:
        """End these jobs, in one command; those that have ended are no error.

        Raises:
            CommandError: it did not answer.
            UnreadableError: it would not.
        """

    @abstractmethod
    def rows(self, run: Run) -> list[Row]:
        """This user's jobs for a person, ended ones as far as the scheduler still knows them.

        Raises:
            CommandError: it did not answer.
            UnreadableError: it did not answer, or not what was asked.
        """

    def placed(self, row: Row, folder: Path) -> Row:  # noqa: ARG002 - for those who need it
        """A job as its submission's folder tells more of it than the scheduler."""
        return row


def output_of(options: Any, job: Job, place: str, plain: Callable[[str], str] = str) -> str:
    """Where a job's output goes: where the user says, or to the job's folder.

    Args:
        options: the scheduler's.
        job: what is submitted.
        place: the scheduler's own pattern for a worker's index, such as "%a".
        plain: takes the meaning of a pattern from text that looks like one.
    """
    if options.log_output is not None:
        return str(options.log_output)
    return f"{plain(str(job.folder))}/{place if job.is_array else 1}{OUTPUT_SUFFIX}"


def by_job(handles: Sequence[Handle]) -> dict[str, list[Handle]]:
    """Handles by submission, each of them once and in order."""
    grouped: dict[str, list[Handle]] = {}
    for handle in dict.fromkeys(handles):
        grouped.setdefault(handle.job, []).append(handle)
    return grouped
