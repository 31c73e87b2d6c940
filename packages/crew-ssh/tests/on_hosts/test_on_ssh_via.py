"""A scheduler's commands run on a login node, and workers come back through it: SLURM and sshd."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core.plugins import ConfigError, LaunchError, command_runner
from testbeds.slurm import SlurmBed
from testbeds.ssh import SshBed
from testbeds.waiting import until

pytest.importorskip("crew_cluster")

Options = dict[str, Any]
MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def options(ssh_bed: SshBed, slurm_bed: SlurmBed, tmp_path: Path) -> Options:
    """For controllers on SLURM, whose client is on h1 alone: nothing here knows where SLURM is."""
    path = os.environ.get("PYTHONPATH")
    return {
        "via": {
            "address": "ssh://h1",
            "ssh_config": str(ssh_bed.ssh_config),
            "run_directory": ssh_bed.run_directory,
            "python": sys.executable,
            "env": dict(slurm_bed.environment()),
        },
        "python": sys.executable,
        "script_directory": str(tmp_path / "scripts"),
        "script_lines": (f"export PYTHONPATH='{path}'",) if path else (),
    }


@pytest.fixture
def make(options: Options) -> Iterator[MakeController]:
    """Make controllers on SLURM by way of h1, which end with the test."""
    made: list[crew.Controller] = []

    def make(*, way: Options | None = None, **more: Any) -> crew.Controller:
        via = {**options["via"], **(way or {})}
        made.append(crew.controller("slurm", **{**options, "via": via, **more}))
        return made[-1]

    yield make
    for controller in made:
        controller.terminate()


def jobs_of(bed: SlurmBed, controller: str) -> list[str]:
    """Ids of a controller's jobs, as SLURM itself lists them."""
    lines = bed.ask("squeue", "-h", "-r", "-o", "%i %j").splitlines()
    return [line.split()[0] for line in lines if f"crew-{controller}-" in line]


@pytest.mark.parametrize("tunnel", ["auto", True, False])
def test_tasks_run_in_jobs_that_were_submitted_on_the_login_node(
    make: MakeController, slurm_bed: SlurmBed, tunnel: bool | str
) -> None:
    controller = make(workers=3, way={"tunnel": tunnel})
    tasks = [controller.push("__import__('os').environ['SLURM_JOB_ID']") for _ in range(30)]
    assert {task.result(120) for task in tasks}
    assert jobs_of(slurm_bed, controller.name)
    controller.terminate()
    until(lambda: not jobs_of(slurm_bed, controller.name), 60)


@pytest.mark.parametrize("scheduler", ["torque", "sge", "pbs", "lsf"])
def test_other_schedulers_are_reached_alike(
    request: pytest.FixtureRequest, options: Options, scheduler: str
) -> None:
    bed = request.getfixturevalue(f"{scheduler}_bed")
    via = {**options["via"], "tunnel": True, "env": dict(bed.environment())}
    with crew.controller(scheduler, workers=2, **{**options, "via": via}) as controller:
        tasks = [controller.push("6 * 7", name=f"task {number}") for number in range(10)]
        assert {task.result(120) for task in tasks} == {42}
        assert (
            crew.monitor(scheduler, via=via, script_directory=options["script_directory"])
            .jobs()["controller"]
            .eq(controller.name)
            .any()
        )


def test_a_tunnel_opens_no_port_of_this_computer_to_the_network(make: MakeController) -> None:
    controller = make(way={"tunnel": True})
    assert controller.launcher.host_default == "127.0.0.1"
    assert "127.0.0.1" not in controller.push("__import__('sys').argv").result(120)


def test_no_secret_is_left_on_the_login_node(make: MakeController, tmp_path: Path) -> None:
    controller = make(workers=2)
    [task.result(120) for task in [controller.push("1") for _ in range(4)]]
    for path in (tmp_path / "scripts").rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a job that starts takes files away
            assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"
            assert path.is_dir() or "CREW_SECRET" not in path.read_text(errors="replace")


def test_what_jobs_print_is_fetched_from_the_login_node(make: MakeController) -> None:
    controller = make()
    controller.push("print('printed in a job', flush=True)", name="talker").result(120)
    until(lambda: "printed in a job" in controller.logs("talker"))


def test_the_monitor_works_there_too(make: MakeController, options: Options) -> None:
    controller = make()
    controller.push("1").result(120)
    monitor = crew.monitor(
        "slurm", via=options["via"], script_directory=options["script_directory"]
    )
    rows = monitor.jobs()
    ours = rows[rows["controller"] == controller.name]
    assert set(ours["state"]) == {"running"}
    monitor.terminate(list(ours["job"]))

    def are_running() -> bool:
        rows = monitor.jobs()
        return "running" in set(rows[rows["controller"] == controller.name]["state"])

    until(lambda: not are_running())


def test_workers_come_back_after_the_login_nodes_sshd_was_restarted(
    make: MakeController, ssh_bed: SshBed
) -> None:
    controller = make(way={"tunnel": True})
    pid = controller.push("__import__('os').getppid()").result(120)
    ssh_bed.stop_host("h1")
    ssh_bed.start_host("h1")
    assert controller.push("__import__('os').getppid()").result(120) == pid, "the same worker"


def test_jobs_of_a_killed_session_are_cancelled(
    options: Options, slurm_bed: SlurmBed, tmp_path: Path
) -> None:
    program = tmp_path / "session.py"
    program.write_text(
        textwrap.dedent(f"""
            import time
            import crew_core as crew
            controller = crew.controller("slurm", workers=2, name="killed-via", **{options!r})
            print(controller.push("6 * 7").result(120), flush=True)
            time.sleep(1000)
        """)
    )
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"42\n"
        os.kill(session.pid, signal.SIGKILL)
    until(lambda: not jobs_of(slurm_bed, "killed-via"), 150)


# ── The command runner alone ───────────────────────────────────────────────────────────────────


def test_a_command_gets_what_it_is_given(options: Options) -> None:
    runner = command_runner(options["via"])
    told = runner.run(["sh", "-c", "cat; echo $A >&2; exit 3"], stdin=b"in\0put", env={"A": "b"})
    assert (told.returncode, told.stdout, told.stderr) == (3, b"in\0put", b"b\n")
    assert runner.environment()["CREW_BED_HOST"] == "h1"
    runner.close()
    assert runner.run(["echo", "again"]).stdout == b"again\n"
    runner.close()


def test_a_missing_program_and_a_slow_one_are_told_apart(options: Options) -> None:
    runner = command_runner(options["via"])
    with pytest.raises(LaunchError, match="cannot run 'no-such-program'") as caught:
        runner.run(["no-such-program"])
    assert not caught.value.transient
    with pytest.raises(TimeoutError):
        runner.run(["sleep", "100"], seconds=0.5)
    runner.close()


def test_impossible_ways_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="via="):
        crew.controller("slurm", via="login.cluster")
    with pytest.raises(ConfigError, match="tunnel"):
        crew.controller("slurm", via={"address": "ssh://h1", "tunnel": "maybe"})
    with pytest.raises(crew.PluginNotFoundError, match="carrier-pigeon"):
        crew.controller("slurm", via="carrier-pigeon://h1")
