"""Several hosts on one machine: Linux namespaces with addresses on a bridge.

Each has a network address, host name, process tree, shared memory and /run of its own. All other
files are common, like a cluster's home folders. Nothing in the machine's own /etc changes.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from testbeds import keeper
from testbeds.errors import BedError
from testbeds.processes import Processes

_TOOLS = ("ip", "unshare", "nsenter", "mount", "hostname")

_FIRST_ADDRESS = 11  # of the hosts; the machine itself has 1

_INIT = """
set -e
name=$1 address=$2 gateway=$3 folder=$4 hosts=$5 python=$6 keeper=$7
hostname "$name"
echo "$name" > "$folder/hostname"
mount --bind "$hosts" /etc/hosts
[ ! -e /etc/hostname ] || mount --bind "$folder/hostname" /etc/hostname
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ip link set lo up
tries=0
until ip link show eth0 > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 6000 ] || exit 1
    sleep 0.01
done
ip address add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
exec "$python" -I "$keeper" "$folder" --stays
"""


class Hosts:
    """The hosts of one testbed.

    Args:
        processes: of the bed; its keeper holds the hosts too.
        network: the first three numbers of their addresses.
        names: what they are called.
    """

    def __init__(self, processes: Processes, network: str, names: Sequence[str]) -> None:
        self._processes = processes
        self._place = processes.place
        self._names = list(names)
        self._token = self._place.name[-6:]
        self.network = network
        self.outside = f"{network}.1"

    @staticmethod
    def lacks() -> str | None:
        """What is missing for such hosts; None when nothing is."""
        if sys.platform != "linux":
            return "Linux"
        if os.geteuid() != 0:
            return "root, for network namespaces"
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        return f"the programs {', '.join(missing)}" if missing else None

    @staticmethod
    def choose_network() -> str:
        """The first three numbers of a network that this machine does not use."""
        used = _run("ip", "-o", "-4", "address") + _run("ip", "route")
        while True:
            network = f"10.{random.randrange(64, 128)}.{random.randrange(256)}"
            if network + "." not in used:
                return network

    def address(self, name: str) -> str:
        """Where others find a host."""
        return f"{self.network}.{_FIRST_ADDRESS + self._names.index(name)}"

    def services(self, name: str) -> Processes:
        """The processes of a host."""
        return Processes(self._place / name)

    def enter(self, name: str) -> list[str]:
        """The prefix of a command that is to run there, in the folder it is started in."""
        script = 'exec nsenter --target "$0" --mount --uts --ipc --net --pid --wd="$PWD" -- "$@"'
        return ["sh", "-c", script, str(self._init_of(name))]

    # ── On and off ─────────────────────────────────────────────────────────────────────────────

    def make(self) -> None:
        """Make the bridge, and switch all hosts on."""
        lines = [f"127.0.0.1 localhost\n{self.outside} {socket.gethostname().split('.')[0]}"]
        lines += [f"{self.address(name)} {name}" for name in self._names]
        (self._place / "hosts").write_text("\n".join(lines) + "\n", encoding="ascii")
        self._processes.afterwards("ip", "link", "delete", self._bridge)
        _run("ip", "link", "add", self._bridge, "type", "bridge")
        _run("ip", "address", "add", f"{self.outside}/24", "dev", self._bridge)
        _run("ip", "link", "set", self._bridge, "up")
        for name in self._names:
            self.switch_on(name)

    def switch_on(self, name: str) -> None:
        """Start a host; nothing of its own runs on it."""
        folder = self._place / name
        folder.mkdir(exist_ok=True)
        (folder / keeper.SOCKET).unlink(missing_ok=True)
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        ours = [self.address(name), self.outside, str(folder), str(self._place / "hosts")]
        pid = self._processes.start(
            name,
            [
                *["unshare", *namespaces, "--fork", "--mount-proc", "--kill-child"],
                *["sh", "-c", _INIT, "init", name, *ours, sys.executable, keeper.__file__],
            ],
        )
        self._processes.wait_for(f"{name} starts", lambda: bool(_children(pid)))
        init = _children(pid)[0]
        (folder / "init").write_text(f"{init} {keeper.started(init)}", encoding="ascii")
        _run("ip", "link", "add", self._cable(name), "type", "veth", "peer", "name", "eth0",
             "netns", str(init))  # fmt: skip
        _run("ip", "link", "set", self._cable(name), "master", self._bridge, "up")
        self._processes.wait_for(f"{name} is ready", self.services(name).answer)

    def switch_off(self, name: str) -> None:
        """Cut a host's power: everything on it dies at once."""
        self._processes.signal(name, signal.SIGKILL)
        self._processes.wait_for(f"{name} goes off", lambda: not self._processes.is_alive(name))
        with contextlib.suppress(BedError):  # it goes with its other end, sooner or later
            _run("ip", "link", "delete", self._cable(name))

    def cut(self, name: str) -> None:
        """Pull a host's network cable."""
        _run("ip", "link", "set", self._cable(name), "down")

    def mend(self, name: str) -> None:
        """Plug it in again."""
        _run("ip", "link", "set", self._cable(name), "up")

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    @property
    def _bridge(self) -> str:
        return f"crew-{self._token}"

    def _cable(self, name: str) -> str:
        return f"crew-{self._token}-{name}"[:15]

    def _init_of(self, name: str) -> int:
        try:
            pid, birth = (self._place / name / "init").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            raise BedError(f"there is no host {name}") from None
        if keeper.started(int(pid)) != birth:
            raise BedError(f"{name} is off")
        return int(pid)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _run(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise BedError(f"{' '.join(command)} failed: {answer.stderr.strip()}")
    return answer.stdout
