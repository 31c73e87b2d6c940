"""What the dispatcher and a worker say to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, field

from crew_core._model.states import Status
from crew_core._wire.codec import Decoder
from crew_core._wire.messages.base import MANY, Message, Seconds, StatusCode
from crew_core._wire.messages.parts import (
    Batch,
    Blob,
    EndWarmUps,
    ForgetBlobs,
    HoldObject,
    Outcome,
    OutcomeDetail,
    Segments,
    WorkerSettings,
    decode_detail,
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

# What a worker says is nothing to rely on: whoever took one over can say anything. So these tell a
# decoder what to refuse. What decodes is consistent in itself, if not true.

_Ids = Annotated[list[int], Meta(max_length=MANY)]
_Word = Annotated[str, Meta(max_length=1 << 10)]
_Words = Annotated[str, Meta(max_length=1 << 12)]


class Hello(Message, frozen=True):
    """A worker's first words on every connection.

    ``life`` is made at random when the supervisor starts: the same instance with another life is a
    second start of one launch, and is refused; the same life is a connection that came back.
    """

    protocol: int
    instance: _Word
    secret: _Word
    life: _Word
    pid: Annotated[int, Meta(ge=0, lt=1 << 32)]
    host: _Word
    python: _Word
    slots: Annotated[int, Meta(ge=1, lt=1 << 16)] = 1  # tasks it can run at once
    seconds_left: Seconds | None = None  # until it leaves, lest its platform ends it

    def __repr__(self) -> str:
        return f"Hello({self.instance!r}, secret=***, life={self.life!r}, host={self.host!r})"


class Outcomes(Message, frozen=True):
    """Attempts that ended, in this order. One list for each field of ``Outcome``."""

    ids: _Ids
    statuses: Annotated[list[StatusCode], Meta(max_length=MANY)]
    seconds: Annotated[list[Seconds | None], Meta(max_length=MANY)]
    details: Annotated[list[bytes], Meta(max_length=MANY)]
    segments: dict[int, Segments] = field(default_factory=dict)  # of the few that have any

    def __post_init__(self) -> None:
        count = len(self.ids)
        if not count == len(self.statuses) == len(self.seconds) == len(self.details):
            raise ValueError("columns of different lengths")
        if self.segments and not self.segments.keys() <= set(self.ids):
            raise ValueError("segments of tasks that did not end")

    def deaths(self) -> dict[int, OutcomeDetail]:
        """What is known of the attempts that ended with their task process.

        Raises:
            MalformedMessageError: some of it cannot be read.
        """
        columns = zip(self.ids, self.statuses, self.details, strict=True)
        return {i: decode_detail(d) for i, status, d in columns if status == Status.CRASH}

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

    ids: _Ids


class Returned(Message, frozen=True):
    """Answer to ``Recall``, and on leaving: these tasks were never started here."""

    ids: _Ids


class AskLeave(Message, frozen=True):
    """The worker wants to leave. ``must`` is False for an idle one, which work keeps here.

    One that must is given nothing more. It asks at once, and again when it holds nothing any more.
    """

    reason: _Words
    must: bool


FromWorker = Hello | Outcomes | Warmed | Warming | Returned | AskLeave

decode_from_worker: Decoder[FromWorker] = Decoder(FromWorker)
