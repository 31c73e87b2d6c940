"""How a Grid Engine testbed is to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SgeOptions:
    """What can be chosen.

    Attributes:
        slots: of the queue all.q, whatever the machine has; short.q has 4, for five minutes each.
        array_limit: max_aj_tasks: how many elements an array may have.
        together_max: max_aj_instances: how many of an array may run together.
    """

    slots: int = 16
    array_limit: int = 75000
    together_max: int = 2000
