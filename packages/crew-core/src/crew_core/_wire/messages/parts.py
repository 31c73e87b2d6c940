"""What messages of more than one border are made of, and those said at more than one.

Payloads (functions, arguments, values) are opaque bytes to all but the two ends: only the client
and the task process pickle.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from crew_core._wire.codec import Decoder, ManyDecoder
from crew_core._wire.messages.base import MANY, Message, Part, Seconds, StatusCode

Segments = Annotated[tuple[str, ...], Meta(max_length=MANY)]
"""Names of segments of shared memory."""


class Blob(Part, frozen=True):
    """Bytes that many tasks share, known by their content: a pickled function, a program's text."""

    digest: bytes
    payload: bytes


class Batch(Part, frozen=True):
    """Tasks with consecutive ids and the same command and options: one, or many at once."""

    first: int  # the id of the first
    names: list[str]
    digest: bytes  # of the blob that holds the command
    bodies: list[bytes]  # of each a TaskBody, encoded; opaque until the task process
    priority: int = 0
    crashes: int = 0  # in a row already, under this name; then it is one task
    seconds_timeout: float | None = None
    seconds_queue: float | None = None
    seconds_expected: float | None = None
    objects: tuple[bytes, ...] = ()  # digests of what they use that was put
    attempts: int = 0  # made already, at the controller that this one backs up

    @property
    def ids(self) -> range:
        """The ids of its tasks."""
        return range(self.first, self.first + len(self.names))

    @property
    def common(self) -> tuple[object, ...]:
        """All that its tasks have in common."""
        return (
            self.digest,
            self.priority,
            self.crashes,
            self.seconds_timeout,
            self.seconds_queue,
            self.seconds_expected,
            self.objects,
            self.attempts,
        )

    def part(self, first: int, stop: int) -> Batch:
        """Its tasks from one id up to another."""
        here = slice(first - self.first, stop - self.first)
        if here == slice(0, len(self.names)):
            return self
        return replace(self, first=first, names=self.names[here], bodies=self.bodies[here])


class Beside(Part, frozen=True):
    """The large buffers of a pickle: in a segment of this computer's memory, or here."""

    sizes: tuple[int, ...]
    segment: str = ""
    payloads: tuple[memoryview, ...] = ()  # of the message that came, where there is no segment


class TaskBody(Part, frozen=True):
    """What only the task process reads of a task."""

    arguments: bytes  # pickle of (args, data)
    seed: int | None = None
    algorithm: str | None = None
    stream: tuple[str, int] | None = None  # root and index, where another controller's count
    beside: Beside | None = None  # of the arguments


class Command(Part, frozen=True):
    """The payload of a command's blob: what to run, and what all its tasks have in common.

    ``text`` is Python to evaluate, ``function`` a pickle; one of them is given.
    """

    function: bytes | None = None
    text: str | None = None
    data: bytes | None = None  # pickle of a dict; loaded anew for each task
    globals: bytes | None = None  # pickle of a dict
    packages: tuple[str, ...] = ()


class Outcome(Part, frozen=True):
    """How one attempt at a task ended, as the dispatcher sees it."""

    id: int
    status: StatusCode
    seconds: Seconds | None
    detail: bytes  # an OutcomeDetail, encoded; opaque until the client
    segments: Segments = ()  # the client's from now on: nobody else maps them


class OutcomeDetail(Part, frozen=True):
    """What only the client reads of an outcome."""

    value: bytes | None = None
    error: str | None = None
    trace: str | None = None
    warnings: str | None = None
    exception: bytes | None = None
    pid: int | None = None
    started_at: float | None = None
    rss_peak: int | None = None
    cause: str | None = None
    beside: Beside | None = None  # of the value


class WorkerSettings(Part, frozen=True):
    """What a worker is told about how to behave, the same for all workers of a controller."""

    controller: str
    root_seed: str  # decimal digits: it may exceed 64 bits
    seconds_idle: float = 300.0
    seconds_wall: float = float("inf")
    tasks_max: float = float("inf")
    tasks_timers: int = 0
    reset_globals: bool = True
    reset_packages: bool = False
    reset_options: bool = False
    garbage_collection: bool = False
    seconds_heartbeat: float = 30.0
    segments: str = ""  # the directory of segments; empty where workers may be elsewhere


# ── Messages of two borders ────────────────────────────────────────────────────────────────────


class EndWarmUps(Message, frozen=True):
    """Run these on no further worker, and stop them where they run. Said to workers as well."""

    ids: list[int]


class HoldObject(Message, frozen=True):
    """Keep this pickled object for the tasks that follow. The same for a task process."""

    digest: bytes
    payload: memoryview  # of the message that came: what may be large is not copied
    beside: Beside | None = None


class ForgetBlobs(Message, frozen=True):
    """No task here will need these commands or objects, unless they are sent again."""

    digests: list[bytes]


# ── Bytes to parts ─────────────────────────────────────────────────────────────────────────────

decode_body: Decoder[TaskBody] = Decoder(TaskBody)
decode_command: Decoder[Command] = Decoder(Command)
decode_detail: Decoder[OutcomeDetail] = Decoder(OutcomeDetail)
decode_details: ManyDecoder[OutcomeDetail] = ManyDecoder(OutcomeDetail)
