"""Many workers on a host, several processes that launch, deaths in between, other Pythons."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.processes import has_ended
from on_hosts.conftest import MakeController, options_on
from on_hosts.tasks import BRIEF, WHERE, meet, meet_all
from testbeds.ssh import SshBed, SshBedOptions
from testbeds.turns import cleaning_up
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(300)

PID = "__import__('os').getppid()"


def carriers() -> list[psutil.Process]:
    """The processes of this one that hold connections."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "crew_ssh._carrier" in words_of(child)]


def words_of(process: psutil.Process) -> list[str]:
    """A process's command line; nothing of one that has just ended."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def ways_into(bed: SshBed, process: psutil.Process) -> int:
    """How many connections a process has to a bed's only host; none if it has just ended."""
    try:
        connections = process.net_connections()
    except psutil.Error:  # a carrier of a test before
        return 0
    return sum(bool(each.raddr) and each.raddr.port == bed.port for each in connections)


def test_fifty_workers_on_a_host_share_one_connection(
    make_bed: Any, make: MakeController, tmp_path: Path
) -> None:
    bed = make_bed(SshBed, SshBedOptions(count=1, sessions=2))
    controller = make(bed, hosts=("h1",), slots=50, workers=50, tunnel=True)
    tasks = [controller.push(meet_all(tmp_path / "workers", 50, PID)) for _ in range(50)]
    assert len({task.result(250) for task in tasks}) == 50
    assert sum(ways_into(bed, carrier) for carrier in carriers()) == 1


def test_launch_daemons_keep_to_the_slots_together(ssh_bed: SshBed, make: MakeController) -> None:
    controller = make(ssh_bed, hosts=("h1",), slots=2, workers=4, processes=2)
    tasks = [controller.push(f"__import__('time').sleep(0.2) or {PID}") for _ in range(40)]
    assert len({task.result(100) for task in tasks}) <= 2


def test_a_killed_carrier_is_replaced(
    ssh_bed: SshBed, make: MakeController, tmp_path: Path
) -> None:
    before = {carrier.pid for carrier in carriers()}
    controller = make(ssh_bed, hosts=("h1",), workers=2, tunnel=False)
    pid = controller.push(PID).result(200)
    (carrier,) = (each for each in carriers() if each.pid not in before)
    carrier.send_signal(signal.SIGKILL)
    carrier.wait(60)
    assert controller.push(PID).result(200) == pid, "its worker did not notice"
    one, other = tmp_path / "one", tmp_path / "other"
    tasks = [controller.push(meet(one, other)), controller.push(meet(other, one))]
    workers = {task.result(200) for task in tasks}
    assert len(workers) == 2, "another could be launched"
    controller.terminate()
    until(lambda: not any(psutil.pid_exists(worker) for worker in workers))


def test_a_user_may_fork_while_workers_run(ssh_bed: SshBed, tmp_path: Path) -> None:
    options = {**options_on(ssh_bed), "hosts": ("h1",)}
    program = tmp_path / "forks.py"
    program.write_text(
        "import os, sys\n"
        "import crew_core as crew\n"
        f"with crew.controller('ssh', **{options!r}) as controller:\n"
        f"    controller.push({WHERE!r}).result(200)\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        sys.exit(3)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3\n"
        f"    print(controller.push({WHERE!r}).result(200))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "h1\n"), done.stderr


def other_python() -> str | None:
    """An interpreter of another version than this one."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for path in sorted(Path(sys.base_prefix).parent.glob("*/bin/python3")):
        asked = [str(path), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if told and told != own and tuple(map(int, told.split("."))) >= (3, 8):
            return str(path)
    return None


def test_another_version_of_python_is_an_error_that_names_both(ssh_bed: SshBed) -> None:
    python = other_python()
    if python is None:
        pytest.skip("there is no other Python on this computer")
    own = {"hosts": ("h1",), "python": python}
    controller = crew.controller("ssh", **{**options_on(ssh_bed), **own})
    with pytest.raises(crew.LaunchError) as caught:
        controller.launch()
    controller.terminate()
    assert f"this controller runs Python {sys.version_info.major}" in str(caught.value)
    assert python in str(caught.value)
    assert not caught.value.transient


def test_a_prologue_and_variables_reach_tasks(ssh_bed: SshBed, make: MakeController) -> None:
    own = options_on(ssh_bed)["env"]
    host = {
        "host": "h1",
        "slots": 1,
        "env": {"FROM_HOST": "1"},
        "prologue": ["FROM_PROLOGUE=2; export FROM_PROLOGUE"],
        "workdir": "/",
    }
    controller = make(ssh_bed, hosts=(host,), env={**own, "FROM_ALL": "3"})
    names = "('FROM_HOST', 'FROM_PROLOGUE', 'FROM_ALL')"
    told = controller.push(f"import os; ([os.environ[n] for n in {names}], os.getcwd())")
    assert told.result(200) == (["1", "2", "3"], "/")


def test_no_command_line_on_a_host_holds_a_secret(ssh_bed: SshBed, make: MakeController) -> None:
    controller = make(ssh_bed, hosts=("h1",))
    variables, pid = controller.push(f"import os; (dict(os.environ), {PID})").result(200)
    assert "CREW_SECRET" not in variables, "tasks do not see it"
    secret = dict(
        entry.split("=", 1)
        for entry in Path(f"/proc/{pid}/environ").read_text().split("\0")
        if "=" in entry
    ).get("CREW_SECRET", "")
    lines = [
        " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    ]
    assert secret
    assert not any(secret in line for line in lines)
    assert os.stat(f"/proc/{pid}/environ").st_mode & 0o077 == 0


def test_results_do_not_depend_on_where_they_ran(ssh_bed: SshBed, make: MakeController) -> None:
    controller = make(ssh_bed, workers=3, slots=1)
    table = controller.map("x * x", iterate={"x": list(range(60))})
    assert list(table["result"]) == [x * x for x in range(60)]
    assert controller.push(BRIEF).result(200) in {"h1", "h2", "h3"}


def test_a_killed_sessions_workers_are_ended_by_who_cleans_up(
    ssh_bed: SshBed, tmp_path: Path
) -> None:
    program = tmp_path / "session.py"
    program.write_text(
        "import time\n"
        "import crew_core as crew\n"
        f"controller = crew.controller('ssh', workers=2, **{options_on(ssh_bed)!r})\n"
        f"print(controller.push({PID!r}).result(200), flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        worker = psutil.Process(int(session.stdout.readline()))
        left = psutil.Process(session.pid).children(recursive=True)
        os.kill(session.pid, signal.SIGKILL)
    for process in left:  # its dispatcher, too, which else would see to it
        if "crew_core._dispatcher" in " ".join(words_of(process)):
            process.kill()
            until(partial(has_ended, process))
    command = [sys.executable, "-m", "crew_core", "clean"]
    with cleaning_up():
        subprocess.run(command, check=True, capture_output=True, timeout=200)
    until(lambda: has_ended(worker))
