"""What a worker's supervisor and its task process say to each other."""

from __future__ import annotations

from crew_core._wire.codec import Decoder, ManyDecoder
from crew_core._wire.messages.base import Message, Seconds, StatusCode
from crew_core._wire.messages.parts import (
    ForgetBlobs,
    HoldObject,
    Outcome,
    Segments,
    WorkerSettings,
)


class TaskProcessSettings(Message, frozen=True):
    """First message to a new task process."""

    settings: WorkerSettings
    instance: str


class RunTasks(Message, frozen=True):
    """Run each of these tasks once its permit arrives; see ``_worker.permits``."""

    first: int
    digest: bytes
    bodies: list[bytes]


class SkipTasks(Message, frozen=True):
    """The supervisor took the permits of these tasks back: drop them."""

    ids: list[int]


class HoldBlob(Message, frozen=True):
    """Keep this command for the tasks that follow."""

    digest: bytes
    payload: bytes


ToTaskProcess = TaskProcessSettings | RunTasks | SkipTasks | HoldBlob | HoldObject | ForgetBlobs

decode_to_task_process: Decoder[ToTaskProcess] = Decoder(ToTaskProcess)


class TaskProcessReady(Message, frozen=True):
    """The task process is up."""

    pid: int


class TaskDone(Message, frozen=True):
    """One task ended: the fields of its ``Outcome``, and whether it was interrupted.

    ``interrupted``: the supervisor's interrupt reached it while it ran.
    """

    id: int
    status: StatusCode
    seconds: Seconds | None
    detail: bytes
    segments: Segments = ()
    interrupted: bool = False

    @property
    def outcome(self) -> Outcome:
        """What the dispatcher will be told."""
        return Outcome(self.id, self.status, self.seconds, self.detail, self.segments)


FromTaskProcess = TaskProcessReady | TaskDone

decode_from_task_process: Decoder[FromTaskProcess] = Decoder(FromTaskProcess)
decode_tasks_done: ManyDecoder[TaskDone] = ManyDecoder(TaskDone)
