"""Lets the tests import what several of them share, which is no distribution, and the testbeds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))

from loopback.aws import LoopbackAws
from testbeds.aloud import pytest_terminal_summary, pytest_testnodedown
from testbeds.aws_batch import AwsBatchBed
from testbeds.fixtures import aws_batch_bed, make_bed

__all__ = ["aws_batch_bed", "make_bed", "pytest_terminal_summary", "pytest_testnodedown"]


@pytest.fixture
def aws() -> LoopbackAws:
    """AWS in this process."""
    return LoopbackAws()


@pytest.fixture
def bed(aws_batch_bed: AwsBatchBed, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsBatchBed]:
    """The shared bed, to which AWS's library is led, without faults before and after."""
    for name, value in aws_batch_bed.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    aws_batch_bed.restore_all()
    yield aws_batch_bed
    aws_batch_bed.restore_all()
