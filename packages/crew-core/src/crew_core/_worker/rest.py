"""How long a supervisor leaves its busy task process alone, so that one look finds many outcomes.

A look costs more than it seems: whoever is woken beside a busy task finds cold caches, and leaves
them to the task. With tasks of 5 ms, looks at each of them took a tenth of all time.
"""

from __future__ import annotations

import select
import selectors

REST_SECONDS = 0.05
"""The longest rest. It ends when the process is expected to be through with half of what it has."""

_WORTH_RESTING = 4  # tasks
_MEMORY = 0.9  # weight of what earlier looks have found
_BYTES = 1 << 18  # a quarter of what the task process can say before it has to wait for us


class Rest:
    """Learns from looks at the task process when the next is worth its while."""

    def __init__(self) -> None:
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """The task process was idle, and is given tasks."""
        self._looked_at = now
        self._seconds = self._tasks = 0.0

    def after(self, ended: int, heard: int, ahead: int, now: float) -> float:
        """How many seconds to rest now; 0.0 for not at all.

        Args:
            ended: tasks that ended since the last call.
            heard: bytes of what the process said of them.
            ahead: tasks that it still has.
            now: monotonic seconds.
        """
        if not ended:
            return 0.0
        self._seconds = self._seconds * _MEMORY + now - self._looked_at
        self._tasks = self._tasks * _MEMORY + ended
        self._looked_at = now
        each = self._seconds / self._tasks
        fits = _BYTES * ended / max(heard, 1)  # tasks
        # No longer than it was watched: the first tasks are often unlike those that follow.
        seconds = min(REST_SECONDS, self._seconds, each * min(ahead / 2, fits))
        return seconds if seconds > each * _WORTH_RESTING else 0.0


def wait_for_others(selector: selectors.BaseSelector, fd: int, seconds: float) -> set[int]:
    """Wait for anything that is registered but this descriptor; the descriptors that are ready."""
    poll = select.poll()
    for key in selector.get_map().values():
        if key.fd != fd:
            poll.register(key.fd, _polled(key.events))
    return {ready for ready, _ in poll.poll(max(0.0, seconds * 1000))}


def _polled(events: int) -> int:
    reads = select.POLLIN if events & selectors.EVENT_READ else 0
    return reads | (select.POLLOUT if events & selectors.EVENT_WRITE else 0)
