"""What the client and the dispatcher say to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import field

from crew_core._wire.codec import Decoder
from crew_core._wire.messages.base import Message, Part
from crew_core._wire.messages.parts import Batch, Blob, EndWarmUps, WorkerSettings

# ── Client to dispatcher ───────────────────────────────────────────────────────────────────────


class RetryPolicy(Part, frozen=True):
    """When a crashed task is tried again."""

    retry_tasks: bool = True
    crashes_max: int = 5
    attempts_max: int = 20
    backup: bool = False  # another controller takes the tasks whose crashes are used up


class ExpectedWorker(Part, frozen=True):
    """A worker about to be launched: its hello will show this instance and this secret."""

    instance: str
    worker: int
    secret_digest: bytes  # SHA-256 of the one-time secret
    step: int = 0  # of its launcher's ladder


class PlatformFacts(Part, frozen=True):
    """What the dispatcher has to know of where workers run."""

    lives: tuple[float, ...] = (float("inf"),)  # of workers of each step, at most; in seconds
    seconds_verdict: float = 0.0  # to wait for ``JobsOver`` before a lost worker's task is judged
    heir: tuple[str, ...] = ()  # the command line that follows the dispatcher if we are killed


class ClientHello(Message, frozen=True):
    """First words of the client."""

    protocol: int
    pid: int
    python: str  # "3.11": functions shipped by value need the same one on both ends
    settings: WorkerSettings
    retry: RetryPolicy
    seconds_heartbeat: float
    object_bytes: int = 1 << 30  # of what was put: in the dispatcher's memory, and in a worker's
    object_directory: str = ""  # for what exceeds the dispatcher's; made when needed
    platform: PlatformFacts = PlatformFacts()


class Submit(Message, frozen=True):
    """Queue tasks. ``blobs`` are commands not sent before."""

    batches: list[Batch]
    blobs: list[Blob]


class Expect(Message, frozen=True):
    """Workers are about to be launched. Answered by ``Expected`` with the same number."""

    request: int
    workers: list[ExpectedWorker]


class Forget(Message, frozen=True):
    """These launches failed or were cancelled: refuse who comes after all; who has come leaves."""

    instances: list[str]


class JobEnd(Part, frozen=True):
    """What the platform says of a worker that has ended, or that it has nothing to say."""

    instance: str
    cause: str = ""
    reason: str = ""  # in its own words


class JobsOver(Message, frozen=True):
    """These workers have ended for their platform: if their connection is broken, they have.

    Also the answer, for each worker that was lost, or was told to end by its platform.
    """

    ends: list[JobEnd]


class MakeRoom(Message, frozen=True):
    """Let idle workers of lower steps go, so many, for one of this step that is wanted more."""

    step: int
    workers: int


class Employ(Message, frozen=True):
    """Whether workers are given tasks. If not, each leaves once what it runs has ended."""

    on: bool


class Cancel(Message, frozen=True):
    """Stop these tasks, wherever they are."""

    ids: list[int]


class PutObject(Message, frozen=True):
    """Keep an object for tasks that name it."""

    digest: bytes
    size: int
    order: memoryview  # a HoldObject, encoded: passed on as it is


class FetchObject(Message, frozen=True):
    """Ask for an object back. Answered by ``FetchedObject`` with the same number."""

    request: int
    digest: bytes


class WarmUp(Message, frozen=True):
    """Run this on every worker, now or when it comes, before any task that is queued later."""

    task: Batch
    blobs: list[Blob]


class DropBlobs(Message, frozen=True):
    """No task will need these commands or objects any more."""

    digests: list[bytes]


class Inspect(Message, frozen=True):
    """Ask for an ``Inspection`` with the same number."""

    request: int


class Stop(Message, frozen=True):
    """End all workers and then yourself."""


ToDispatcher = (
    ClientHello
    | Submit
    | Expect
    | Forget
    | JobsOver
    | MakeRoom
    | Employ
    | Cancel
    | PutObject
    | FetchObject
    | WarmUp
    | EndWarmUps
    | DropBlobs
    | Inspect
    | Stop
)

decode_to_dispatcher: Decoder[ToDispatcher] = Decoder(ToDispatcher)


# ── Dispatcher to client ───────────────────────────────────────────────────────────────────────


class DispatcherHello(Message, frozen=True):
    """The dispatcher is up; workers dial ``url``."""

    protocol: int
    pid: int
    url: str


class Expected(Message, frozen=True):
    """The dispatcher knows the workers of the ``Expect`` with this number."""

    request: int


class FinishedTask(Part, frozen=True):
    """A task's one and final outcome."""

    id: int
    status: int
    seconds: float | None
    attempts: int
    detail: bytes
    segments: tuple[str, ...] = ()


class Finished(Message, frozen=True):
    """Tasks that ended, all on one instance; None for tasks that ended in the queue.

    One list for each field of ``FinishedTask``.
    """

    instance: str | None
    ids: list[int]
    statuses: list[int]
    seconds: list[float | None]
    attempts: list[int]
    details: list[bytes]
    segments: dict[int, tuple[str, ...]] = field(default_factory=dict)  # of the few that have any

    @property
    def tasks(self) -> Iterator[FinishedTask]:
        """Task by task."""
        columns = (self.ids, self.statuses, self.seconds, self.attempts, self.details)
        if not self.segments:
            return map(FinishedTask, *columns)
        return map(FinishedTask, *columns, [self.segments.get(i, ()) for i in self.ids])

    def part(self, indices: Sequence[int]) -> Finished:
        """Those of its tasks that stand at these places."""
        if len(indices) == len(self.ids):
            return self
        return Finished(
            self.instance,
            [self.ids[i] for i in indices],
            [self.statuses[i] for i in indices],
            [self.seconds[i] for i in indices],
            [self.attempts[i] for i in indices],
            [self.details[i] for i in indices],
            self.segments,
        )


class Crashed(Message, frozen=True):
    """A worker went away while it ran this task, which is tried again."""

    id: int
    instance: str
    cause: str
    crashes: int  # in a row, under the task's name
    step: int = 0  # the next attempt waits for a worker of this step, or a higher one


class WarmUpRan(Message, frozen=True):
    """A warm-up ended on this worker, for the first time or again."""

    instance: str
    task: FinishedTask


class WarmUpGivenUp(Message, frozen=True):
    """A warm-up has ended its workers so often that it is run no more."""

    id: int
    reason: str


class Spent(Message, frozen=True):
    """A task whose crashes are used up, with all that another controller needs to run it.

    Its one and final outcome is ``finished`` only if there nobody runs it.
    """

    instance: str
    finished: FinishedTask
    crashes: int  # in a row, under the task's name
    task: Batch
    blob: Blob


class FetchedObject(Message, frozen=True):
    """An object that was put, as it was put; empty when it is lost."""

    request: int
    order: memoryview


class WorkerOnline(Message, frozen=True):
    """A worker connected and proved its identity."""

    instance: str
    pid: int
    host: str
    seconds_left: float | None = None  # until it leaves, lest its platform ends it


class WorkerCut(Message, frozen=True):
    """A worker's connection broke, and it may come back; or, with ``here``, it has come back."""

    instance: str
    here: bool


class WorkerGone(Message, frozen=True):
    """A worker is no more. ``planned`` is False for one that was lost."""

    instance: str
    planned: bool
    reason: str
    tasks: int  # that this instance was given and did not give back


class WorkerRefused(Message, frozen=True):
    """Somebody dialled and was turned away, for this reason."""

    instance: str
    reason: str


class InspectedWorker(Part, frozen=True):
    """One worker, as the dispatcher sees it."""

    instance: str
    worker: int
    online: bool
    assigned: int
    complete: int
    running: list[int]


class Inspection(Message, frozen=True):
    """The dispatcher's state, on request."""

    request: int
    queued: int
    running: int
    workers: list[InspectedWorker]


ToClient = (
    DispatcherHello
    | Expected
    | Finished
    | Crashed
    | WarmUpRan
    | WarmUpGivenUp
    | Spent
    | FetchedObject
    | WorkerOnline
    | WorkerCut
    | WorkerGone
    | WorkerRefused
    | Inspection
)

decode_to_client: Decoder[ToClient] = Decoder(ToClient)
