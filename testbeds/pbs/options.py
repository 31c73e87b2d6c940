"""How a stand-in for PBS is to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PbsOptions:
    """What can be chosen.

    Attributes:
        server: the name in the ids of jobs; this machine's when empty.
        nodes: how many; one bears the server's name, more are called n1, n2 and so on.
        cpus: of each node, whatever the machine has.
        array_limit: max_array_size.
        history: job_history_enable: finished jobs can be asked for.
        seconds_remembered: job_history_duration.
        enforce_memory: whether nodes end jobs over their memory. They do not by default.
        seconds_memory: how seldom they look at it.
        seconds_to_die: kill_delay, between the first signal to a job and the last.
        seconds_exiting: how long a job is exiting.
        seconds_undelivered: how long it is when its output cannot be delivered.
        seconds_requeue: node_fail_requeue.
        seconds_helper: how long the process stays that qsub leaves behind.
    """

    server: str = ""
    nodes: int = 1
    cpus: int = 16
    array_limit: int = 10000
    history: bool = True
    seconds_remembered: float = 1209600.0
    enforce_memory: bool = False
    seconds_memory: float = 10.0
    seconds_to_die: float = 10.0
    seconds_exiting: float = 1.1
    seconds_undelivered: float = 33.0
    seconds_requeue: float = 310.0
    seconds_helper: float = 60.0

    def node_names(self) -> list[str]:
        """The names of its nodes."""
        if self.nodes == 1:
            return [self.server]
        return [f"n{number}" for number in range(1, self.nodes + 1)]
