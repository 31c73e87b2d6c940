"""Memory runs out: a task takes more than its worker may."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import crew_core as crew
from chaos import memory_group, tasks
from chaos.faults.base import Fault
from chaos.launcher import Under
from chaos.session import Session

_LIMIT = 256 << 20
_LIMIT_OF_ADDRESSES = 1536 << 20  # an interpreter maps much that it never takes
_MOST = 2 << 30  # a task that nobody stops ends here
_SECONDS = 120.0


class _Greed(Fault):
    """A controller of its own beside the session, with one worker whose memory is limited."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    def heal(self, session: Session) -> list[str]:
        """It is over."""
        return self._problems

    def _try(self, session: Session, prefix: list[str]) -> crew.Record:
        """Run a task that takes all it can, then another; the first one's record."""
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            prefix_file = Path(folder, "prefix.json")
            prefix_file.write_text(json.dumps(prefix), encoding="utf-8")
            launcher = Under(Under.Options(prefix_file=str(prefix_file)))
            name = f"{session.name}-memory"
            with crew.controller(
                launcher, name=name, retry_tasks=False, launch_max=3, log_directory=folder
            ) as controller:
                path = str(Path(folder, "taken"))
                greedy = controller.push(tasks.take_memory, (path, _MOST), name="greedy")
                greedy.exception(_SECONDS)
                if controller.submit(tasks.memory_held).result(_SECONDS) > _LIMIT:
                    self._problems.append("the memory was not given back")
                record = greedy.record
        assert record is not None
        return record


class GreedyInGroup(_Greed):
    """The system ends who takes too much."""

    name = "a task takes more memory than its worker's cgroup may"
    promise = 'its process is ended; a crash with cause "out_of_memory"; the worker stays'

    @classmethod
    def lacks(cls) -> str | None:
        """A group whose memory can be limited."""
        return memory_group.lacks()

    def apply(self, session: Session) -> None:
        """Do it."""
        group = memory_group.MemoryGroup(_LIMIT)
        try:
            record = self._try(session, group.enter())
        finally:
            group.close()
        if (record.status, record.cause) != ("crash", "out_of_memory"):
            self._problems.append(f"the record says {record.status}, {record.cause}")


class GreedyUnderLimit(_Greed):
    """The system refuses memory to who has too much."""

    name = "a task takes more memory than its process may (ulimit -v)"
    promise = "a MemoryError in the task, which is its record's error; the worker stays"

    def apply(self, session: Session) -> None:
        """Do it."""
        script = 'ulimit -v "$0" && exec "$@"'
        record = self._try(session, ["sh", "-c", script, str(_LIMIT_OF_ADDRESSES >> 10)])
        if record.status != "error" or not (record.error or "").startswith("MemoryError"):
            self._problems.append(f"the record says {record.status}, {record.error}")
