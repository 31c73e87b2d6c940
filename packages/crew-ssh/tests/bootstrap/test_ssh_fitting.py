"""Which compiled distributions run on which host."""

from __future__ import annotations

import pytest

from crew_ssh._bootstrap.fitting import Machine, fits

DEBIAN = Machine((3, 11), "Linux", "x86_64", (2, 36))
ALPINE = Machine((3, 11), "Linux", "x86_64", None)
MAC = Machine((3, 11), "Darwin", "arm64", None)


@pytest.mark.parametrize(
    ("tag", "runs"),
    [
        ("py3-none-any", True),
        ("cp311-cp311-manylinux_2_17_x86_64", True),
        ("cp311-cp311-manylinux2014_x86_64", True),
        ("cp36-abi3-manylinux_2_12_x86_64", True),
        ("cp312-abi3-manylinux_2_17_x86_64", False),
        ("cp310-cp310-manylinux_2_17_x86_64", False),
        ("cp311-cp311-manylinux_2_39_x86_64", False),
        ("cp311-cp311-manylinux_2_17_aarch64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp311-cp311-macosx_11_0_arm64", False),
    ],
)
def test_wheels_that_run_on_a_host(tag: str, runs: bool) -> None:
    assert fits([tag], DEBIAN) is runs


def test_one_tag_of_several_is_enough() -> None:
    tags = ["cp311-cp311-manylinux_2_39_x86_64", "cp311-cp311-manylinux_2_28_x86_64"]
    assert fits(tags, DEBIAN)


@pytest.mark.parametrize("machine", [ALPINE, MAC])
def test_elsewhere_only_what_is_not_compiled_runs(machine: Machine) -> None:
    assert fits(["py3-none-any"], machine)
    assert not fits(["cp311-cp311-manylinux_2_17_x86_64"], machine)


def test_a_machine_is_what_its_agent_says() -> None:
    hello = {
        "python": "3.11.2",
        "system": "Linux",
        "machine": "x86_64",
        "libc": ["glibc", "2.36"],
    }
    assert Machine.from_hello(hello) == DEBIAN
    assert Machine.from_hello({**hello, "libc": ["", ""]}) == ALPINE


def test_pip_is_asked_for_no_newer_platform_than_the_hosts() -> None:
    assert DEBIAN.platforms[0] == "manylinux_2_36_x86_64"
    assert "manylinux2014_x86_64" in DEBIAN.platforms
    assert ALPINE.platforms == []
