"""What a dispatcher or a worker tells whoever reads its log: a line on standard error.

The logging module would be one more to import at each start, and nobody configures it there.
"""

from __future__ import annotations

import contextlib
import sys

_MOST = 1000  # characters


def warn(text: str) -> None:
    """Write a line. It is lost when nobody can read it any more."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"crew: {on_one_line(text)}\n")
        sys.stderr.flush()


def on_one_line(text: str) -> str:
    """A text in which a stranger's words can neither forge lines nor give orders to a terminal."""
    if text.isprintable():
        return text[:_MOST]
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:_MOST])
    return "".join(shown)[:_MOST]
