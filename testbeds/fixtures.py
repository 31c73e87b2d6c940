"""Testbeds for pytest: import what a conftest needs from here.

A bed that cannot run on this machine skips the tests that ask for it, with the reason.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from testbeds.aloud import say
from testbeds.aws_batch import AwsBatchBed
from testbeds.bed import Bed
from testbeds.errors import UnavailableError
from testbeds.lsf import LsfBed
from testbeds.pbs import PbsBed
from testbeds.sge import SgeBed
from testbeds.slurm import SlurmBed, SlurmOptions
from testbeds.ssh import SshBed, SshBedOptions
from testbeds.torque import TorqueBed

MakeBed = Callable[[type[Bed], Any], Any]


@contextmanager
def brought_up(bed_type: type[Bed], options: Any = None) -> Iterator[Any]:
    """A bed of its own, up; taken down at the end, and when this process ends in any way.

    Skips the test where the bed cannot run.
    """
    bed = bed_type(options, label=uuid.uuid4().hex)
    try:
        bed.up(while_we_live=True)
    except UnavailableError as error:
        pytest.skip(f"NOT TESTED on a real scheduler: {error}")
    try:
        yield bed
    finally:
        bed.down()


@pytest.fixture(scope="session")
def slurm_bed() -> Iterator[SlurmBed]:
    """SLURM with two nodes; shared by a whole run."""
    with brought_up(SlurmBed, SlurmOptions(nodes=2)) as bed:
        yield bed


@pytest.fixture(scope="session")
def slurm_apart() -> Iterator[SlurmBed]:
    """SLURM with three nodes that are hosts of their own; shared by a whole run."""
    with brought_up(SlurmBed, SlurmOptions(nodes=3, cpus=8, apart=True)) as bed:
        yield bed


@pytest.fixture(scope="session")
def pbs_bed() -> Iterator[PbsBed]:
    """The stand-in for PBS; shared by a whole run."""
    with brought_up(PbsBed) as bed:
        yield bed


@pytest.fixture(scope="session")
def sge_bed() -> Iterator[SgeBed]:
    """Grid Engine; shared by a whole run."""
    with brought_up(SgeBed) as bed:
        yield bed


@pytest.fixture(scope="session")
def torque_bed() -> Iterator[TorqueBed]:
    """TORQUE's commands on SLURM; shared by a whole run."""
    with brought_up(TorqueBed) as bed:
        yield bed


@pytest.fixture(scope="session")
def lsf_bed() -> Iterator[LsfBed]:
    """The stand-in for LSF; shared by a whole run."""
    with brought_up(LsfBed) as bed:
        yield bed


@pytest.fixture(scope="session")
def ssh_bed() -> Iterator[SshBed]:
    """Three SSH hosts on the loopback; shared by a whole run."""
    with brought_up(SshBed, SshBedOptions(count=3)) as bed:
        yield bed


@pytest.fixture(scope="session")
def ssh_apart() -> Iterator[SshBed]:
    """Three SSH hosts of their own; shared by a whole run."""
    with brought_up(SshBed, SshBedOptions(count=3, apart=True)) as bed:
        yield bed


@pytest.fixture(scope="session")
def aws_batch_bed(pytestconfig: pytest.Config) -> Iterator[AwsBatchBed]:
    """AWS Batch, its jobs containers where this machine can have them; shared by a whole run."""
    with brought_up(AwsBatchBed) as bed:
        say(pytestconfig, bed.said_aloud())
        yield bed


@pytest.fixture
def make_bed() -> Iterator[MakeBed]:
    """Brings up a bed for one test: ``make_bed(SlurmBed, SlurmOptions(array_limit=4))``."""
    with ExitStack() as beds:
        yield lambda bed_type, options: beds.enter_context(brought_up(bed_type, options))
