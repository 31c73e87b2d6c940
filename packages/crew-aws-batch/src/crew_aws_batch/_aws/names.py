"""What jobs are called, and what their names tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

PREFIX = "crew-"
"""What the names of all our jobs begin with."""

_MOST = 128
_BAD = re.compile(r"[^A-Za-z0-9_-]")


class Named(NamedTuple):
    """What a job's name tells; None where it does not."""

    controller: str | None
    instance: str | None


def job_name(text: str) -> str:
    """A name that AWS Batch takes: letters, digits, hyphens and underscores, 128 at most."""
    clean = _BAD.sub("_", text)
    return (clean if clean[:1].isalnum() else f"x{clean}")[:_MOST]


def is_ours(name: str) -> bool:
    """True for the name of a job that crew has launched."""
    return name.startswith(PREFIX)


def parse(name: str) -> Named:
    """The controller and the first instance of a job's name."""
    if not is_ours(name):
        return Named(None, None)
    controller, hyphen, instance = name.removeprefix(PREFIX).rpartition("-")
    return Named(controller, instance) if hyphen else Named(None, instance or None)


def element(job_id: str, index: int | None) -> str:
    """AWS's name of a job, or of one in an array: "id", "id:4"."""
    return job_id if index is None else f"{job_id}:{index}"


def split(name: str) -> tuple[str, int | None]:
    """The reverse."""
    job_id, colon, index = name.partition(":")
    return (job_id, int(index)) if colon and index.isdigit() else (name, None)


def common_prefixes(names: Iterable[str]) -> set[str]:
    """By what all of these jobs are listed: "crew-CONTROLLER-" for each controller."""
    return {job_name(name).rpartition("-")[0] + "-" for name in names}
