"""How a testbed for AWS Batch is to be."""

from __future__ import annotations

from dataclasses import dataclass

JOBS = ("auto", "containers", "processes", "moto")
NETWORKS = ("host", "bridge")


@dataclass(frozen=True)
class AwsBatchOptions:
    """What can be chosen.

    Attributes:
        jobs: what a job is: "containers", of a dockerd that the bed brings up; "processes", each a
            session of its own with a folder and environment of its own; "moto" for jobs that moto
            itself runs in containers, without what our agent knows better; "auto" for containers
            where the machine can have them, else processes.
        network: of containers: the machine's own ("host"), or a bridge on which each has an address
            of its own ("bridge").
        queue_cpus: how many vCPUs the compute environment says that it can have.
    """

    jobs: str = "auto"
    network: str = "host"
    queue_cpus: int = 256
