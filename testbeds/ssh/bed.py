"""SSH hosts on this machine: an sshd for each, from Debian's openssh-server."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from testbeds import places, software
from testbeds.bed import Bed
from testbeds.errors import BedError
from testbeds.hosts import Hosts
from testbeds.processes import Processes
from testbeds.ssh import configuration
from testbeds.ssh.options import SshBedOptions

PACKAGES = ("openssh-server", "openssh-client")

_SSHD = 'mkdir -p -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f "$0"'

# Takes connections and says nothing.
_MUTE = """\
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
taken = []
while True:
    taken.append(listener.accept())
"""

_TABLE = "crew_bed"
_SILENCE = """\
table inet {table} {{
    chain in {{ type filter hook input priority 0; iifname "eth0" {of} drop; }}
    chain out {{ type filter hook output priority 0; oifname "eth0" {to} drop; }}
}}
"""


class SshBed(Bed):
    """Hosts with sshd; see `SshBedOptions` for what can be chosen.

    Example::

        bed = SshBed(SshBedOptions(count=3))
        bed.up()
        name = bed.ask("ssh", "-F", str(bed.ssh_config), "h1", "hostname")
        bed.down()
    """

    name = "ssh"
    options_type = SshBedOptions

    @property
    def options(self) -> SshBedOptions:
        """Those it was brought up with."""
        found: SshBedOptions = super().options
        return found

    # ── Up ─────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def lacks(cls, options: SshBedOptions | None = None) -> str | None:
        """Debian's packages, and what hosts of their own need beside them."""
        options = options or cls.options_type()
        return software.lacks(_packages(options)) or (Hosts.lacks() if options.apart else None)

    def _prepare(self) -> None:
        software.install(_packages(self.options))

    def _start(self) -> None:
        if self.options.apart:
            self._settings["port"] = 22
            self._settings["network"] = Hosts.choose_network()
            self._hosts.make()
        else:
            (self._settings["port"],) = places.free_ports(1)
        self._make_key(self.place / "id")
        lines = []
        for name in self.hosts():
            folder = self._folder(name)
            folder.mkdir(exist_ok=True)
            self._make_key(folder / "key")
            self.welcome(name)
            (folder / "sshd_config").write_text(self._sshd_config(name), encoding="utf-8")
            public = (folder / "key.pub").read_text(encoding="utf-8")
            lines.append(configuration.known_host(self.address(name), self.port, public))
        (self.place / "known_hosts").write_text("".join(lines), encoding="utf-8")
        addresses = {name: self.address(name) for name in self.hosts()}
        self.ssh_config.write_text(
            configuration.ssh_config(
                addresses,
                user=getpass.getuser(),
                port=self.port,
                folder=self.place,
                # A busy machine takes its time to let in. Only where hosts can be cut off is it
                # in vain to wait for them.
                seconds_connect=10 if self.options.apart else 50,
            ),
            encoding="utf-8",
        )
        for name in self.hosts():
            self.start_host(name)

    def _prove(self) -> None:
        for name in self.hosts():
            told = self.ssh(name, "echo $CREW_BED_HOST").rpartition("\n")[2]
            if told != name:
                raise BedError(f"{name} calls itself {told!r}")

    # ── For clients ────────────────────────────────────────────────────────────────────────────

    def environment(self) -> dict[str, str]:
        """Where the configuration is."""
        return {"CREW_BED_SSH_CONFIG": str(self.ssh_config)}

    def hosts(self) -> Sequence[str]:
        """The names of the hosts."""
        return self.options.names()

    @property
    def ssh_config(self) -> Path:
        """What `ssh -F` takes."""
        return self.place / "ssh_config"

    @property
    def port(self) -> int:
        """Where sshd listens, on all hosts."""
        return int(self.settings["port"])

    @property
    def run_directory(self) -> str:
        """Where workers' files may be: not on what hosts have in common."""
        return "/run/crew-ssh" if self.options.apart else str(self.place / "run")

    @property
    def outside(self) -> str:
        """The address at which hosts find this machine."""
        return self._hosts.outside if self.options.apart else "127.0.0.1"

    def address(self, host: str) -> str:
        """Where others find a host."""
        if self.options.apart:
            return self._hosts.address(host)
        return f"127.0.0.{2 + list(self.hosts()).index(host)}"

    def enter(self, host: str) -> list[str]:
        """The prefix of a command that is to run on a host; where they are apart."""
        return self._hosts.enter(host) if self.options.apart else super().enter(host)

    def ssh(self, host: str, command: str) -> str:
        """What a command prints there."""
        return self.ask("ssh", "-F", str(self.ssh_config), host, command)

    # ── What tests may turn ────────────────────────────────────────────────────────────────────

    def start_host(self, host: str) -> None:
        """Start a host's sshd."""
        config = str(self._folder(host) / "sshd_config")
        self._held_by(host).start(f"sshd-{host}", ["sh", "-c", _SSHD, config])
        self.processes.wait_for(f"sshd of {host} answers", lambda: self._answers(host))

    def stop_host(self, host: str) -> None:
        """Stop a host's sshd, with all connections to it; what else runs there goes on."""
        held = self._held_by(host)
        pid = held.alive()[f"sshd-{host}"]
        sessions = _children_of(self.enter(host) if self.options.apart else [], pid)
        held.stop(f"sshd-{host}")
        for session in sessions:
            prefix = self.enter(host) if self.options.apart else []
            subprocess.run([*prefix, "kill", str(session)], capture_output=True, check=False)

    def stop_listening(self, host: str) -> None:
        """Stop a host's sshd; connections that are there go on."""
        self._held_by(host).stop(f"sshd-{host}")

    def mute(self, host: str) -> None:
        """Have a host take connections and say nothing, until it is started again."""
        self.stop_host(host)
        argv = [sys.executable, "-I", "-c", _MUTE, self.address(host), str(self.port)]
        self._held_by(host).start(f"mute-{host}", argv)

    def unmute(self, host: str) -> None:
        """Have it as it was."""
        self._held_by(host).stop(f"mute-{host}")
        self.start_host(host)

    def stall(self, host: str) -> None:
        """Have a host let users in, and run none of their commands."""
        self._let_in(host, 'command="sleep 100000" ')

    def banish(self, host: str) -> None:
        """Have a host let nobody in."""
        (self._folder(host) / "authorized_keys").write_text("", encoding="utf-8")

    def welcome(self, host: str) -> None:
        """Have a host let users in."""
        self._let_in(host, "")

    def trust(self, host: str, *lines: str) -> None:
        """Have a host let in whom these lines of its authorized_keys name, and nobody else."""
        text = "".join(f"{line.strip()}\n" for line in lines)
        (self._folder(host) / "authorized_keys").write_text(text, encoding="utf-8")

    def change_key(self, host: str) -> None:
        """Have a host show another key than the one that is known."""
        self.stop_host(host)
        for name in ("key", "key.pub"):
            (self._folder(host) / name).unlink()
        self._make_key(self._folder(host) / "key")
        self.start_host(host)

    def cut(self, host: str) -> None:
        """Let no packet pass to or from a host, and tell nobody. Where they are apart."""
        self._filter(host, "", "")

    def cut_from(self, host: str, *addresses: str) -> None:
        """The same, for these addresses alone."""
        these = ", ".join(addresses)
        self._filter(host, f"ip saddr {{ {these} }}", f"ip daddr {{ {these} }}")

    def close_ways_out(self, host: str) -> None:
        """Let a host open no connection, and only take those of others."""
        self._filter(host, "meta mark 77", "tcp flags & (syn | ack) == syn")

    def mend(self, host: str) -> None:
        """Let everything pass again."""
        subprocess.run(
            [*self.enter(host), "nft", "delete", "table", "inet", _TABLE],
            capture_output=True,
            check=False,
        )

    def switch_off(self, host: str) -> None:
        """Cut a host's power. Where they are apart."""
        self._hosts.switch_off(host)

    def switch_on(self, host: str) -> None:
        """Start it again."""
        self._hosts.switch_on(host)
        self.start_host(host)

    def stop_scheduler(self) -> None:
        """Stop sshd on all hosts."""
        for host in self.hosts():
            self.stop_host(host)

    def start_scheduler(self) -> None:
        """Start it on all."""
        for host in self.hosts():
            self.start_host(host)

    def drain(self, host: str) -> None:
        """Take no more connections."""
        self.stop_listening(host)

    def restore(self, host: str) -> None:
        """Take connections again."""
        self.start_host(host)

    def refuse(self) -> None:
        """Let nobody in anywhere."""
        for host in self.hosts():
            self.banish(host)

    def accept(self) -> None:
        """Let users in again."""
        for host in self.hosts():
            self.welcome(host)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    @property
    def _hosts(self) -> Hosts:
        network = self.settings.get("network")
        if network is None:
            raise BedError("the hosts of this testbed are not apart: bring it up with apart=True")
        return Hosts(self.processes, network, self.options.names())

    def _held_by(self, host: str) -> Processes:
        return self._hosts.services(host) if self.options.apart else self.processes

    def _folder(self, host: str) -> Path:
        return self.place / host

    def _sshd_config(self, host: str) -> str:
        return configuration.sshd_config(
            self.options,
            host,
            address=self.address(host),
            port=self.port,
            folder=self._folder(host),
        )

    def _let_in(self, host: str, how: str) -> None:
        key = (self.place / "id.pub").read_text(encoding="utf-8")
        (self._folder(host) / "authorized_keys").write_text(how + key, encoding="utf-8")

    def _answers(self, host: str) -> bool:
        import socket

        try:
            with socket.create_connection((self.address(host), self.port), 2) as connection:
                connection.settimeout(2)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _filter(self, host: str, of: str, to: str) -> None:
        self.mend(host)
        rules = _SILENCE.format(table=_TABLE, of=of, to=to)
        done = subprocess.run(
            [*self.enter(host), "nft", "-f", "-"],
            input=rules,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BedError(f"nft refused: {done.stderr}")

    @staticmethod
    def _make_key(path: Path) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "crew", "-f", str(path)],
            check=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )


def _packages(options: SshBedOptions) -> Sequence[str]:
    return (*PACKAGES, "nftables") if options.apart else PACKAGES


def _children_of(prefix: Sequence[str], pid: int) -> list[int]:
    """The processes that a daemon has made for its connections, as its own host counts."""
    told = subprocess.run(
        [*prefix, "cat", f"/proc/{pid}/task/{pid}/children"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(word) for word in told.stdout.split()]
