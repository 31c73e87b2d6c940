"""Brings an archive to a host, and has a virtual environment made of it there."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from crew_ssh._bootstrap.archive import Archive

_PIECE_BYTES = 512 * 1024
_PIECE_SECONDS = 120.0
_INSTALL_SECONDS = 300.0

Asks = Callable[..., Any]
"""Has the agent of a host do something: what, how long it may take, and details by name."""


def deliver(archive: Archive, ask: Asks, python: str) -> str:
    """The interpreter of an environment with these packages; made unless it is there.

    Args:
        archive: what is needed.
        ask: asks the host.
        python: the interpreter that the environment is to be made with.

    Raises:
        SshError: the host did not do it.
    """
    there: str | None = ask("environment", _INSTALL_SECONDS, key=archive.key, python=python)
    if there is not None:
        return there
    for at in range(0, len(archive.data), _PIECE_BYTES):
        piece = archive.data[at : at + _PIECE_BYTES]
        text = base64.b64encode(piece).decode("ascii")
        ask("take", _PIECE_SECONDS, key=archive.key, at=at, data=text)
    return str(ask("install", _INSTALL_SECONDS, key=archive.key, python=python))
