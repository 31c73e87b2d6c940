"""What the dispatcher and a worker say to each other."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import field

from crew_core._wire.codec import Decoder
from crew_core._wire.messages.base import Message
from crew_core._wire.messages.parts import (
    Batch,
    Blob,
    EndWarmUps,
    ForgetBlobs,
    HoldObject,
    Outcome,
    WorkerSettings,
)

# ── Dispatcher to worker ───────────────────────────────────────────────────────────────────────


class Welcome(Message, frozen=True):
    """The worker is who it says."""

    settings: WorkerSettings


class Refused(Message, frozen=True):
    """The worker is turned away and must leave; the reason is for its log."""

    reason: str


class Work(Message, frozen=True):
    """Tasks to run, in this order. ``blobs`` are commands this worker has not had."""

    batches: list[Batch]
    blobs: list[Blob]


class WarmUps(Message, frozen=True):
    """Run these behind what you have, and again, before all else, in each new task process.

    Also the answer to a ``Warmed`` that tells of a death: run it again.
    """

    tasks: list[Batch]
    blobs: list[Blob]


class Recall(Message, frozen=True):
    """Give back those of these tasks that have not started. Answered by ``Returned``."""

    ids: list[int]


class CancelTasks(Message, frozen=True):
    """Stop these tasks for certain. Each still gives an ``Outcome``."""

    ids: list[int]


class Leave(Message, frozen=True):
    """Go. With ``now``, end the running task's process first; else the worker asked for it."""

    now: bool


ToWorker = (
    Welcome
    | Refused
    | Work
    | WarmUps
    | EndWarmUps
    | Recall
    | CancelTasks
    | HoldObject
    | ForgetBlobs
    | Leave
)

decode_to_worker: Decoder[ToWorker] = Decoder(ToWorker)


# ── Worker to dispatcher ───────────────────────────────────────────────────────────────────────


class Hello(Message, frozen=True):
    """A worker's first words on every connection.

    ``life`` is made at random when the supervisor starts: the same instance with another life is a
    second start of one launch, and is refused; the same life is a connection that came back.
    """

    protocol: int
    instance: str
    secret: str
    life: str
    pid: int
    host: str
    python: str
    slots: int = 1  # tasks it can run at once
    seconds_left: float | None = None  # until its platform or its wall time ends it

    def __repr__(self) -> str:
        return f"Hello({self.instance!r}, secret=***, life={self.life!r}, host={self.host!r})"


class Outcomes(Message, frozen=True):
    """Attempts that ended, in this order. One list for each field of ``Outcome``."""

    ids: list[int]
    statuses: list[int]
    seconds: list[float | None]
    details: list[bytes]
    segments: dict[int, tuple[str, ...]] = field(default_factory=dict)  # of the few that have any

    def one_by_one(self) -> Iterator[Outcomes]:
        """The same, a message for each."""
        columns = (self.ids, self.statuses, self.seconds, self.details)
        for task_id, status, seconds, detail in zip(*columns, strict=True):
            mine = self.segments.get(task_id)
            segments = {} if mine is None else {task_id: mine}
            yield Outcomes([task_id], [status], [seconds], [detail], segments)


class Warmed(Message, frozen=True):
    """A warm-up ended. When its task process ``died`` of it, nothing runs until there is an answer.

    The answer is ``WarmUps`` or ``EndWarmUps``.
    """

    outcome: Outcome
    died: bool


class Warming(Message, frozen=True):
    """The task process is a new one, and runs these before anything else."""

    ids: list[int]


class Returned(Message, frozen=True):
    """Answer to ``Recall``, and on leaving: these tasks were never started here."""

    ids: list[int]


class AskLeave(Message, frozen=True):
    """The worker wants to leave. ``must`` is False for an idle one, which work keeps here.

    One that must is given nothing more. It asks at once, and again when it holds nothing any more.
    """

    reason: str
    must: bool


FromWorker = Hello | Outcomes | Warmed | Warming | Returned | AskLeave

decode_from_worker: Decoder[FromWorker] = Decoder(FromWorker)
