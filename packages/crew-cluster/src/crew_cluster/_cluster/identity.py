"""Who submits: schedulers that list jobs of everybody are asked for one user's."""

from __future__ import annotations

import os
import pwd


def user_name() -> str:
    """This user's name, or the number where the system knows no name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
