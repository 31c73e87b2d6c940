"""Whose process a controller belongs to: forked children keep off, and exit ends what runs."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING

from crew_core._model.errors import CrewError

if TYPE_CHECKING:
    from crew_core._controller.session_holder import SessionHolder

_here = os.getpid()  # to ask at each push would cost as much as the rest of some of them

# Strong references: a controller whose user dropped it goes on for the sake of its tasks' handles.
_running: set[SessionHolder] = set()


class Owner:
    """The process that started something, and that alone may use it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._pid: int | None = None

    def claim(self) -> None:
        """It is started here."""
        self._pid = _here

    def release(self) -> None:
        """It is over, and anybody may start it."""
        self._pid = None

    def is_elsewhere(self) -> bool:
        """True in a forked child of the process that started it."""
        return self._pid is not None and self._pid != _here

    def check(self) -> None:
        """Raise CrewError in a forked child."""
        if self.is_elsewhere():
            raise self.refusal()

    def refusal(self) -> CrewError:
        """What a forked child is told."""
        return CrewError(
            f"{self._what} belongs to process {self._pid} and cannot be used in its forked "
            f"child {_here}: make a new controller there"
        )


def remember(controller: SessionHolder) -> None:
    """This controller runs now."""
    _running.add(controller)


def forget(controller: SessionHolder) -> None:
    """This controller is over."""
    _running.discard(controller)


def _abandon_in_child() -> None:
    global _here  # noqa: PLW0603  (there is one process)
    _here = os.getpid()
    # The child must let go of the sockets, or the dispatcher would outlive its client with it.
    for controller in list(_running):
        controller._abandon()
    _running.clear()


def _terminate_at_exit() -> None:
    for controller in list(_running):
        controller.terminate()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_in_child)
atexit.register(_terminate_at_exit)
