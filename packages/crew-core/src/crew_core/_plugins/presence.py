"""Whether any plugin may be installed, found out in a fraction of the time that finding it takes.

Most who have crew-core alone never need pluggy and ``importlib.metadata``, whose imports would be a
good part of each start. In doubt the answer is yes, and the full search decides.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

GROUP = "crew"
"""The group of entry points that plugins are found by."""

DISABLE_VARIABLE = "CREW_DISABLE_PLUGINS"
"""Names of entry points or distributions to leave alone, separated by commas, or "all"."""

_SECTION = f"[{GROUP}]".encode()


def may_have_plugins() -> bool:
    """False when it is certain that no package declares a plugin of crew's that is wanted."""
    disabled = os.environ.get(DISABLE_VARIABLE, "").lower().split(",")
    if "all" in map(str.strip, disabled):
        return False
    # Others than Python's own may know packages that are in no directory.
    if any(hasattr(f, "find_distributions") and f is not PathFinder for f in sys.meta_path):
        return True
    return any(_declares_any(entry or ".") for entry in dict.fromkeys(sys.path))


def _declares_any(directory: str) -> bool:
    try:
        names = os.listdir(directory)
    except NotADirectoryError:
        return True  # an archive, which may hold packages as well
    except OSError:
        return False
    if directory.endswith(".egg"):
        return True
    return any(
        _names_the_group(os.path.join(directory, name, "entry_points.txt"))
        for name in names
        if name.lower().endswith((".dist-info", ".egg-info"))
    )


def _names_the_group(file: str) -> bool:
    try:
        with open(file, "rb") as text:
            return _SECTION in text.read()
    except OSError:
        return False
