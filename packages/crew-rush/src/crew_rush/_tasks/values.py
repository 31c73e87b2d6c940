"""Values of tasks to bytes and back; large ones go to a shared folder instead of the store."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crew_core import ConfigError, SerializationError
from crew_rush._model.errors import OversizedObjectError, RushError
from crew_rush._model.facts import TEXT
from crew_rush._model.names import token

LARGE_OBJECT_BYTES = 512 << 20
"""The most bytes that go into a store as one value, unless told otherwise: Redis takes no more."""

PICKLE = b"p"
"""What a field begins with that is by pickle."""

_FILE = b"f"


class Values:
    """To bytes and back.

    Args:
        large_object_bytes: the most bytes of one value in the store.
        large_objects_path: a folder for larger ones, which every worker and manager can reach by
            this path.

    Raises:
        ConfigError: the limit is none, or the folder is not there.
    """

    def __init__(
        self,
        large_object_bytes: int = LARGE_OBJECT_BYTES,
        large_objects_path: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(large_object_bytes, int) or large_object_bytes < 1:
            raise ConfigError(
                f"large_object_bytes={large_object_bytes!r}: must be a positive whole number"
            )
        self.large_object_bytes = large_object_bytes
        self.folder = None if large_objects_path is None else Path(large_objects_path).absolute()
        if self.folder is not None and not self.folder.is_dir():
            raise ConfigError(f"large_objects_path={str(self.folder)!r}: is not a folder")

    def encode(self, what: str, value: object) -> bytes:
        """A value as bytes.

        Args:
            what: it is, for errors.
            value: anything that pickle or cloudpickle can copy.

        Raises:
            SerializationError: neither can.
            OversizedObjectError: it is too large, and there is no folder for such.
        """
        return self.keep(what, PICKLE + dump(what, value))

    def keep(self, what: str, encoded: bytes) -> bytes:
        """What goes into the store: this, or where it is.

        Raises:
            OversizedObjectError: it is too large, and there is no folder for such.
        """
        if len(encoded) <= self.large_object_bytes:
            return encoded
        if self.folder is None:
            raise OversizedObjectError(
                f"{what} takes {len(encoded)} bytes; the store takes {self.large_object_bytes} "
                "(large_object_bytes). Set large_objects_path to a folder that all workers share"
            )
        path = self.folder / f"{token()}.pickle"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(encoded)
        fresh.replace(path)
        return _FILE + os.fsencode(path)

    def decode(self, encoded: bytes) -> Any:
        """The reverse.

        Raises:
            RushError: it is in a file that is not there.
        """
        kind, content = encoded[:1], encoded[1:]
        if kind == TEXT:
            return content.decode()
        if kind == _FILE:
            content = _read(os.fsdecode(content))[1:]
        return pickle.loads(content)

    def encode_fields(self, **fields: Mapping[str, Any] | None) -> dict[str, bytes]:
        """Those of a task that were given."""
        return {
            name: self.encode(f"{name}={_names(value)}", dict(value))
            for name, value in fields.items()
            if value is not None
        }


def dump(what: str, value: object) -> bytes:
    """By pickle, and by cloudpickle where that cannot.

    Raises:
        SerializationError: neither can.
    """
    try:
        encoded = pickle.dumps(value, protocol=5)
        if b"__main__" not in encoded:  # what it names there is nowhere else
            return encoded
    except Exception:  # noqa: BLE001 - whatever it is, cloudpickle may know how
        pass
    import cloudpickle  # type: ignore[import-untyped]

    try:
        return bytes(cloudpickle.dumps(value, protocol=5))
    except Exception as error:
        raise SerializationError(
            f"{what} cannot be copied to another process: {type(error).__name__}: {error}"
        ) from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RushError(
            f"a large object is in {path}, which cannot be read: {error.strerror}. Is "
            "large_objects_path on a disk that this computer has?"
        ) from None


def _names(value: Mapping[str, Any]) -> str:
    return "{" + ", ".join(map(repr, value)) + "}"
