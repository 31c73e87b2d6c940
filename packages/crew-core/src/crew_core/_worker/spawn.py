"""Starts a task process. It is the first thing that a worker does, so it needs nothing of crew's.

While the new process imports what it needs, the supervisor imports what it needs itself.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Spawned:
    """A new task process, and our ends of what connects us."""

    __slots__ = ("inbox", "lifeline", "outbox", "output", "permits", "permits_in", "pid")

    def __init__(
        self,
        pid: int,
        *,
        inbox: int,
        permits: int,
        permits_in: int,
        outbox: int,
        lifeline: int,
        output: int | None,
    ) -> None:
        self.pid = pid
        self.inbox = inbox
        self.permits = permits
        self.permits_in = permits_in
        self.outbox = outbox
        self.lifeline = lifeline
        self.output = output


def spawn(environment: Mapping[str, str], *, to_own_log: bool) -> Spawned:
    """Start one.

    Its descriptors never reach another process: only the child's four ends are inherited, and
    by the child alone.

    Args:
        environment: the environment variables of the new process.
        to_own_log: True to catch its output, False to let it have ours.

    Raises:
        OSError: it cannot be started.
    """
    inbox, inbox_in = os.pipe()
    permits, permits_in = os.pipe()
    outbox_out, outbox = os.pipe()
    lifeline, lifeline_in = os.pipe()
    output_out, output = os.pipe() if to_own_log else (None, None)
    theirs = (inbox, permits, outbox, lifeline)
    argv = [sys.executable, "-m", "crew_core._worker.task_process", *map(str, theirs)]
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    ]
    if output is not None:
        actions += [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    for fd in theirs:
        os.set_inheritable(fd, True)
    try:
        pid = os.posix_spawn(
            sys.executable,
            argv,
            environment,
            file_actions=actions,
            # Not a session of its own: many platforms know by the session what belongs to a job.
            setpgroup=0,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which Python ignores
        )
    finally:
        os.set_inheritable(permits, False)  # we keep it
        for fd in (inbox, outbox, lifeline, *([] if output is None else [output])):
            os.close(fd)
    return Spawned(
        pid,
        inbox=inbox_in,
        permits=permits,
        permits_in=permits_in,
        outbox=outbox_out,
        lifeline=lifeline_in,
        output=output_out,
    )
