"""Workers on hosts of their own: closed ways, cut cables, restarts, and deaths of controllers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from on_hosts.conftest import MakeController, options_on
from on_hosts.tasks import BRIEF, WHERE, late, meet_all
from testbeds.ssh import SshBed, SshBedOptions
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def bed(make_bed: Any) -> SshBed:
    """Hosts that one test alone may cut and restart."""
    made: SshBed = make_bed(SshBed, SshBedOptions(count=3, apart=True))
    return made


def workers_on(bed: SshBed, host: str) -> list[str]:
    """Command lines of workers on a host."""
    told = subprocess.run(
        [*bed.enter(host), "ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True
    )
    return [line for line in told.stdout.splitlines() if "crew_core._worker" in line]


def test_workers_connect_directly_where_they_can(bed: SshBed, make: MakeController) -> None:
    controller = make(bed, workers=3, slots=1)
    assert {controller.push(BRIEF).result(200) for _ in range(30)} <= {"h1", "h2", "h3"}


def test_a_closed_way_is_gone_around_by_a_tunnel(
    bed: SshBed, make: MakeController, tmp_path: Path
) -> None:
    for host in bed.hosts():
        bed.close_ways_out(host)
    controller = make(bed, workers=6)
    tasks = [controller.push(meet_all(tmp_path / "hosts", 3)) for _ in range(60)]
    assert {task.result(200) for task in tasks} == {"h1", "h2", "h3"}


def test_crew_is_brought_to_a_host_that_reaches_nothing(bed: SshBed, make: MakeController) -> None:
    bed.close_ways_out("h1")
    bare = os.path.realpath(sys.executable)
    controller = make(bed, hosts=("h1",), python=bare, env={}, bootstrap=True)
    where = "(__import__('crew_core').__file__, __import__('socket').gethostname())"
    file, host = controller.push(where).result(200)
    assert file.startswith(f"{bed.run_directory}/environments/")
    assert host == "h1"


def test_hosts_that_only_a_bastion_reaches(
    bed: SshBed, make: MakeController, tmp_path: Path
) -> None:
    for host in ("h2", "h3"):
        bed.cut_from(host, bed.outside)
    controller = make(bed, hosts=("h2-by-h1", "h3-by-h1"), workers=4)
    tasks = [controller.push(meet_all(tmp_path / "hosts", 2)) for _ in range(40)]
    assert {task.result(200) for task in tasks} == {"h2", "h3"}


@pytest.mark.parametrize("tunnel", [True, False])
def test_a_cut_that_heals_loses_no_result(
    bed: SshBed, make: MakeController, tmp_path: Path, tunnel: bool
) -> None:
    controller = make(bed, hosts=("h1",), tunnel=tunnel)
    controller.push(WHERE).result(200)
    task = controller.push(late(5, tmp_path / "began"))
    until((tmp_path / "began").exists)
    bed.cut("h1")
    subprocess.run(["sleep", "10"], check=True)
    bed.mend("h1")
    assert task.result(200) == "h1"
    assert task.record is not None
    assert task.record.attempts == 1, "it was done once, and its result was kept"


def test_the_work_of_a_host_that_lost_its_power_goes_elsewhere(
    bed: SshBed, make: MakeController, tmp_path: Path
) -> None:
    controller = make(bed, hosts=("h1", "h2"), slots=1, workers=2, seconds_heartbeat=10)
    first = {controller.push(BRIEF).result(200) for _ in range(20)}
    assert first
    tasks = [controller.push(late(3, tmp_path / "began")) for _ in range(4)]
    bed.switch_off("h1")
    assert {task.result(200) for task in tasks} <= {"h1", "h2"}
    assert [task.record.status for task in tasks if task.record] == ["success"] * 4


def test_nothing_is_left_on_any_host_of_a_killed_controller(bed: SshBed, tmp_path: Path) -> None:
    options = options_on(bed)
    program = tmp_path / "session.py"
    program.write_text(
        textwrap.dedent(f"""
            import time
            import crew_core as crew
            controller = crew.controller("ssh", workers=6, **{options!r})
            tasks = [controller.push({BRIEF!r}) for _ in range(60)]
            print(len([task.result(200) for task in tasks]), flush=True)
            time.sleep(1000)
        """)
    )
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"60\n"
        assert any(workers_on(bed, host) for host in bed.hosts())
        os.kill(session.pid, signal.SIGKILL)
    until(lambda: not any(workers_on(bed, host) for host in bed.hosts()), 120)


@pytest.mark.parametrize("tunnel", [True, False])
def test_workers_behind_a_cut_cable_leave(bed: SshBed, make: MakeController, tunnel: bool) -> None:
    controller = make(bed, hosts=("h1",), tunnel=tunnel)
    controller.push(WHERE).result(200)
    assert workers_on(bed, "h1")
    bed.cut("h1")
    until(lambda: not workers_on(bed, "h1"), 150)
