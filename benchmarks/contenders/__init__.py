"""One adapter for each contender, all with the interface of `base.Adapter`."""

from __future__ import annotations

import importlib

from benchmarks.contenders.base import Adapter

__all__ = ["Adapter", "adapter"]


def adapter(name: str) -> Adapter:
    """Make the adapter of a contender; imports what only its own environment has."""
    found: Adapter = importlib.import_module(f"{__name__}.{name}").ADAPTER()
    return found
