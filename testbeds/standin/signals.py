"""Signals by name."""

from __future__ import annotations

import signal


def signal_number(name: str) -> int:
    """The number of a signal: ``9``, ``KILL`` or ``SIGKILL``."""
    if name.isdigit():
        return int(name)
    return int(signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"])
