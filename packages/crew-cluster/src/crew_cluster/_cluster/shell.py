"""Asks a shell whether lines of a user's are complete, before a job with them waits for hours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from crew_cluster._cluster.commands import Runner
from crew_core.plugins import ConfigError

_SECONDS = 10.0


def check_shell(option: str, lines: Sequence[str]) -> None:
    """Refuse lines that bash cannot read to their end, such as an open quote; nothing is run.

    Raises:
        ConfigError: with the shell's words.
    """
    bash = shutil.which("bash") if lines else None
    if bash is None:
        return
    text = "\n".join(lines) + "\n"
    checked = Runner({}, _SECONDS)([bash, "-n"], stdin=text.encode(errors="surrogateescape"))
    if checked.returncode or checked.stderr:  # of an open here-document it only warns
        said = checked.stderr.strip().replace("bash: ", "")
        raise ConfigError(f"{option}={list(lines)!r}: must be whole shell commands; {said}")
