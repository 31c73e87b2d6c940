"""The names of jobs, by which our left-overs are found and submissions are looked for."""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "crew-"
"""What the names of all our jobs begin with."""

NARROW = 15
"""The most characters of a job's name where a platform is narrow."""


class Named(NamedTuple):
    """What a job's name tells; None where it does not."""

    controller: str | None
    instance: str | None


def narrow(name: str) -> str:
    """The name for a platform that takes 15 characters: the prefix and ten of the instance's id."""
    return PREFIX + name.rpartition("-")[2][: NARROW - len(PREFIX)]


def is_ours(name: str) -> bool:
    """True for the name of a job that crew has launched, which is also the name of its folder."""
    return name.startswith(PREFIX) and "/" not in name


def parse(name: str) -> Named:
    """The controller and the instance of a job's name; controllers' names may have hyphens."""
    if not is_ours(name):
        return Named(None, None)
    controller, hyphen, instance = name.removeprefix(PREFIX).rpartition("-")
    return Named(controller, instance) if hyphen else Named(None, instance or None)
