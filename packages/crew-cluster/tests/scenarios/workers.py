"""What jobs of tests need so that their workers find this repository's code."""

from __future__ import annotations

import os


def lines_for_workers() -> tuple[str, ...]:
    """Where tests run with a search path of their own, workers need it, too."""
    path = os.environ.get("PYTHONPATH")
    return (f"export PYTHONPATH='{path}'",) if path else ()
