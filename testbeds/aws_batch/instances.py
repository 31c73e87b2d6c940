"""What EC2 says of spot instances that were taken back: moto's never are."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qs

_ANSWER = (
    '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
    "<requestId>0</requestId><reservationSet>{items}</reservationSet></DescribeInstancesResponse>"
)
_ITEM = (
    "<item><instancesSet><item><instanceId>{name}</instanceId>"
    "<instanceState><code>48</code><name>terminated</name></instanceState>"
    "<instanceLifecycle>spot</instanceLifecycle>"
    "<stateReason><code>Server.SpotInstanceTermination</code>"
    "<message>Server.SpotInstanceTermination: Spot instance termination</message></stateReason>"
    "</item></instancesSet></item>"
)


def asked_for(body: bytes, reclaimed: Collection[str]) -> list[str]:
    """Those of these instances that a DescribeInstances asks about by name."""
    named = {value for values in parse_qs(body.decode()).values() for value in values}
    return sorted(named & set(reclaimed))


def described(names: Collection[str]) -> bytes:
    """What EC2 answers about them."""
    return _ANSWER.format(items="".join(_ITEM.format(name=name) for name in names)).encode()
