"""How tasks ended: how many on which worker, and who crashed how often in a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from crew_core._model.states import BLAMELESS, Status
from crew_core._wire import messages


class Tally:
    """Counts for one book. Guarded by its lock.

    Attributes:
        crashes: in a row, by name, of those that have any.
    """

    def __init__(self) -> None:
        self.crashes: dict[str, int] = defaultdict(int)
        self._rows: dict[tuple[str | None, int], list[float]] = {}

    def note(self, names: Iterable[str], ended: messages.Finished) -> None:
        """Tasks of these names ended."""
        self._count(ended.statuses, ended.seconds, ended.instance)
        if not self.crashes and Status.CRASH not in ended.statuses:
            return
        for name, status, detail in zip(names, ended.statuses, ended.details, strict=True):
            if status == Status.CRASH:
                self.crashes[name] += messages.decode_detail(detail).cause not in BLAMELESS
            elif status == Status.SUCCESS:
                self.crashes.pop(name, None)

    def count(self, finished: messages.FinishedTask, instance: str | None) -> None:
        """A task ended; its crashes are known."""
        self._count([finished.status], [finished.seconds], instance)

    def rows(self) -> dict[tuple[str | None, str], list[float]]:
        """(tasks, seconds) by instance and status."""
        return {(who, Status(how).word): list(row) for (who, how), row in self._rows.items()}

    def _count(
        self, statuses: Sequence[int], seconds: Sequence[float | None], instance: str | None
    ) -> None:
        if len(statuses) == 1:  # somebody waits for each
            row = self._rows.setdefault((instance, statuses[0]), [0, 0.0])
            row[0] += 1
            row[1] += seconds[0] or 0.0
            return
        for status in set(statuses):
            row = self._rows.setdefault((instance, status), [0, 0.0])
            tasks = statuses.count(status)
            row[0] += tasks
            if tasks < len(statuses):
                alike = zip(statuses, seconds, strict=True)
                row[1] += sum(spent or 0.0 for s, spent in alike if s == status)
            else:
                row[1] += sum(filter(None, seconds))
