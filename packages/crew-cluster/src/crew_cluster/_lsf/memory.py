"""What LSF counts memory in: each site says so in its lsf.conf, and the numbers have no unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from crew_cluster._cluster.units import up

UNITS = ("KB", "MB", "GB", "TB", "PB", "EB")

_SETTING = re.compile(r"^\s*LSF_UNIT_FOR_LIMITS\s*=\s*[\"']?([KMGTPE])B?\b", re.MULTILINE | re.I)


def site_unit(variables: Mapping[str, str]) -> str:
    """What this site counts limits in.

    Args:
        variables: of this process; they say where lsf.conf is.
    """
    place = Path(variables.get("LSF_ENVDIR") or "/etc") / "lsf.conf"
    try:
        return unit_in(place.read_text(errors="replace"))
    except OSError:
        return "KB"


def unit_in(text: str) -> str:
    """The unit that an lsf.conf sets, or the default. The last setting counts."""
    found = _SETTING.findall(text)
    return f"{found[-1].upper()}B" if found else "KB"


def limit(gibibytes: float, unit: str) -> int:
    """A limit in whole units, rounded up."""
    return up(gibibytes * 2.0 ** (20 - 10 * UNITS.index(unit)))


def reserved(gibibytes: float, unit: str) -> int:
    """The same for what is set aside, which is counted in MB at least."""
    return limit(gibibytes, "MB" if unit == "KB" else unit)
