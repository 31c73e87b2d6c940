"""Where tasks look for modules: the caller's ``sys.path``, on a machine that shares its disk."""

from __future__ import annotations

import os
import sys

_VARIABLE = "CREW_SYS_PATH"


def adopt_callers_path() -> bool:
    """Take the caller's search path over, if it was given, and hide that it was.

    PYTHONSAFEPATH kept the working directory from shadowing modules of ours while we started; a
    Python that a task starts must not inherit it.

    Returns:
        Whether it was given.
    """
    given = os.environ.pop(_VARIABLE, None)
    if given is not None:
        os.environ.pop("PYTHONSAFEPATH", None)
        sys.path[:] = [line.encode().decode("unicode_escape") for line in given.split("\n")[:-1]]
    return given is not None
