"""Job scripts start each worker once, and hold nothing secret."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from crew_cluster._cluster.directives import Dialect
from crew_cluster._cluster.folder import Folder
from crew_cluster._cluster.job import Job
from crew_cluster._cluster.script import UNSEEN, Start, assemble
from crew_cluster._cluster.start import start_lines
from crew_cluster._slurm.options import SlurmOptions
from crew_core.plugins import WorkerLaunch
from scripted.requests import request
from scripted.shell import complaints


def prepare(tmp_path: Path, *argv: str, count: int = 1) -> Job:
    """Make the folder of a job whose workers run this command."""
    asked = request(count)
    workers = [
        WorkerLaunch(worker=w.worker, instance=w.instance, name=w.name, argv=argv, env=w.env)
        for w in asked.workers
    ]
    job = Job("crew-c-i1", count, tmp_path / "it's a folder")
    Folder(job.folder).make([start_lines(worker) for worker in workers])
    return job


def run(script: str, *, shell: str = "/bin/bash", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell],
        input=script,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **env},
        check=False,
    )


def of(job: Job, place: str = "1", *, redirects: bool = False, **options: Any) -> str:
    start = Start(Dialect("#SBATCH"), place, redirects=redirects)
    return assemble(SlurmOptions(**options), job, ["#SBATCH --x"], start)


@pytest.mark.parametrize("redirects", [True, False])
def test_no_command_comes_before_a_directive(tmp_path: Path, redirects: bool) -> None:
    job = Job("n", 1, tmp_path)
    own = ("#SBATCH --mine", "module load python")
    lines = of(job, script_lines=own, redirects=redirects).splitlines()
    assert lines[:4] == ["#!/bin/bash", "#SBATCH --x", "#SBATCH --mine", "module load python"]


def test_several_lines_in_one_are_several(tmp_path: Path) -> None:
    lines = of(Job("n", 1, tmp_path), script_lines=("#SBATCH --a\n#SBATCH --b",)).splitlines()
    assert lines[:4] == ["#!/bin/bash", "#SBATCH --x", "#SBATCH --a", "#SBATCH --b"]


def test_what_the_users_lines_print_is_kept(tmp_path: Path) -> None:
    job = prepare(tmp_path, "echo", "worker", count=2)
    script = of(job, "2", redirects=True, script_lines=("echo before; echo trouble >&2",))
    assert run(script).stdout == ""
    assert Folder(job.folder).output(2) == "before\ntrouble\nworker\n"


def test_what_a_user_wants_elsewhere_is_not_redirected(tmp_path: Path) -> None:
    job = prepare(tmp_path, "echo", "worker")
    assert run(of(job, redirects=True, log_output="/dev/null")).stdout == "worker\n"


def test_a_job_whose_folder_is_gone_ends_at_once(tmp_path: Path) -> None:
    done = run(of(Job("n", 1, tmp_path / "gone"), redirects=True))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
def test_a_worker_gets_its_secret_and_its_command_line(tmp_path: Path, shell: str) -> None:
    job = prepare(tmp_path, "sh", "-c", 'echo "$CREW_SECRET $0"', "a  b")
    assert run(of(job), shell=shell).stdout == "secret-1 a  b\n"


def test_a_worker_of_an_array_gets_its_own(tmp_path: Path) -> None:
    job = prepare(tmp_path, "sh", "-c", 'echo "$CREW_SECRET"', count=3)
    assert run(of(job, "$INDEX"), INDEX="2").stdout == "secret-2\n"


def test_the_same_worker_does_not_start_twice(tmp_path: Path) -> None:
    job = prepare(tmp_path, "echo", "started")
    script = of(job)
    first, second = run(script), run(script)
    assert first.stdout == "started\n"
    assert (second.stdout, second.returncode) == ("", 0)
    assert "has started before" in second.stderr


def test_a_node_that_does_not_see_the_folders_says_so(tmp_path: Path) -> None:
    job = Job("n", 1, tmp_path / "not" / "there")
    done = run(of(job))
    assert done.returncode == UNSEEN
    assert f"does not see {tmp_path}/not" in done.stderr


def test_nothing_secret_stays_after_the_start(tmp_path: Path) -> None:
    job = prepare(tmp_path, "true")
    run(of(job))
    assert list(job.folder.iterdir()) == []


def test_the_script_holds_no_secret(tmp_path: Path) -> None:
    assert "secret" not in of(prepare(tmp_path, "true")).replace("crew", "")


def test_the_worker_takes_the_place_of_the_shell(tmp_path: Path) -> None:
    job = prepare(tmp_path, "sh", "-c", "echo $$")
    shown = run("echo $$\n" + of(job)).stdout.split()
    assert shown[0] == shown[1]


def test_the_exit_code_is_the_workers(tmp_path: Path) -> None:
    assert run(of(prepare(tmp_path, "sh", "-c", "exit 7"))).returncode == 7


def test_lines_after_the_worker_run_and_keep_its_exit_code(tmp_path: Path) -> None:
    job = prepare(tmp_path, "sh", "-c", "echo worker; exit 7")
    done = run(of(job, script_lines_after=("echo after",)))
    assert (done.stdout, done.returncode) == ("worker\nafter\n", 7)


def test_lines_after_the_worker_run_whatever_the_users_shell_minds(tmp_path: Path) -> None:
    job = prepare(tmp_path, "sh", "-c", "exit 7")
    done = run(of(job, script_lines=("set -eu",), script_lines_after=("echo after",)))
    assert (done.stdout, done.returncode) == ("after\n", 7)


def test_a_schedulers_own_lines_come_first_after_the_worker(tmp_path: Path) -> None:
    job = prepare(tmp_path, "sh", "-c", "exit 7")
    start = Start(Dialect("#SBATCH"), "1", after=("echo status $crew_status",))
    options = SlurmOptions(script_lines_after=("echo after",))
    done = run(assemble(options, job, [], start))
    assert (done.stdout, done.returncode) == ("status 7\nafter\n", 7)
    prepared = assemble(SlurmOptions(), prepare(tmp_path / "other", "true"), [], start)
    assert run(prepared).stdout == "status 0\n"


def test_lines_after_the_worker_run_when_a_signal_ends_it(tmp_path: Path) -> None:
    job = prepare(tmp_path, "sh", "-c", "kill -TERM $PPID; kill -TERM $$")
    done = run(of(job, script_lines_after=("echo after",)))
    assert (done.stdout, done.returncode) == ("after\n", 143)


def test_lines_after_the_worker_are_not_ended_by_who_cancels_a_job_as_its_worker_leaves(
    tmp_path: Path,
) -> None:
    job = prepare(tmp_path, "true")
    lines = ("kill -TERM $$", "sh -c 'kill -TERM $$; echo copied'", "echo after")
    done = run(of(job, script_lines_after=lines))
    assert (done.stdout, done.returncode) == ("copied\nafter\n", 0)


@pytest.mark.parametrize("after", [(), ("echo after",)])
def test_a_warning_ends_no_worker(tmp_path: Path, after: tuple[str, ...]) -> None:
    job = prepare(tmp_path, "sh", "-c", "kill -USR1 $$; echo worker")
    shown = run(of(job, script_lines_after=after)).stdout
    assert shown.split() == ["worker", *(["after"] if after else [])]


def test_a_users_last_line_cannot_swallow_ours(tmp_path: Path) -> None:
    job = prepare(tmp_path, "echo", "started")
    assert run(of(job, script_lines=("export A=1 \\",))).stdout == "started\n"


def test_the_start_of_the_job_is_told(tmp_path: Path) -> None:
    job = prepare(tmp_path, "sh", "-c", "echo $CREW_JOB_START_TIME; date +%s")
    start, now = map(int, run(of(job, script_lines=("sleep 1",))).stdout.split())
    assert start < now


def test_a_template_is_filled(tmp_path: Path) -> None:
    job = prepare(tmp_path, "echo", "started")
    template = tmp_path / "job.sh"
    template.write_text(
        "#!/bin/bash\n{{ directives }}\n# {{name}} {{ count }} {{ partition }} {{ qos }}.\n"
        "{{ script_lines }}\n{{ worker }}\n{{ script_lines_after }}\n"
    )
    script = of(job, template=template, partition="p", script_lines=("echo {{ name }}",))
    assert script.splitlines()[:3] == ["#!/bin/bash", "#SBATCH --x", "# crew-c-i1 1 p ."]
    assert run(script).stdout == "{{ name }}\nstarted\n"


@pytest.mark.parametrize("after", [(), ("echo after",)])
def test_bash_accepts_it(tmp_path: Path, after: tuple[str, ...]) -> None:
    job = Job("n", 3, tmp_path / 'a\'b "c" $d')
    assert complaints(of(job, "$X", script_lines_after=after)) == ""
