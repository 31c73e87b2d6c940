"""Files that belong to whoever submitted a job."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def give(path: Path | str, uid: int, gid: int) -> None:
    """Let a file or folder belong to a user; devices such as /dev/null belong to nobody's job."""
    mode = os.stat(path).st_mode
    if os.geteuid() == 0 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        os.chown(path, uid, gid)
