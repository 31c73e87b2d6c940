"""Examines everything that workers on AWS Batch need, before any is launched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._doctor import account, definitions, queues
from crew_aws_batch._doctor.network import ANY_PORT, network
from crew_core.plugins import Finding, Grade

if TYPE_CHECKING:
    from crew_aws_batch._launcher.options import AwsBatchOptions


def examine(
    options: AwsBatchOptions,
    *,
    address: str | None = None,
    ports: tuple[int, int] = ANY_PORT,
) -> Iterator[Finding]:
    """What is found, in the order of looking; it stops where nothing more can be seen.

    Asks AWS, launches and changes nothing.

    Args:
        options: the launcher's.
        address: where workers would reach the controller; None when it is not known.
        ports: the first and last port that it may listen on.
    """
    clients = Clients(options)
    arn, finding = account.identity(clients)
    yield finding
    if arn is None:
        return
    finding = account.region(clients)
    yield finding
    if finding.grade is Grade.BAD:
        return
    yield from account.permissions(clients, arn, options.secrets)
    environments: list[queues.Environment] = []
    for name in _each(options.job_queue):
        for found in queues.queue(clients, name):
            if isinstance(found, Finding):
                yield found
            else:
                environments += found
    cpus = [count for count in _numbers(options.cpus) if count is not None]
    if (crowded := queues.room(environments, max(cpus, default=None))) is not None:
        yield crowded
    for name in _each(options.job_definition):
        yield from _definition(clients, name, options.secrets, environments)
    if environments:
        groups = queues.security_groups(environments)
        yield from network(clients, groups, address, ports)


def _definition(
    clients: Clients, name: str, secrets: str, environments: list[queues.Environment]
) -> Iterator[Finding]:
    found, finding = definitions.definition(clients, name)
    yield finding
    if found is None:
        return
    container = found.get("containerProperties") or {}
    kinds = queues.platforms(environments) if environments else set()
    maybe = (
        definitions.platform(found, kinds),
        definitions.image(clients, found),
        account.job_role(clients, container.get("jobRoleArn"), secrets),
    )
    yield from (one for one in maybe if one is not None)
    yield from definitions.roles(found)
    yield definitions.output(clients, found)


def _each(option: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if option is None:
        return ()
    return (option,) if isinstance(option, str) else option


def _numbers(option: float | tuple[float, ...] | None) -> tuple[float | None, ...]:
    return option if isinstance(option, tuple) else (option,)
