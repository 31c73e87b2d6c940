"""Every message that crosses a process border, one struct each.

Borders, and who says what::

    client ── ToDispatcher ─► dispatcher ── ToWorker ──► supervisor ── ToTaskProcess ──► task
    client ◄── ToClient ───── dispatcher ◄─ FromWorker ─ supervisor ◄─ FromTaskProcess ─ process

Payloads (functions, arguments, values) are opaque bytes to all but the two ends: only the client
and the task process pickle. All times are seconds; times of day are seconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

PROTOCOL = 1
"""Version of everything in this file. Two processes that differ in it refuse each other."""

WARM_UP_IDS = 1 << 62
"""Task ids from here on belong to warm-ups, which run on every worker; see ``WarmUp``."""

PAYLOAD_MAX = (1 << 32) - (1 << 24)
"""The most bytes of one pickled thing: frames tell their length in 32 bits, and hold more too."""

SUBMIT_TASKS = 1000
SUBMIT_BYTES = 4 << 20
"""About as much as one ``Submit`` should carry: more would keep its reader from all else."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of the messages: positional on the wire, tagged with the class's name."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Base of what messages are made of."""


# ── Parts ──────────────────────────────────────────────────────────────────────────────────────


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


class TaskBody(Part, frozen=True):
    """What only the task process reads of a task."""

    arguments: bytes  # pickle of (args, data)
    seed: int | None = None
    algorithm: str | None = None
    stream: tuple[str, int] | None = None  # root and index, where another controller's count


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
    status: int  # a Status
    seconds: float | None
    detail: bytes  # an OutcomeDetail, encoded; opaque until the client


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


# ── Client to dispatcher ───────────────────────────────────────────────────────────────────────


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


class Submit(Message, frozen=True):
    """Queue tasks. ``blobs`` are commands not sent before."""

    batches: list[Batch]
    blobs: list[Blob]


class Expect(Message, frozen=True):
    """Workers are about to be launched. Answered by ``Expected`` with the same number."""

    request: int
    workers: list[ExpectedWorker]


class Forget(Message, frozen=True):
    """These launches failed or were cancelled: refuse them if they come after all."""

    instances: list[str]


class JobsOver(Message, frozen=True):
    """The platform says that these workers have ended: if their connection is broken, they have."""

    instances: list[str]


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


class EndWarmUps(Message, frozen=True):
    """Run these on no further worker, and stop them where they run. Said to workers as well."""

    ids: list[int]


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
    | Cancel
    | PutObject
    | FetchObject
    | WarmUp
    | EndWarmUps
    | DropBlobs
    | Inspect
    | Stop
)


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

    @property
    def tasks(self) -> Iterator[FinishedTask]:
        """Task by task."""
        return map(FinishedTask, self.ids, self.statuses, self.seconds, self.attempts, self.details)


class Crashed(Message, frozen=True):
    """A worker went away while it ran this task, which is tried again."""

    id: int
    instance: str
    cause: str
    crashes: int  # in a row, under the task's name


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


class HoldObject(Message, frozen=True):
    """Keep this pickled object for the tasks that follow. The same for a task process."""

    digest: bytes
    payload: memoryview  # of the message that came: what may be large is not copied


class ForgetBlobs(Message, frozen=True):
    """No task here will need these commands or objects, unless they are sent again."""

    digests: list[bytes]


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


# ── Supervisor to task process, and back ───────────────────────────────────────────────────────


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


class TaskProcessReady(Message, frozen=True):
    """The task process is up."""

    pid: int


class TaskDone(Message, frozen=True):
    """One task ended. ``interrupted``: the supervisor's interrupt reached it while it ran."""

    outcome: Outcome
    interrupted: bool = False


FromTaskProcess = TaskProcessReady | TaskDone
