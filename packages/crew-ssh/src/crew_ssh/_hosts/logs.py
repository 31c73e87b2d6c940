"""Keeps copies of workers' logs on this computer, where people and crew look for them."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

log = logging.getLogger("crew")

_LOG = "log"

Known = Mapping[str, tuple[str, dict[str, int]]]
"""By worker: the path here, and how much of each file there has been fetched."""


def keep_pieces(pieces: Iterable[Mapping[str, Any]], known: Known) -> None:
    """Write what came; a file that has become another one is written anew."""
    for piece in pieces:
        path, sizes = known[piece["name"]]
        data = base64.b64decode(piece["data"])
        try:
            _write(path + piece["file"][len(_LOG) :], piece["at"], data)
        except OSError as error:
            log.debug("cannot keep a worker's log in %s: %s", path, error.strerror)
        sizes[piece["file"]] = piece["at"] + len(data)


def _write(path: str, at: int, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | (0 if at else os.O_TRUNC)
    descriptor = os.open(path, flags, 0o600)
    with open(descriptor, "wb") as file:
        file.seek(at)
        file.write(data)
