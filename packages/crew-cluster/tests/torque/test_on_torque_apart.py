"""What must hold of workers on hosts of their own holds with TORQUE's commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from scenarios.apart import ApartScenarios
from testbeds.fixtures import brought_up
from testbeds.torque import TorqueBed, TorqueOptions

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def three_hosts() -> Iterator[TorqueBed]:
    """A site whose three nodes are hosts of their own."""
    with brought_up(TorqueBed, TorqueOptions(nodes=3, cpus=8, apart=True)) as bed:
        yield bed


class TestApart(ApartScenarios):
    launcher: ClassVar[str] = "torque"
    whole_host: ClassVar[Mapping[str, Any]] = {"cores": 8}

    @pytest.fixture
    def bed(self, three_hosts: TorqueBed, monkeypatch: pytest.MonkeyPatch) -> TorqueBed:
        for name, value in three_hosts.environment().items():
            monkeypatch.setenv(name, value)
        return three_hosts
