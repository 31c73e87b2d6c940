"""Amounts of processors and memory, as AWS Batch wants them. Pure."""

from __future__ import annotations

GIGABYTES, MEBIBYTES = "gigabytes", "mebibytes"

UNITS = (GIGABYTES, MEBIBYTES)
"""The units of memory: 10**9 bytes, and 2**20 bytes, in which AWS counts."""


def mebibytes(amount: float, units: str) -> int:
    """Memory in AWS's unit, rounded to the nearest: 1 gigabyte is 954."""
    return round(amount * 10**9 / 2**20) if units == GIGABYTES else round(amount)


def requirements(
    cpus: float | None = None,
    gpus: int | None = None,
    memory: float | None = None,
    memory_units: str = GIGABYTES,
) -> list[dict[str, str]]:
    """``resourceRequirements`` for what is given. No graphics processors, 0, are not asked for."""
    found = []
    if memory is not None:
        found.append({"type": "MEMORY", "value": str(mebibytes(memory, memory_units))})
    if cpus is not None:
        found.append({"type": "VCPU", "value": f"{cpus:g}"})
    if gpus:
        found.append({"type": "GPU", "value": str(gpus)})
    return found
