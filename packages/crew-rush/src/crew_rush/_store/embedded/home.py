"""The folder of an embedded store: what is in it, and how others find the store by it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from crew_core.services import Pass
from crew_rush._model.errors import StoreError

SCHEME = "crew://"
"""What the address of an embedded store begins with; its folder follows."""


class Address(msgspec.Struct, frozen=True):
    """What is in the file that lets others in. Whoever can read it can use the store."""

    here: str
    """URL for processes of the computer that is named."""

    hostname: str
    pid: int
    abroad: str
    """URL for other computers; "" while the store does not listen for them."""

    secret: str
    identity: str

    def __repr__(self) -> str:
        return f"Address(here={self.here!r}, abroad={self.abroad!r})"

    def pass_here(self) -> Pass:
        return Pass(url=self.here, secret=self.secret)

    def pass_abroad(self) -> Pass:
        return Pass(url=self.abroad, secret=self.secret, identity=self.identity)

    def best_pass(self) -> Pass:
        """For this process, wherever it runs.

        Raises:
            StoreError: it runs on another computer, and the store does not listen for those.
        """
        if self.hostname == socket.gethostname():
            return self.pass_here()
        if not self.abroad:
            raise StoreError(
                f"the store is on {self.hostname} and lets in processes of that computer only: "
                "make it with EmbeddedStore(network=crew.NetworkOptions())"
            )
        return self.pass_abroad()


class Home:
    """The folder of one store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = path / "keys"
        self.address = path / "address"
        self.journal = path / "journal.sqlite"
        self.lock = path / "lock"
        self.log = path / "log"

    @property
    def url(self) -> str:
        return SCHEME + os.fspath(self.path)

    def read_address(self) -> Address:
        """How to reach the store.

        Raises:
            StoreError: no store is, or was, in this folder.
        """
        try:
            return msgspec.msgpack.decode(self.address.read_bytes(), type=Address)
        except OSError as error:
            raise StoreError(
                f"no store at {self.url}: cannot read {self.address}: {error.strerror}. Is its "
                "process running, and is the folder on a disk that this computer has?"
            ) from None
        except msgspec.MsgspecError:
            raise StoreError(f"{self.address} is not the address of a store") from None

    def write_address(self, address: Address) -> None:
        write_private(self.address, msgspec.msgpack.encode(address))


def write_private(path: Path, content: bytes) -> None:
    """Write a file whole, readable by its owner alone."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
