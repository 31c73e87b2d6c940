"""What a dispatcher or a worker tells whoever reads its log: a line on standard error.

The logging module would be one more to import at each start, and nobody configures it there.
"""

from __future__ import annotations

import contextlib
import sys


def warn(text: str) -> None:
    """Write a line. It is lost when nobody can read it any more."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"crew: {text}\n")
        sys.stderr.flush()
