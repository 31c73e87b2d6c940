"""A dockerd of the bed's own: its socket, store, network and image touch nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from testbeds import software
from testbeds.aws_batch.engine import Engine, EngineError
from testbeds.errors import BedError
from testbeds.hosts import Hosts
from testbeds.processes import Processes

PACKAGES = ("docker.io", "iptables", "iproute2")
IMAGE = "localhost/crew-worker:bed"

_FOLDERS = ("usr", "etc", "tmp", "proc", "sys", "dev", "root", "run", "var/tmp")
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64")
_FILES = ("passwd", "group", "nsswitch.conf", "ld.so.cache")
_SEARCH = (
    "import json, os, sys; "
    "print(json.dumps([sys.prefix, sys.base_prefix, *map(os.path.abspath, sys.path)]))"
)


def lacks() -> str | None:
    """What is missing for containers; None when nothing is."""
    if sys.platform != "linux":
        return "Linux"
    if os.geteuid() != 0:
        return "root, for a container engine"
    return software.lacks(PACKAGES)


class Containers:
    """The engine of a bed.

    Args:
        processes: of the bed.
        network: the first three numbers of its bridge's addresses; None: no bridge.
    """

    def __init__(self, processes: Processes, network: str | None) -> None:
        self._processes = processes
        self._place = processes.place
        self._network = network
        self.socket = self._place / "docker.sock"
        self.engine = Engine(self.socket)

    def start(self) -> None:
        """Bring it up, with an image."""
        token = self._place.name[-6:]
        bridge = f"crew-{token}"
        groups = f"crew-{token}"
        self._undo_afterwards(groups)
        if self._network is not None:
            self._processes.afterwards("ip", "link", "delete", bridge)
            _run("ip", "link", "add", bridge, "type", "bridge")
            _run("ip", "address", "add", f"{self._network}.1/24", "dev", bridge)
            _run("ip", "link", "set", bridge, "up")
        self._processes.start(
            "dockerd",
            [
                *["dockerd", f"--host=unix://{self.socket}", f"--pidfile={self._place}/docker.pid"],
                *[f"--data-root={self._place}/docker", f"--exec-root={self._place}/exec"],
                f"--bridge={bridge if self._network is not None else 'none'}",
                # Nothing of the machine's own firewall and routes changes.
                *["--iptables=false", "--ip6tables=false", "--ip-forward=false"],
                *["--ip-masq=false", "--userland-proxy=false", "--shutdown-timeout=2"],
                f"--cgroup-parent=/{groups}",
            ],
        )
        self._processes.wait_for("dockerd answers", self.engine.answers, seconds=60)
        self.engine.load(IMAGE, root_file_system())

    def clear(self) -> None:
        """Remove all containers, so that nothing of them stays mounted."""
        if self.engine.answers():
            self._processes.wait_for("all containers are removed", self._cleared, seconds=60)

    def _cleared(self) -> bool:
        """Remove what is there; True when nothing was."""
        found = self.engine.containers()
        for container in found:
            with contextlib.suppress(EngineError):  # a job that has just ended removes its own
                self.engine.remove(container)
        return not found

    def _undo_afterwards(self, groups: str) -> None:
        unmount = 'grep -o "$0/[^ ]*" /proc/self/mounts | sort -r | xargs -r -n 1 umount --lazy'
        self._processes.afterwards("sh", "-c", unmount, str(self._place))
        remove = 'find /sys/fs/cgroup -depth -type d -path "*/$0*" -delete'
        self._processes.afterwards("sh", "-c", remove, groups)


def choose_network() -> str:
    """The first three numbers of a network that this machine does not use."""
    return Hosts.choose_network()


def root_file_system() -> bytes:
    """The image: empty folders, in which each container sees this machine's programs."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for folder in _FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if "tmp" in folder else 0o755
            tar.addfile(entry)
        for link in _LINKS:
            if Path("/", link).is_symlink():
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(f"/{link}")
                tar.addfile(entry)
        for name in _FILES:
            if Path("/etc", name).exists():
                tar.add(f"/etc/{name}", f"etc/{name}")
    return made.getvalue()


def binds(*more: Path) -> list[str]:
    """Folders that containers must see: this Python's, and all that it imports from."""
    told = subprocess.run(
        [sys.executable, "-c", _SEARCH], cwd="/", capture_output=True, text=True, check=True
    )
    wanted = ["/usr", *json.loads(told.stdout), *map(str, more)]
    # A link is a folder of its own, and where it leads another.
    wanted += [os.path.realpath(folder) for folder in wanted]
    return _outermost(folder for folder in wanted if Path(folder).is_dir() and folder != "/")


def _outermost(folders: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for folder in sorted(set(folders), key=len):
        if not any(Path(folder).is_relative_to(outer) for outer in kept):
            kept.append(folder)
    return kept


def _run(*command: str) -> None:
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    answer = subprocess.run(
        [program or command[0], *command[1:]], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise BedError(f"{' '.join(command)} failed: {answer.stderr.strip()}")
