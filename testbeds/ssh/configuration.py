"""The texts of a testbed's files: sshd's configuration, and that of clients. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbeds.ssh.options import SshBedOptions

# sshd tells each command's shell which host it is on, as loopback hosts have nothing else to tell.
_SSHD = """\
ListenAddress {address}
Port {port}
HostKey {folder}/key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
UsePAM no
StrictModes no
PrintMotd no
UseDNS no
AllowTcpForwarding yes
GatewayPorts no
MaxSessions {sessions}
ClientAliveInterval {alive}
ClientAliveCountMax 2
SetEnv CREW_BED_HOST={name}
LogLevel VERBOSE
"""

_ALL = """\
Host *
  User {user}
  Port {port}
  IdentityFile {folder}/id
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout {seconds}
"""


def sshd_config(options: SshBedOptions, name: str, *, address: str, port: int, folder: Path) -> str:
    """The configuration of one host's daemon."""
    return _SSHD.format(
        address=address,
        port=port,
        folder=folder,
        name=name,
        sessions=options.sessions,
        alive=options.seconds_alive,
    )


def ssh_config(
    addresses: Mapping[str, str], *, user: str, port: int, folder: Path, seconds_connect: int
) -> str:
    """The configuration of clients.

    Each host has a second name with ``-by-`` and a third, by which it is reached through others:
    ``h3-by-h1``, and ``h3-by-h1-h2`` through two.
    """
    names = list(addresses)
    blocks = [f"Host {name}\n  HostName {address}\n" for name, address in addresses.items()]
    for target in names:
        others = [name for name in names if name != target]
        ways: list[tuple[str, ...]] = [(first,) for first in others]
        ways += [(first, second) for first in others for second in others if first != second]
        for way in ways:
            blocks.append(
                f"Host {target}-by-{'-'.join(way)}\n"
                f"  HostName {addresses[target]}\n"
                f"  ProxyJump {','.join(way)}\n"
            )
        between = others[0] if others else target
        blocks.append(
            f"Host {target}-by-command\n"
            f"  HostName {addresses[target]}\n"
            f"  ProxyCommand ssh -F {folder}/ssh_config -W %h:%p {between}\n"
        )
    return "".join(blocks) + _ALL.format(
        user=user, port=port, folder=folder, seconds=seconds_connect
    )


def known_host(address: str, port: int, public_key: str) -> str:
    """A line that makes a host known by its public key."""
    name = address if port == 22 else f"[{address}]:{port}"
    kind, blob, *_ = public_key.split()
    return f"{name} {kind} {blob}\n"
