"""``crew_aws_batch.doctor``: the examination with options as users write them."""

from __future__ import annotations

import re
from typing import Any

from crew_aws_batch._doctor.doctor import examine
from crew_aws_batch._doctor.network import ANY_PORT
from crew_aws_batch._launcher.options import AwsBatchOptions
from crew_core.plugins import ConfigError, Finding

_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def doctor(
    *, host: str | None = None, port: int | str | None = None, **options: Any
) -> list[Finding]:
    """Look at all that workers on AWS Batch need, and say in plain words what is missing.

    Asks AWS, launches and changes nothing. Blocks for some seconds.

    Args:
        host: the address where workers would reach the controller.
        port: its port, or a range "50000-50100"; None: any.
        **options: the launcher's: ``job_queue``, ``job_definition``, ``region``, ``profile``, ...

    Returns:
        What was found, in the order of looking. Each finding has ``check``, ``grade``, ``words``
        and ``advice``, and prints as a line.

    Raises:
        ConfigError: for an impossible option.

    Example::

        >>> from crew_aws_batch import doctor
        >>> try:
        ...     doctor(job_queue="crew")
        ... except crew.ConfigError as error:
        ...     print(error)
        job_definition is missing: name the definition, as in job_definition="example"
    """
    return list(examine(AwsBatchOptions(**options), address=host, ports=_ports(port)))


def _ports(port: int | str | None) -> tuple[int, int]:
    if port is None:
        return ANY_PORT
    found = _PORTS.fullmatch(str(port))
    if found is None:
        raise ConfigError(f'port={port!r}: must be a port, or a range such as "50000-50100"')
    return int(found.group(1)), int(found.group(2) or found.group(1))
