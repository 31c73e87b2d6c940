"""Random streams: which generator a task has, and how it is rebuilt from its record.

A task pushed with ``seed=s`` has exactly what ``random.seed(s)`` and
``numpy.random.default_rng(s)`` give. A task without a seed has its own stream:
``numpy.random.SeedSequence(root, spawn_key=(task,))``, where ``root`` belongs to the controller
and ``task`` counts its tasks, so that the numbers do not depend on which worker runs the task.
SeedSequence's spawning is what makes the streams independent (M. O'Neill's seed_seq design, as
documented by NumPy). Python's own ``random`` is seeded from a BLAKE2 hash of the same pair, since
NumPy need not be imported for it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from crew_core._model.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from crew_core._model.record import Record

ALGORITHMS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
"""The bit generators of NumPy that ``algorithm=`` may name."""

DEFAULT_ALGORITHM = "PCG64"


class Stream(NamedTuple):
    """What decides a task's random numbers."""

    root: int
    task: int
    seed: int | None = None
    algorithm: str | None = None


CURRENT: ContextVar[tuple[int, int, int | None, str | None] | None] = ContextVar(
    "crew_stream", default=None
)
"""The fields of the task's stream that runs in this context; set by whoever evaluates tasks.

A plain tuple, for next to no task asks for it.
"""


def python_seed(stream: Stream) -> int:
    """The number that ``random.seed`` is given for a task."""
    if stream.seed is not None:
        return stream.seed
    import hashlib  # at the top it would cost each start of a worker four milliseconds

    text = f"{stream.root}/{stream.task}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=32).digest(), "little")


def seed_sequence(stream: Stream) -> np.random.SeedSequence:
    """NumPy's seed sequence of a task."""
    import numpy as np

    if stream.seed is not None:
        return np.random.SeedSequence(stream.seed)
    return np.random.SeedSequence(stream.root, spawn_key=(stream.task,))


def generator(stream: Stream) -> np.random.Generator:
    """A fresh NumPy generator at the start of a task's stream."""
    import numpy as np

    kind = getattr(np.random, stream.algorithm or DEFAULT_ALGORITHM)
    return np.random.Generator(kind(seed_sequence(stream)))


def rng(record: Record | None = None) -> np.random.Generator:
    """The NumPy generator of the running task, or of a finished task's record.

    Inside a task, each call starts the task's stream from its beginning: call it once and pass it
    on. With a record, rebuilds the generator that the task had, on any machine.

    Args:
        record: a record from ``pop``, ``handle.record`` and the like; None inside a task.

    Raises:
        ConfigError: outside a task without a record, or for a record that carries no stream.

    Example::

        >>> task = controller.push("import crew_core; crew_core.rng().random()")
        >>> drawn = task.result()
        >>> crew.rng(task.record).random() == drawn
        True
    """
    if record is None:
        stream = CURRENT.get()
        if stream is None:
            raise ConfigError("crew.rng() outside a task needs a record: crew.rng(record)")
        return generator(Stream(*stream))
    if record.stream is None:
        raise ConfigError(f"the record of task {record.name!r} carries no random stream")
    return generator(Stream(*record.stream, record.seed, record.algorithm))
