"""A place of its own for a session: small disks and a network that vanish when it is left.

They are in namespaces that a holder keeps alive: a process that ends when we do, however we end.
Nothing of them is on the machine's own list of mounts, interfaces or addresses. That needs root;
without it a room is a folder.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NEAR, FAR = "10.77.0.1", "10.77.0.2"

_DISKS = {"disk": 48 << 20, "spill": 16 << 20}  # bytes
_TOOLS = ("unshare", "nsenter", "mount", "mkfs.ext4", "fsfreeze", "ip")

_NEAR_SIDE = """
set -e
cd "$1"
ip link set lo up
mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm
for disk in disk spill; do
    mount -o loop $disk.img $disk
    chmod 700 $disk
done
mkdir -m 700 disk/logs
echo ready
exec cat
"""

_FAR_SIDE = """
set -e
ip link set lo up
echo ready
exec cat
"""


class Room:
    """Folders of one session, and what can be done to their disks and the network.

    Args:
        folder: an empty folder with a short path.
        apart: True for namespaces; False for a mere folder.
        network: True for another namespace beside it, with addresses at both ends.
    """

    def __init__(self, folder: Path, *, apart: bool, network: bool = False) -> None:
        self.folder = folder
        self._near: subprocess.Popen[bytes] | None = None
        self._far: subprocess.Popen[bytes] | None = None
        for name in ("run", "state", "config", "spill", "disk"):
            (folder / name).mkdir(mode=0o700)
        try:
            if apart:
                self._make_disks()
                self._near = _hold("--mount", "--net", script=_NEAR_SIDE, folder=folder)
            else:
                (folder / "disk" / "logs").mkdir(mode=0o700)
            if network:
                self._make_network()
        except BaseException:
            self.close()
            raise

    @staticmethod
    @functools.lru_cache(None)
    def lacks() -> str | None:
        """What is missing for namespaces; None when nothing is."""
        if sys.platform != "linux":
            return "Linux"
        if os.geteuid() != 0:
            return "root"
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            return f"the programs {', '.join(missing)}"
        try:  # a container may forbid any step of it
            with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder:
                Room(Path(folder), apart=True, network=True).close()
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            return f"namespaces, with disks and a network of their own ({error})"
        return None

    @property
    def is_apart(self) -> bool:
        """True when it has namespaces."""
        return self._near is not None

    @property
    def has_network(self) -> bool:
        """True when it has another namespace beside it."""
        return self._far is not None

    def enter(self) -> list[str]:
        """The prefix of a command that is to run in it."""
        if self._near is None:
            return []
        return ["nsenter", f"--target={self._near.pid}", "--mount", "--net"]

    def enter_far_side(self) -> list[str]:
        """The prefix, for who is in the room already, of a command at the network's other end."""
        return [] if self._far is None else ["nsenter", f"--net=/proc/{self._far.pid}/ns/net"]

    def path(self, inside: Path | str) -> Path:
        """Where we find what is at this path in the room."""
        if self._near is None:
            return Path(inside)
        return Path(f"/proc/{self._near.pid}/root", *Path(inside).parts[1:])

    def run(self, *command: str) -> None:
        """Run a command in it.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        subprocess.run([*self.enter(), *command], check=True, stdin=subprocess.DEVNULL)

    def environment(self) -> dict[str, str]:
        """The variables by which a session keeps its files in it."""
        return {
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "TMPDIR": str(self.folder / "spill"),
        }

    # ── Disks ──────────────────────────────────────────────────────────────────────────────────

    def fill(self, inside: Path | str) -> Path:
        """Fill the disk that a folder is on; the file to remove for it to have room again."""
        filler = self.path(inside) / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        return filler

    def stall(self, inside: Path | str, *, times: int, seconds: float) -> subprocess.Popen[bytes]:
        """Let all writes to a disk wait for a while, again and again.

        By a process of its own, so that the disk goes on even if we do not.
        """
        script = (
            'n=0; while [ $n -lt "$2" ]; do n=$((n+1)); '
            'fsfreeze --freeze "$1"; sleep "$3"; fsfreeze --unfreeze "$1"; sleep 0.1; done'
        )
        command = ["sh", "-c", script, "sh", str(inside), str(times), str(seconds)]
        return subprocess.Popen(
            [*self.enter(), *command], stdin=subprocess.DEVNULL, start_new_session=True
        )

    # ── The network ────────────────────────────────────────────────────────────────────────────

    def cut(self) -> None:
        """Break the network: what is sent is lost, and nobody is told."""
        self.run("ip", "link", "set", "near", "down")

    def heal(self) -> None:
        """Mend it."""
        self.run("ip", "link", "set", "near", "up")

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Leave it: namespaces, mounts and interfaces go with the last process in them."""
        for holder in (self._far, self._near):
            if holder is not None:
                assert holder.stdin is not None
                assert holder.stdout is not None
                holder.stdin.close()
                holder.stdout.close()
                holder.wait()
        self._near = self._far = None

    def _make_disks(self) -> None:
        for name, size in _DISKS.items():
            image = self.folder / f"{name}.img"
            with image.open("wb") as file:
                file.truncate(size)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)

    def _make_network(self) -> None:
        self._far = _hold("--net", script=_FAR_SIDE, folder=self.folder)
        far = str(self._far.pid)
        pair = ("type", "veth", "peer", "name", "far", "netns", far)
        self.run("ip", "link", "add", "near", *pair)
        self.run("ip", "address", "add", f"{NEAR}/24", "dev", "near")
        self.run("ip", "link", "set", "near", "up")
        beyond = self.enter_far_side()
        self.run(*beyond, "ip", "address", "add", f"{FAR}/24", "dev", "far")
        self.run(*beyond, "ip", "link", "set", "far", "up")


def _hold(*namespaces: str, script: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that keeps namespaces alive until its standard input ends."""
    command: Sequence[str] = ["unshare", *namespaces, "sh", "-c", script, "sh", str(folder)]
    holder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert holder.stdout is not None
    if holder.stdout.readline() != b"ready\n":
        holder.kill()
        holder.wait()
        raise RuntimeError("they cannot be made: see the lines above")
    return holder
