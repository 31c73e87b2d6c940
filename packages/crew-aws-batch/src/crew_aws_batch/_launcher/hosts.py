"""Asks EC2 why instances are gone: Batch uses one sentence for all reasons."""

from __future__ import annotations

from collections.abc import Iterable

from crew_aws_batch._aws.clients import Clients

_RECLAIMED = "Server.SpotInstance"
"""What the code of the reason begins with when AWS took an instance back."""


def were_reclaimed(clients: Clients, instances: Iterable[str]) -> set[str]:
    """Those of these instances that were spot instances, and that AWS took back.

    Raises:
        AwsError: EC2 did not answer; it forgets instances after an hour.
    """
    filters = [{"Name": "instance-id", "Values": sorted(set(instances))}]
    found = set()
    for reservation in clients.pages("ec2", "describe_instances", "Reservations", Filters=filters):
        for instance in reservation.get("Instances", ()):
            code = str((instance.get("StateReason") or {}).get("Code", ""))
            if instance.get("InstanceLifecycle") == "spot" and code.startswith(_RECLAIMED):
                found.add(str(instance["InstanceId"]))
    return found
