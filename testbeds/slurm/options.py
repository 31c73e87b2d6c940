"""How a SLURM testbed is to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SlurmOptions:
    """What can be chosen.

    Attributes:
        nodes: called n1, n2 and so on.
        cpus: of each node, whatever the machine has.
        memory_mb: of each node, in MiB, whatever the machine has.
        apart: each node is a host of its own, with a network address, host name, processes and
            shared memory of its own; files are common. Needs root.
        array_limit: MaxArraySize: indices are below it.
        enforce: how jobs over their memory are ended: "poll" looks each second and kills them
            (FAILED, signal 9); "cgroup" has the kernel do it (OUT_OF_MEMORY; needs version 1 of
            cgroups and root); "no" lets them be.
        seconds_remembered: MinJobAge: how long finished jobs stay in the queue's memory.
        seconds_to_die: KillWait: between the first signal to a job and the last.
        accounting: "file" for what `sacct --completion` reads; "no" for none; "database" for
            `sacct` proper, by slurmdbd and mariadbd.
        submit_limit: MaxSubmitJobs: how many jobs a user may have in the queue, elements of arrays
            included; None for any number. Needs the database.
        pbs: give jobs PBS_* variables, for the commands of TORQUE.
    """

    nodes: int = 1
    cpus: int = 32
    memory_mb: int = 64000
    apart: bool = False
    array_limit: int = 1001
    enforce: str = "poll"
    seconds_remembered: int = 60
    seconds_to_die: int = 2
    accounting: str = "file"
    submit_limit: int | None = None
    pbs: bool = False

    def node_names(self) -> list[str]:
        """The names of its nodes."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]
