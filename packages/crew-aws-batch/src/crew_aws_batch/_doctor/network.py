"""Looks at whether workers can reach the controller through security groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._doctor.findings import bad, doubtful, good, unseen
from crew_aws_batch._doctor.rules import ports_let_through
from crew_core.plugins import Finding

ANY_PORT = (1024, 65535)
"""Where a controller may listen that was given no port."""


def network(
    clients: Clients, workers: Sequence[str], address: str | None, ports: tuple[int, int]
) -> Iterator[Finding]:
    """Whether workers in these security groups can reach the controller.

    Args:
        clients: how to ask.
        workers: the security groups of the workers' machines.
        address: where the controller is reached; None when it is not known.
        ports: the first and last port that it may listen on.
    """
    if not workers:
        yield doubtful(
            "network",
            "the compute environment says no security groups",
            f"make sure that its machines reach {_there(address, ports)}",
        )
        return
    try:
        outward = _groups(clients, workers)
        here = [] if address is None else _groups_of_address(clients, address)
        inward = _groups(clients, here) if here else []
    except AwsError as error:
        yield unseen("network", error)
        return
    if not any(
        ports_let_through(group.get("IpPermissionsEgress") or (), ports, here, address)
        for group in outward
    ):
        yield bad(
            "network",
            f"the workers' security groups {', '.join(workers)} let nothing out to "
            f"{_there(address, ports)}",
            f"add an outbound rule for TCP {_range(ports)}",
        )
        return
    if not here:
        yield doubtful(
            "network",
            "this computer has no address in a VPC of this account"
            if address is not None
            else "the controller's address is not known",
            f"run the controller on a machine in the workers' VPC, or make sure that they reach "
            f"{_there(address, ports)} by a VPN or peering",
        )
        return
    if not any(
        ports_let_through(group.get("IpPermissions") or (), ports, workers, None)
        for group in inward
    ):
        yield bad(
            "network",
            f"this machine's security groups {', '.join(here)} let workers not in on TCP "
            f"{_range(ports)}",
            f"add an inbound rule for TCP {_range(ports)} from {' or '.join(workers)}"
            + ("; a fixed port= makes do with a single one" if ports == ANY_PORT else ""),
        )
        return
    yield good("network", f"security groups let workers reach {_there(address, ports)}")


def _groups(clients: Clients, names: Sequence[str]) -> list[dict[str, Any]]:
    answer = clients.call("ec2", "describe_security_groups", GroupIds=list(names))
    return list(answer.get("SecurityGroups", ()))


def _groups_of_address(clients: Clients, address: str) -> list[str]:
    """The security groups of the network interface with this address."""
    names = ["addresses.private-ip-address", "association.public-ip"]
    for name in names:
        filters = [{"Name": name, "Values": [address]}]
        answer = clients.call("ec2", "describe_network_interfaces", Filters=filters)
        for interface in answer.get("NetworkInterfaces", ()):
            return [str(group["GroupId"]) for group in interface.get("Groups", ())]
    return []


def _there(address: str | None, ports: tuple[int, int]) -> str:
    return f"{address or 'the controller'} on TCP {_range(ports)}"


def _range(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
