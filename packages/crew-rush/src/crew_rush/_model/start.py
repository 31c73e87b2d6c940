"""What a worker is to run and how, as its network keeps it under a name."""

from __future__ import annotations

import msgspec


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The same for all workers of one call of ``start_workers``.

    Supervisors read it; only a loop's process opens ``payload``.
    """

    payload: bytes
    """The loop with its arguments and globals, by cloudpickle, or where they are, as of a field."""

    packages: tuple[str, ...]
    """Modules to import before all else."""

    python: str
    """Version of Python that made the payload, such as "3.12"."""

    sys_path: tuple[str, ...]
    """Where to look for modules, on computers that share the maker's disk."""

    heartbeat_period: float
    heartbeat_expire: float
    seconds_store: float
    log_thresholds: dict[str, int]
    log_buffer: int
    message_log: str | None
    """Folder for standard error; None: where the worker's own goes."""

    output_log: str | None
    """Folder for standard output."""

    large_object_bytes: int
    large_objects_path: str | None
    launcher: str
    launcher_options: bytes
    """By pickle, for a later start by whoever restarts the worker."""


class Errand(msgspec.Struct, frozen=True):
    """What a supervisor tells its loop's process, by a pipe that nobody else can read."""

    url: str
    secret: str
    identity: str
    network: str
    worker_id: str
    life: str
    start: str

    def __repr__(self) -> str:
        return f"Errand(worker_id={self.worker_id!r})"
