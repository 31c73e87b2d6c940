"""Jobs of LSF as its master knows them."""

from __future__ import annotations

from dataclasses import dataclass, field

ENDED = ("DONE", "EXIT")
WAITING = ("PEND", "PSUSP")


@dataclass
class Request:
    """What was submitted.

    Attributes:
        script: its text, when it came by standard input.
        command: its words, when it did not.
        name: with the indices of an array, as given.
        limit: of memory, in bytes; None for none.
        minutes: it may run.
        reserved: memory it reserves, in MiB.
    """

    script: str
    command: str
    user: str
    uid: int
    gid: int
    home: str
    cwd: str
    environment: dict[str, str]
    name: str = ""
    indices: list[int] = field(default_factory=list)
    at_once: int = 0
    step: int = 1
    queue: str = ""
    project: str = "default"
    slots: int = 1
    resources: str = ""
    reserved: int = 0
    limit: int | None = None
    minutes: int | None = None
    out: str = ""
    err: str = ""
    overwrites: bool = False
    shell: str = ""
    held: bool = False
    waits: bool = False

    @property
    def plain_name(self) -> str:
        """The name without indices."""
        return self.name.rpartition("[")[0] if self.indices else self.name

    @property
    def shown_command(self) -> str:
        """What LSF shows as the command: of a script, its lines in a row."""
        return self.command or ";".join(self.script.rstrip("\n").split("\n"))


@dataclass
class Run:
    """A job, or an element of an array; its index is 0 for a job.

    Attributes:
        code: the exit code; negative for a signal.
        cause: why it is ended: "killed", "walltime" or "memory".
    """

    index: int
    state: str
    since: float
    reason: str = "New job is waiting for scheduling;"
    began: float | None = None
    ended: float | None = None
    final_at: float | None = None
    code: int | None = None
    cause: str = ""
    memory: int = 0
    memory_most: int = 0
    pid: int = 0


@dataclass
class Job:
    """A job, or an array with its elements."""

    number: int
    request: Request
    submitted: float
    runs: dict[int, Run]

    @property
    def is_array(self) -> bool:
        """True for an array."""
        return bool(self.request.indices)

    def name_of(self, run: Run) -> str:
        """The id of an element as commands take it."""
        return f"{self.number}[{run.index}]" if self.is_array else str(self.number)

    def job_name(self, run: Run) -> str:
        """The name that is shown."""
        request = self.request
        if self.is_array:
            return f"{request.plain_name}[{run.index}]"
        return request.name or request.shown_command

    @property
    def is_over(self) -> bool:
        """True when all of it has ended."""
        return all(run.state in ENDED for run in self.runs.values())
