"""What the rules of security groups let through. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import Any

Rules = Sequence[Mapping[str, Any]]
"""``IpPermissions`` or ``IpPermissionsEgress`` of a security group."""

_ALL = "-1"
_TCP = ("tcp", "6")


def ports_let_through(
    rules: Rules, ports: tuple[int, int], groups: Collection[str], address: str | None
) -> bool:
    """Whether a rule lets TCP on all of these ports through, to or from the other side.

    Args:
        rules: of one security group, of one direction.
        ports: the first and the last port.
        groups: the security groups of the other side.
        address: the other side's address; None when it is not known.
    """
    return any(_has_ports(rule, ports) and _has_side(rule, groups, address) for rule in rules)


def _has_ports(rule: Mapping[str, Any], ports: tuple[int, int]) -> bool:
    protocol = str(rule.get("IpProtocol"))
    if protocol == _ALL:
        return True
    if protocol not in _TCP:
        return False
    first, last = rule.get("FromPort", 0), rule.get("ToPort", 65535)
    return bool(first <= ports[0] and ports[1] <= last)


def _has_side(rule: Mapping[str, Any], groups: Collection[str], address: str | None) -> bool:
    named = {pair.get("GroupId") for pair in rule.get("UserIdGroupPairs") or ()}
    if named & set(groups):
        return True
    blocks = [one["CidrIp"] for one in rule.get("IpRanges") or ()]
    blocks += [one["CidrIpv6"] for one in rule.get("Ipv6Ranges") or ()]
    if address is None:
        return any(ipaddress.ip_network(block, strict=False).prefixlen == 0 for block in blocks)
    there = ipaddress.ip_address(address)
    networks = (ipaddress.ip_network(block, strict=False) for block in blocks)
    return any(there.version == one.version and there in one for one in networks)
