"""The testbed of SSH hosts: each is another, and does what tests turn."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from testbeds.errors import BedError
from testbeds.ssh import SshBed, SshBedOptions

pytestmark = pytest.mark.timeout(900)

WHO = "echo $CREW_BED_HOST"


def try_ssh(bed: SshBed, host: str, command: str = WHO) -> subprocess.CompletedProcess[str]:
    """What the program ``ssh`` makes of a host."""
    return subprocess.run(
        ["ssh", "-F", str(bed.ssh_config), host, command],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def who(bed: SshBed, host: str) -> str:
    """What a host calls itself."""
    return bed.ssh(host, WHO).rpartition("\n")[2]


def test_hosts_are_reached_directly_and_through_others(ssh_bed: SshBed) -> None:
    for name in ("h1", "h2", "h3"):
        assert who(ssh_bed, name) == name
    for way in ("h3-by-h1", "h3-by-h1-h2", "h3-by-command"):
        assert who(ssh_bed, way) == "h3"


def test_a_host_can_refuse_everybody_and_show_another_key(make_bed: Any) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=2))
    bed.banish("h1")
    assert "Permission denied" in try_ssh(bed, "h1").stderr
    bed.welcome("h1")
    assert who(bed, "h1") == "h1"
    bed.change_key("h2")
    assert "HOST IDENTIFICATION HAS CHANGED" in try_ssh(bed, "h2").stderr


def test_a_host_can_be_stopped_and_started(make_bed: Any) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1))
    bed.stop_host("h1")
    assert try_ssh(bed, "h1").returncode == 255
    bed.start_host("h1")
    assert who(bed, "h1") == "h1"


def test_hosts_apart_have_addresses_and_processes_of_their_own(ssh_apart: SshBed) -> None:
    told = {host: ssh_apart.ssh(host, "hostname; ps -e | wc -l") for host in ssh_apart.hosts()}
    for host, text in told.items():
        name, count = text.split()[-2:]
        assert name == host
        assert int(count) < 30, "it does not see this machine's processes"
    assert len({ssh_apart.address(host) for host in ssh_apart.hosts()}) == 3


def test_a_host_can_be_cut_off_and_mended(ssh_apart: SshBed) -> None:
    ssh_apart.cut("h2")
    assert try_ssh(ssh_apart, "h2").returncode == 255
    ssh_apart.mend("h2")
    assert who(ssh_apart, "h2") == "h2"


def test_a_host_may_take_connections_and_open_none(ssh_apart: SshBed) -> None:
    ssh_apart.close_ways_out("h3")
    dial = f"bash -c '</dev/tcp/{ssh_apart.address('h1')}/22' && echo through"
    assert "through" not in try_ssh(ssh_apart, "h3", f"timeout 3 {dial}").stdout
    ssh_apart.mend("h3")
    assert "through" in try_ssh(ssh_apart, "h3", f"timeout 50 {dial}").stdout


def test_addresses_of_the_loopback_cannot_be_cut(ssh_bed: SshBed) -> None:
    with pytest.raises(BedError, match="apart"):
        ssh_bed.switch_off("h1")
