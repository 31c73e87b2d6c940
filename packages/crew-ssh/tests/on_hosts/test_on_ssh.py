"""Workers on real sshd: where they run, how many, how they come back, and that they go."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import crew_core as crew
from on_hosts.conftest import MakeController, options_on
from on_hosts.tasks import BRIEF, SPAN, WHERE, late, meet_all, wait_for
from testbeds.ssh import SshBed, SshBedOptions
from testbeds.waiting import until

if TYPE_CHECKING:
    import pandas as pd

pytestmark = pytest.mark.timeout(300)


def workers_left(bed: SshBed) -> list[str]:
    """Command lines of workers on hosts of this bed."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found.append(" ".join(process.cmdline()))
    return [line for line in found if bed.run_directory + "/workers" in line]


def workers_of(bed: SshBed, controller: crew.Controller) -> pd.DataFrame:
    """A controller's workers that run, as hosts tell."""
    rows = crew.monitor("ssh", **options_on(bed)).jobs()
    return rows[(rows["controller"] == controller.name) & (rows["state"] == "running")]


def shares_of(bed: SshBed, controller: crew.Controller) -> dict[str, int]:
    """How many workers of a controller run on each host."""
    return dict(Counter(workers_of(bed, controller)["host"]))


def test_a_thousand_tasks_run_on_three_hosts_with_two_slots_each(
    ssh_bed: SshBed, make: MakeController, tmp_path: Path
) -> None:
    controller = make(ssh_bed, workers=6)
    controller.launch(6)
    tasks = [controller.push(meet_all(tmp_path / "hosts", 3)) for _ in range(1000)]
    hosts = Counter(task.result(200) for task in tasks)
    assert sum(hosts.values()) == 1000
    assert set(hosts) == {"h1", "h2", "h3"}
    until(lambda: shares_of(ssh_bed, controller) == {"h1": 2, "h2": 2, "h3": 2})


def test_more_workers_than_slots_wait_for_their_turn(ssh_bed: SshBed, make: MakeController) -> None:
    controller = make(ssh_bed, hosts=("h1", "h2"), slots=1, workers=4, tasks_max=2)
    tasks = [controller.push(SPAN) for _ in range(16)]
    spans: dict[str, list[tuple[float, float, int]]] = {"h1": [], "h2": []}
    for host, worker, began, ended in [task.result(200) for task in tasks]:
        spans[host].append((began, ended, worker))
    shares = Counter(worker for seen in spans.values() for _, _, worker in seen)
    assert max(shares.values()) == 2, "a worker leaves after as many tasks as it may run"
    for seen in map(sorted, spans.values()):
        for (_, ended, one), (began, _, other) in pairwise(seen):
            assert one == other or ended <= began, "two workers at once have one slot"


def test_a_host_takes_as_many_workers_as_it_has_processors(
    ssh_bed: SshBed, make: MakeController
) -> None:
    count = len(os.sched_getaffinity(0))
    controller = make(ssh_bed, hosts=("h1",), slots=None, workers=count + 1)
    controller.launch(count + 1)
    until(lambda: len(workers_of(ssh_bed, controller)) == count, 60)
    jobs = list(controller.launcher.summary()["job"])
    assert [job.startswith("h1:") for job in jobs] == [True] * count + [False], "one waits"


def test_a_worker_that_had_to_wait_is_found_by_the_name_of_its_job(
    ssh_bed: SshBed, make: MakeController
) -> None:
    controller = make(ssh_bed, hosts=("h1",), slots=1, workers=2, tasks_max=1)
    controller.launch(2)
    tasks = [controller.push(f"print('said') or {BRIEF}") for _ in range(2)]
    jobs = {task.record.job for task in tasks if task.result(200) and task.record}
    (job,) = (job for job in jobs if job is not None and not job.startswith("h1:"))
    monitor: Any = crew.monitor("ssh", **options_on(ssh_bed))
    until(lambda: "said" in monitor.log(job))


def greet(controller: crew.Controller) -> None:
    """Have all hosts let us in: one that takes too long over it loses its workers to others."""
    findings = list(controller.launcher.examine((), (0, 0)))
    assert all("lets us in" in finding.words for finding in findings), findings


def test_hosts_are_packed_when_asked_for(ssh_bed: SshBed, make: MakeController) -> None:
    controller = make(ssh_bed, placement="pack", workers=2)
    greet(controller)
    assert {controller.push(BRIEF).result(200) for _ in range(2)} == {"h1"}


@pytest.mark.parametrize("tunnel", [True, False, "auto"])
def test_workers_come_back_each_way_without_alarm(
    ssh_bed: SshBed,
    make: MakeController,
    caplog: pytest.LogCaptureFixture,
    tunnel: bool | str,
) -> None:
    controller = make(ssh_bed, hosts=("h1",), tunnel=tunnel)
    assert controller.push(WHERE).result(200) == "h1"
    assert caplog.messages == []


def addresses_of(process: psutil.Process, known_port: int) -> set[str]:
    """Where a process listens, but at a port that is known; nowhere if it has just ended."""
    with contextlib.suppress(psutil.Error):
        return {
            connection.laddr.ip
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port != known_port
        }
    return set()


def test_a_tunnel_opens_no_port_to_the_network(ssh_bed: SshBed, make: MakeController) -> None:
    # Other testbeds of this run are below us, too, and listen where they like.
    before = set(psutil.Process().children(recursive=True))
    controller = make(ssh_bed, tunnel=True)
    controller.push(WHERE).result(200)
    ours = set(psutil.Process().children(recursive=True)) - before
    listening = set[str]().union(*(addresses_of(each, ssh_bed.port) for each in ours))
    assert listening == {"127.0.0.1"}


def test_a_controller_that_starts_afresh_gets_a_tunnel_of_its_own(
    ssh_bed: SshBed, make: MakeController, caplog: pytest.LogCaptureFixture
) -> None:
    controller = make(ssh_bed, hosts=("h1",), tunnel=True)
    assert controller.push(WHERE).result(200) == "h1"
    controller.terminate()
    assert controller.push(WHERE).result(200) == "h1"
    assert caplog.messages == [], "no worker looked for the dispatcher that had ended"


@pytest.mark.parametrize("way", ["h3-by-h1", "h3-by-h1-h2", "h3-by-command"])
def test_hosts_are_reached_through_others(ssh_bed: SshBed, make: MakeController, way: str) -> None:
    controller = make(ssh_bed, hosts=(way,), tunnel=True)
    assert controller.push(WHERE).result(200) == "h3"


def test_nothing_is_left_when_a_controller_has_ended(ssh_bed: SshBed, make: MakeController) -> None:
    controller = make(ssh_bed, workers=6)
    controller.push(WHERE).result(200)
    assert workers_left(ssh_bed), "there were workers"
    controller.terminate()
    until(lambda: not workers_left(ssh_bed))


def test_what_a_task_prints_is_in_the_log_here_while_it_runs(
    ssh_bed: SshBed, make: MakeController, tmp_path: Path
) -> None:
    controller = make(ssh_bed, hosts=("h2",))
    talk = f"print('printed on a host', flush=True) or {wait_for(tmp_path / 'enough')}"
    task = controller.push(f"open({str(tmp_path / 'began')!r}, 'w').close() or {talk}")
    until((tmp_path / "began").exists, 60)
    until(lambda: "printed on a host" in controller.logs(1))
    assert not task.done()
    (tmp_path / "enough").touch()
    task.result(60)


def test_a_host_that_refuses_us_is_left_out(make_bed: Any, make: MakeController) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=2))
    bed.banish("h1")
    controller = make(bed, workers=2, slots=1, tasks_max=1)
    assert {controller.push(WHERE).result(200) for _ in range(2)} == {"h2"}


def test_the_share_of_a_host_that_is_down_goes_elsewhere_until_it_is_back(
    make_bed: Any, make: MakeController, caplog: pytest.LogCaptureFixture
) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=2))
    bed.stop_host("h1")
    controller = make(bed, workers=4)
    assert {controller.push(BRIEF).result(200) for _ in range(4)} == {"h2"}
    until(lambda: any("(h1) by SSH" in text and "set aside" in text for text in caplog.messages))
    bed.start_host("h1")
    controller.launch(4)
    until(lambda: shares_of(bed, controller) == {"h1": 2, "h2": 2})


def errors_of(bed: SshBed, **options: Any) -> crew.LaunchError:
    """The error of a launch that fails."""
    controller = crew.controller("ssh", **{**options_on(bed), "hosts": ("h1",), **options})
    try:
        with pytest.raises(crew.LaunchError) as caught:
            controller.launch()
        return caught.value
    finally:
        controller.terminate()


def test_a_wrong_key_is_a_clear_error(make_bed: Any) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1))
    bed.banish("h1")
    error = errors_of(bed)
    assert "does not let us in" in str(error)
    assert not error.transient


def test_a_changed_host_key_is_refused(make_bed: Any) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1))
    bed.change_key("h1")
    error = errors_of(bed)
    assert "another key than the one you know" in str(error)
    assert not error.transient


def test_an_unknown_host_is_refused_and_told_how_to_accept(make_bed: Any) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1))
    (bed.place / "known_hosts").write_text("")
    error = errors_of(bed)
    assert "to accept it: ssh h1" in str(error)


def test_a_host_that_takes_connections_and_says_nothing_is_an_error(make_bed: Any) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1))
    bed.mute("h1")
    assert errors_of(bed, seconds_connect=2).transient


def test_a_host_that_lets_us_in_and_hangs_is_an_error(make_bed: Any) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1))
    bed.stall("h1")
    error = errors_of(bed, seconds_connect=10)  # enough to be let in
    assert "did not answer within 10 s" in str(error)


def test_a_host_without_the_right_python_is_an_error(ssh_bed: SshBed) -> None:
    error = errors_of(ssh_bed, python="/no/such/python")
    assert "/no/such/python" in str(error)
    assert not error.transient


def test_one_session_is_enough_for_many_workers(make_bed: Any, make: MakeController) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1, sessions=1))
    controller = make(bed, slots=5, workers=5)
    tasks = [controller.push(BRIEF) for _ in range(50)]
    assert {task.result(200) for task in tasks} == {"h1"}


def test_a_host_without_crew_is_an_error_that_says_what_helps(ssh_bed: SshBed) -> None:
    error = errors_of(ssh_bed, python=os.path.realpath(sys.executable), env={})
    assert "cannot import crew_core" in str(error)
    assert "bootstrap=True" in str(error)
    assert not error.transient


def test_another_version_of_crew_is_an_error_that_names_both(
    ssh_bed: SshBed, tmp_path: Path
) -> None:
    (tmp_path / "crew_core").mkdir()
    (tmp_path / "crew_core" / "__init__.py").write_text("")
    folder = tmp_path / "crew_core-0.0.7.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: crew-core\nVersion: 0.0.7\n")
    error = errors_of(ssh_bed, env={"PYTHONPATH": str(tmp_path)})
    assert "h1 has crew-core 0.0.7" in str(error)
    assert f"this controller {version('crew-core')}" in str(error)
    assert not error.transient


def test_crew_is_brought_to_a_host_without_it(ssh_bed: SshBed, make: MakeController) -> None:
    bare = os.path.realpath(sys.executable)
    controller = make(ssh_bed, hosts=("h1",), python=bare, env={}, bootstrap=True)
    where = "(__import__('crew_core').__file__, __import__('sys').prefix)"
    for path in controller.push(where).result(200):
        assert path.startswith(f"{ssh_bed.run_directory}/environments/")


def test_the_monitor_shows_and_ends_workers(ssh_bed: SshBed, make: MakeController) -> None:
    controller = make(ssh_bed, hosts=("h1",), workers=2, retry_tasks=False)
    controller.push(WHERE).result(200)
    monitor = crew.monitor("ssh", **options_on(ssh_bed))
    rows = monitor.jobs()
    ours = rows[rows["controller"] == controller.name]
    assert set(ours["state"]) == {"running"}
    assert set(ours["host"]) == {"h1"}
    assert (ours["pid"] > 0).all()
    assert (ours["since"] > 0).all()
    assert (ours["cpu"] > 0).all()
    assert (ours["memory"] > 0).all()
    assert set(ours["job"]) <= set(controller.launcher.summary()["job"])
    monitor.terminate(list(ours["job"]))

    def are_cancelled() -> bool:
        rows = monitor.jobs()
        return set(rows[rows["controller"] == controller.name]["state"]) == {"cancelled"}

    until(are_cancelled)


def shown(*words: str, folder: Path) -> list[dict[str, Any]]:
    """What ``crew monitor`` shows in a folder."""
    command = [sys.executable, "-m", "crew_core", "monitor", *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_the_command_line_finds_hosts_of_sessions_and_of_the_configuration(
    ssh_bed: SshBed, make: MakeController, tmp_path: Path
) -> None:
    controller = make(ssh_bed, hosts=("h2",))
    controller.push(WHERE).result(200)
    (job,) = controller.launcher.summary()["job"]
    rows = shown("ssh", folder=tmp_path)
    assert job in [row["job"] for row in rows if row["state"] == "running"]
    (tmp_path / "crew.toml").write_text(
        f"""
        [controllers.lab]
        launcher = "ssh"
        workers = 3
        hosts = ["h1", {{host = "h2", slots = 1}}]
        ssh_config = "{ssh_bed.ssh_config}"
        run_directory = "{ssh_bed.run_directory}"
        python = "{sys.executable}"
        """
    )
    rows = shown("lab", folder=tmp_path)
    assert job in [row["job"] for row in rows if row["state"] == "running"]


def test_a_tunnel_comes_back_after_sshd_was_restarted(
    make_bed: Any, make: MakeController, tmp_path: Path
) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1))
    controller = make(bed, hosts=("h1",), tunnel=True)
    pid = controller.push("__import__('os').getppid()").result(200)
    task = controller.push(late(5, tmp_path / "began"))
    until((tmp_path / "began").exists)
    bed.stop_host("h1")
    bed.start_host("h1")
    assert task.result(200) == "h1"
    assert controller.push("__import__('os').getppid()").result(200) == pid, "the same worker"
