"""Who this user is, as the tags of jobs say it."""

from __future__ import annotations

import getpass


def user() -> str:
    """The user's name on this computer; "unknown" where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return "unknown"
