"""The stand-in for PBS, as tests see and trouble it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scenarios.folders import names_of
from scenarios.site import Site
from testbeds.pbs import PbsBed


class Shown(NamedTuple):
    """A job in PBS's table."""

    job: str
    name: str
    state: str


def shown(bed: PbsBed) -> list[Shown]:
    """Jobs and elements of arrays that wait or run."""
    found = []
    for line in bed.ask("qstat", "-t").splitlines():
        words = line.split()
        if len(words) == 6 and words[0][:1].isdigit() and "[]" not in words[0]:
            found.append(Shown(words[0], words[1], words[4]))
    return [one for one in found if one.state not in ("F", "X")]


def attributes_of(bed: PbsBed, job: str) -> dict[str, str]:
    """What PBS tells of a job."""
    lines = bed.ask("qstat", "-x", "-f", "-w", job).splitlines()
    pairs = [line.strip().partition(" = ") for line in lines]
    return {name: value for name, separator, value in pairs if separator}


class PbsSite(Site):
    """The shared bed, as scenarios trouble it."""

    launcher = "pbs"
    _bed: PbsBed

    def __init__(self, bed: PbsBed, directory: Path) -> None:
        super().__init__(bed)
        self._directory = directory

    def unfinished(self, controller: str) -> list[str]:
        names = names_of(controller, self._directory)
        return [one.job for one in shown(self._bed) if one.name in names]

    def cancel(self, job: str) -> None:
        self._bed.ask("qdel", job)
