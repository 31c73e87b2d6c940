"""Workers on hosts of their own: addresses, networks that break, power that fails.

Derive a class of tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

import crew_core as crew
from scenarios.site import until
from scenarios.tasks import make_busy_once, make_meet
from testbeds.slurm import SlurmBed

MakeController = Callable[..., crew.Controller]


class ApartScenarios:
    """Nodes have addresses that are not the controller's. Also define ``own_options``.

    Attributes:
        launcher: the launcher's name.
        whole_host: options with which no two workers share a host.
    """

    launcher: ClassVar[str]
    whole_host: ClassVar[Mapping[str, Any]]

    @pytest.fixture
    def bed(self) -> SlurmBed:
        """The bed, to which this test's commands go. Override this."""
        raise NotImplementedError

    @pytest.fixture
    def make(self, bed: SlurmBed, own_options: dict[str, Any]) -> Iterator[MakeController]:
        """Make controllers, which end with the test."""
        made: list[crew.Controller] = []

        def make(**options: Any) -> crew.Controller:
            controller = crew.controller(self.launcher, **{**own_options, **options})
            made.append(controller)
            return controller

        yield make
        for controller in made:
            controller.terminate()

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder that tasks see, too."""
        folder = tmp_path / "told"
        folder.mkdir()
        return folder

    def test_workers_find_their_way_without_being_told(
        self, make: MakeController, bed: SlurmBed, folder: Path
    ) -> None:
        controller = make(workers=3, **self.whole_host)
        # The first goes on until there is another, so that one host cannot do them all.
        tasks = [controller.push(make_meet(), (folder, 2, 150.0)) for _ in range(9)]
        for task in tasks:
            task.result(200)
        hosts = {task.record.host for task in tasks if task.record is not None}
        assert hosts <= set(bed.hosts())
        assert len(hosts) > 1

    @pytest.mark.parametrize("wrong", ["192.0.2.1", "10.255.255.1"])
    def test_one_of_several_addresses_is_enough(
        self, make: MakeController, bed: SlurmBed, wrong: str
    ) -> None:
        controller = make(host_advertised=[wrong, bed.outside])
        assert controller.submit(pow, 2, 3).result(120) == 8

    def test_an_interface_is_named(self, make: MakeController, bed: SlurmBed) -> None:
        controller = make(host=interface_with(bed.outside))
        assert controller.submit(pow, 2, 3).result(120) == 8

    def test_a_host_loses_its_power(
        self, make: MakeController, bed: SlurmBed, folder: Path
    ) -> None:
        controller = make(workers=1, seconds_heartbeat=10)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        host = host_of(folder)
        bed.switch_off(host)
        try:
            assert task.result(200) == 2
        finally:
            bed.switch_on(host)
        assert task.record is not None
        assert task.record.host != host

    def test_a_host_is_cut_off(self, make: MakeController, bed: SlurmBed, folder: Path) -> None:
        controller = make(workers=1, seconds_heartbeat=10)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        host = host_of(folder)
        bed.cut(host)
        try:
            assert task.result(200) == 2
        finally:
            bed.mend(host)
        assert task.record is not None
        assert task.record.host != host


def interface_with(address: str) -> str:
    """The interface of this computer that has an address."""
    return next(
        name
        for name, addresses in psutil.net_if_addrs().items()
        if address in {given.address for given in addresses}
    )


def host_of(folder: Path) -> str:
    """Where the task ran first."""
    return (folder / "1").read_text()
