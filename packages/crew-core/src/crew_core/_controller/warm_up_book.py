"""The warm-ups of a controller's run: which are to be run, and how each went on which worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from crew_core._controller.references import Reference
from crew_core._model.record import Record
from crew_core._model.states import Status
from crew_core._wire import messages

log = logging.getLogger("crew")


class WarmUp(msgspec.Struct, kw_only=True, eq=False):
    """One command that every worker runs, and how it went so far."""

    id: int
    name: str
    command: str | None
    seed: int | None
    algorithm: str | None
    digest: bytes
    references: tuple[Reference[Any], ...] = ()  # what it uses that was put, while active
    pushed_at: float = msgspec.field(default_factory=time.time)
    active: bool = True
    given_up: str | None = None
    ended: dict[str, messages.FinishedTask] = {}  # the last by instance
    records: dict[str, Record] = {}  # made when somebody looks

    def instances_done(self) -> list[str]:
        """Workers that have run it. One that it has ended tries again."""
        ended = list(self.ended.items())
        return [instance for instance, ran in ended if ran.status != Status.CRASH]


class WarmUpBook:
    """All warm-ups of one run of a controller.

    Args:
        wake: lets those who wait look again.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._all: dict[int, WarmUp] = {}
        self._next_id = messages.WARM_UP_IDS

    def new_id(self) -> int:
        """An id that no task and no other warm-up has."""
        self._next_id += 1
        return self._next_id

    def add(self, warm_up: WarmUp) -> None:
        """Enter one that is about to be sent."""
        self._all[warm_up.id] = warm_up

    def end(self, warm_up: WarmUp) -> None:
        """It runs on no further worker."""
        warm_up.active = False
        warm_up.references = ()
        self._all.pop(warm_up.id, None)
        self._wake()

    def needs(self, digest: bytes) -> bool:
        """True while workers to come run this command."""
        return any(warm_up.digest == digest for warm_up in list(self._all.values()))

    # ── From the receiving thread ──────────────────────────────────────────────────────────────

    def note_ran(self, message: messages.WarmUpRan) -> None:
        """One ended on a worker."""
        ran = message.task
        warm_up = self._all.get(ran.id)
        if warm_up is None or ran.status == Status.CANCEL:
            return
        warm_up.records.pop(message.instance, None)
        warm_up.ended[message.instance] = ran
        if ran.status != Status.SUCCESS:
            word = Status(ran.status).word
            log.warning(
                "warm-up %r ended with status %s on worker %s: see the handle's errors",
                warm_up.name,
                word,
                message.instance,
            )
        self._wake()

    def note_given_up(self, message: messages.WarmUpGivenUp) -> None:
        """One has ended too many workers."""
        warm_up = self._all.get(message.id)
        if warm_up is not None:
            warm_up.given_up = message.reason
            log.warning("%s", message.reason)
            self.end(warm_up)
