"""Lets what AWS refuses reach people as crew's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crew_aws_batch._aws.errors import AwsError, Trouble
from crew_core.plugins import ConfigError, CrewError


@contextmanager
def aloud() -> Iterator[None]:
    """Raise ConfigError for what AWS finds wrong with a request, CrewError for all else of it."""
    try:
        yield
    except AwsError as error:
        kind = ConfigError if error.trouble is Trouble.REFUSED else CrewError
        raise kind(str(error)) from error
