"""A wrong clock: the date that one process sees jumps, and jumps back."""

from __future__ import annotations

import signal
import time

from chaos import clock
from chaos.faults.base import Fault
from chaos.session import NobodyError, Session, signal_all

_DAY = 86_400


class _WrongClock(Fault):
    promise = (
        "nothing but the times in records is wrong; over a network, a jump by days keeps out "
        "workers that come meanwhile"
    )
    seconds = (2.0, 3.0)
    who = ""

    @classmethod
    def lacks(cls) -> str | None:
        """The library that shows a process another time."""
        return None if clock.library() else "libfaketime"

    def apply(self, session: Session) -> None:
        """Let it jump by days or hours, to either side."""
        jump = session.dice.choice((-1, 1)) * session.dice.choice((3_600, _DAY, 40 * _DAY))
        session.clocks[self.who].set_wrong(jump)

    def heal(self, session: Session) -> list[str]:
        """Let it jump back."""
        session.clocks[self.who].set_right()
        return []


class ClientsClock(_WrongClock):
    """The user's process."""

    name = "the clock of the user's process jumps"
    who = "client"


class DispatchersClock(_WrongClock):
    """The dispatcher."""

    name = "the dispatcher's clock jumps"
    who = "dispatcher"


class WorkersClock(_WrongClock):
    """A worker that was started with such a clock."""

    name = "a worker's clock jumps"
    who = "worker"

    def apply(self, session: Session) -> None:
        """Have a worker started with this clock, and let it jump."""
        victim = session.one("supervisor")
        variables = session.clocks["worker"].environment()
        session.set_prefix("env", *(f"{key}={value}" for key, value in variables.items()))
        session.struck.instances.add(victim.instance)
        signal_all([victim.process], signal.SIGKILL)
        known = {member.instance for member in session.members("supervisor")}
        deadline = time.monotonic() + 60
        while {member.instance for member in session.members("supervisor")} <= known:
            if time.monotonic() > deadline or session.over:
                session.set_prefix()
                raise NobodyError("no new worker")
            time.sleep(0.1)
        session.set_prefix()
        # By no more than an hour: more would end its connection over a network, as it should.
        session.clocks[self.who].set_wrong(session.dice.choice((-3_600, 3_600)))
