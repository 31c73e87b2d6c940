"""What a store tells of tasks and workers. Values of tasks are opaque bytes to it."""

from __future__ import annotations

import msgspec


class Task(msgspec.Struct, frozen=True, array_like=True):
    """A task as a store keeps it."""

    key: str
    fields: dict[str, bytes]
    """Of its author: ``xs`` and ``xs_extra``; of who evaluated it: ``ys``, ``ys_extra`` or
    ``condition``."""
    state: str
    worker_id: str = ""
    """Who has or had it; "" while it is in the queue."""


class Worker(msgspec.Struct, frozen=True, array_like=True):
    """What a worker says of itself when it comes."""

    worker_id: str
    life: str
    """Each start of a worker is one; a restarted worker has the same id and another life."""
    pid: int
    hostname: str
    remote: bool
    launcher: str
    start: str
    """Name of the value that says what it runs."""


class WorkerRow(msgspec.Struct, frozen=True, array_like=True):
    """A worker as a store knows it."""

    worker: Worker
    state: str
    heartbeat: float
    """When it was last heard of, in seconds since 1970 by the store's clock."""
    reason: str = ""
    """Why it is no longer running, in words."""


class Orders(msgspec.Struct, frozen=True, array_like=True):
    """What a worker is told when it gives a sign of life."""

    known: bool
    """False: it was given up, or another life has its place; it must end."""
    terminate: bool
    kill: bool


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """How many tasks and workers are in which state."""

    queued: int
    pending: int
    running: int
    finished: int
    failed: int
    workers: int
    running_workers: int


class LogEvent(msgspec.Struct, frozen=True, array_like=True):
    """A record of a worker's logging."""

    worker_id: str
    time: float
    level: int
    logger: str
    text: str


TEXT = b"t"
"""What a field begins with that is plain text in UTF-8."""


def as_field(text: str) -> bytes:
    """A text as a field of a task: the only values that stores make themselves."""
    return TEXT + text.encode()
