"""When to look whether a worker has been silent, or away, for too long. Pure.

A worker is looked at when its time would be up, and not before: most have been heard meanwhile, and
are to be looked at later. So the cost is that of what is due, however many workers there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from crew_core._dispatcher.instances import Instance


class Silence:
    """Watches all workers that are online.

    Args:
        seconds_heartbeat: a worker that was silent for so long is lost.
        seconds_reconnect: one whose connection broke so long ago is, too.
    """

    def __init__(self, seconds_heartbeat: float, seconds_reconnect: float) -> None:
        self._seconds_heartbeat = seconds_heartbeat
        self._seconds_reconnect = seconds_reconnect
        # Times are up at about the same time for many: one look is enough for them.
        self._pause = min(max(seconds_heartbeat / 10, 0.1), 5.0)
        self._looked_at = 0.0
        self._looks: list[tuple[float, str]] = []  # a heap

    def watch(self, instance: Instance) -> None:
        """Begin to watch a worker, or do so anew as its connection broke or came back."""
        at = self._lost_at(instance)
        if at < instance.look_at:
            instance.look_at = at
            heapq.heappush(self._looks, (at, instance.id))

    def lost(self, find: Callable[[str], Instance | None], now: float) -> list[Instance]:
        """Workers whose time is up, each told of once.

        Args:
            find: gives a worker by its id.
            now: the time.
        """
        lost = []
        while self._looks and self._looks[0][0] <= now:
            self._looked_at = now
            at, instance_id = heapq.heappop(self._looks)
            instance = find(instance_id)
            if instance is None or instance.state.final or instance.look_at != at:
                continue
            instance.look_at = float("inf")
            if now < self._lost_at(instance):
                self.watch(instance)
            else:
                lost.append(instance)
        return lost

    def next_time(self) -> float:
        """When ``lost`` should be asked at the latest."""
        if not self._looks:
            return float("inf")
        return max(self._looks[0][0], self._looked_at + self._pause)

    def _lost_at(self, instance: Instance) -> float:
        silent = instance.last_heard + self._seconds_heartbeat
        if instance.cut_off_at is None:
            return silent
        return min(silent, instance.cut_off_at + self._seconds_reconnect)
