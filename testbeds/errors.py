"""What goes wrong with a testbed."""

from __future__ import annotations


class BedError(Exception):
    """A testbed did not do what it was asked."""


class UnavailableError(BedError):
    """It cannot run on this machine; the message says what is missing."""
