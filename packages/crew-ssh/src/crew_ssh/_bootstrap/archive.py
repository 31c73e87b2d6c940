"""Everything that a host needs, in one file with a name that says what is in it."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from dataclasses import dataclass, field

from crew_ssh._bootstrap.distributions import NEEDED, pieces_of
from crew_ssh._bootstrap.fitting import Machine

# A fixed time, so that the same content is the same archive.
_TIME = (2020, 1, 1, 0, 0, 0)
_LEVEL = 1  # it travels once, and somebody waits for it


@dataclass(frozen=True)
class Archive:
    """Packages for hosts of one kind.

    Attributes:
        key: names the content.
        data: a zip file of a directory of packages.
    """

    key: str
    data: bytes = field(repr=False)


class Archives:
    """Makes archives, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Machine, Archive] = {}

    def of(self, machine: Machine) -> Archive:
        """What such a host needs.

        Raises:
            SshError: it cannot be had.
        """
        with self._lock:
            if machine not in self._made:
                self._made[machine] = _make(machine)
            return self._made[machine]


def _make(machine: Machine) -> Archive:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name in NEEDED:
            for path, data in pieces_of(name, machine):
                entry = zipfile.ZipInfo(path, _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
    data = content.getvalue()
    return Archive(hashlib.sha256(data).hexdigest()[:16], data)
