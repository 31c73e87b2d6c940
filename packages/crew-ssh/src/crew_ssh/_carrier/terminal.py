"""Asks the person at the terminal, where there is one."""

from __future__ import annotations

import contextlib
import os
import threading

_TERMINAL = "/dev/tty"

_asking = threading.Lock()


def ask(question: str, shows: bool) -> str | None:
    """The answer; None: there is nobody to ask.

    Args:
        question: what is asked.
        shows: the answer may be seen while it is typed.
    """
    import getpass

    with _asking:  # several hosts may want to know something
        if not _is_there():
            return None
        with contextlib.suppress(EOFError, OSError):
            if not shows:
                return getpass.getpass(question)
            with open(_TERMINAL, "r+", encoding="utf-8") as terminal:
                terminal.write(question)
                terminal.flush()
                return terminal.readline().rstrip("\n")
    return None


def _is_there() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
