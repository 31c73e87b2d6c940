"""Jobs of PBS as its server knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ID = re.compile(r"(\d+)(\[(\d*)\])?(?:\.([A-Za-z0-9_.-]+))?")

WAITING = ("Q", "H")
FINISHED = ("F", "X")


@dataclass
class Request:
    """What was submitted.

    Attributes:
        argv: of a job without a script.
        given: its variables, by -v and -V.
        indices: of an array.
        at_once: how many of an array may run together.
        resources: as written, for Resource_List.
        cpus: of all chunks together.
        memory: in bytes.
        walltime: in seconds.
        address_space: in KiB, for each process.
    """

    name: str
    script: str
    argv: list[str]
    user: str
    uid: int
    gid: int
    home: str
    cwd: str
    submitter: dict[str, str]
    given: dict[str, str] = field(default_factory=dict)
    queue: str = "workq"
    out: str = ""
    err: str = ""
    join: str = ""
    keep: str = ""
    shell: str = ""
    rerun: str = "y"
    held: bool = False
    indices: list[int] = field(default_factory=list)
    index_range: str = ""
    at_once: int = 0
    resources: dict[str, str] = field(default_factory=dict)
    cpus: int = 1
    memory: int | None = None
    walltime: int | None = None
    address_space: int | None = None
    account: str = ""
    project: str = "_pbs_project_default"
    priority: str = "0"
    is_quiet: bool = False
    blocks: bool = False
    helper: bool = True

    @property
    def rerunnable(self) -> bool:
        """Whether it may be started more than once: that is so unless somebody says no."""
        return self.rerun == "y"


@dataclass
class Run:
    """A job that is no array, or an element of one.

    Attributes:
        since: when it entered its state.
        code: its Exit_status.
        cause: why it is ended: "deleted", "walltime" or "memory".
        out_of: how often it was started.
    """

    index: int | None
    state: str = "Q"
    substate: int = 10
    comment: str = ""
    since: float = 0.0
    host: str = ""
    began: float | None = None
    obit: float | None = None
    final_at: float | None = None
    code: int | None = None
    cause: str = ""
    run_count: int = 0
    memory: int = 0
    pid: int = 0
    lost_since: float | None = None

    @property
    def is_finished(self) -> bool:
        """True at its end."""
        return self.state in FINISHED


@dataclass
class Job:
    """A job, or an array with its elements."""

    number: int
    request: Request
    queued: float
    runs: dict[int | None, Run]
    finished: float | None = None

    @property
    def is_array(self) -> bool:
        """True for an array."""
        return bool(self.request.indices)

    def name_of(self, run: Run | None, server: str) -> str:
        """The id of an element, or of the whole."""
        if not self.is_array:
            return f"{self.number}.{server}"
        index = "" if run is None else run.index
        return f"{self.number}[{index}].{server}"

    def state(self) -> str:
        """The state of the whole."""
        states = [run.state for run in self.runs.values()]
        if not self.is_array:
            return states[0]
        if self.finished is not None:
            return "F"
        if all(state in WAITING for state in states):
            return states[0]
        return "B"


@dataclass(frozen=True)
class Named:
    """What an id names: a job, an array, or an element of one."""

    number: int
    is_array: bool
    index: int | None
    server: str | None


def parse_id(text: str) -> Named | None:
    """Read an id; None for what is none."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    number, brackets, index, server = match.groups()
    return Named(int(number), brackets is not None, int(index) if index else None, server)
