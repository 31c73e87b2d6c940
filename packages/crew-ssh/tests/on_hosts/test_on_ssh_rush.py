"""Workers of crew-rush on SSH hosts: they dial their manager's store through the same tunnels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import crew_core as crew
from on_hosts.conftest import options_on
from testbeds.ssh import SshBed
from testbeds.waiting import until

if TYPE_CHECKING:
    import crew_rush
else:
    reason = "NOT TESTED with crew-rush: it is not installed"
    crew_rush = pytest.importorskip("crew_rush", reason=reason)

SECONDS = 60.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def rush() -> Iterator[crew_rush.Rush]:
    """A network whose store workers elsewhere may dial."""
    with (
        crew_rush.EmbeddedStore(network=crew.NetworkOptions()) as store,
        crew_rush.Rush(store=store) as manager,
    ):
        yield manager
        manager.reset()


def hosts_of(rush: crew_rush.Rush) -> set[str]:
    """Where its finished tasks ran."""
    return set(rush.fetch_finished_tasks()["host"])


@pytest.mark.parametrize("tunnel", [True, False])
def test_loops_run_on_hosts_and_share_their_tasks(
    ssh_bed: SshBed, rush: crew_rush.Rush, tunnel: bool
) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        import os
        import time

        while not worker.terminated:
            keys = worker.push_running_tasks([{"host": os.environ["CREW_BED_HOST"]}])
            time.sleep(0.05)
            worker.finish_tasks(keys, [{"y": 1}])

    own = {"hosts": ("h1", "h2"), "slots": 1, "tunnel": tunnel}
    options = {**options_on(ssh_bed), **own}
    ids = rush.start_remote_workers(loop, launcher="ssh", launcher_options=options, n_workers=2)
    assert rush.wait_for_workers(timeout=SECONDS)
    until(lambda: rush.n_finished_tasks > 0 and hosts_of(rush) == {"h1", "h2"}, SECONDS)
    assert sorted(rush.running_worker_ids) == sorted(ids)
    rush.stop_workers()
    until(lambda: rush.n_running_workers == 0, SECONDS)
    assert set(rush.worker_info["state"]) == {"terminated"}
