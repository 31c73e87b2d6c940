"""Whoever dies, and however: what goes on says so at once, and nothing of ours is left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.processes import has_ended
from crew_core._wire.segments.lock import Hold

pytestmark = pytest.mark.usefixtures("leaves_orphans")

Survivors = Callable[[], "list[psutil.Process]"]

SECONDS = 60

PRELUDE = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
import crew_core as crew

name, here = sys.argv[1], Path(sys.argv[2])


def say(*words):
    print(*words, flush=True)

def controller(**options):
    return crew.controller("local", name=name, **options)

def wait_for(path):
    while not path.exists():
        time.sleep(0.01)
    return path.name

def busy(path):
    # As hard to end as a task can be: deaf to signals, with a descendant in another session.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    path.write_text("running")
    while True:
        time.sleep(600)
"""


class Script:
    """A user's script that runs, and what it prints."""

    def __init__(self, code: str, name: str, folder: Path) -> None:
        path = folder / "script.py"
        path.write_text(PRELUDE + textwrap.dedent(code))
        self._errors = folder / "stderr"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(path), name, str(folder)],
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,
            )

    def line(self) -> str:
        """The next line it prints."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        assert ready, f"the script says nothing: {self.errors()}"
        line = self.process.stdout.readline().decode()
        assert line, f"the script has ended: {self.errors()}"
        return line.rstrip("\n")

    def end(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(SECONDS)

    def errors(self) -> str:
        """What it wrote on standard error."""
        return self._errors.read_text()

    def close(self) -> None:
        """End it and its process group, however it is."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def script(controller_name: str, tmp_path: Path) -> Iterator[Callable[[str], Script]]:
    """Starts a script."""
    started: list[Script] = []

    def start(code: str) -> Script:
        started.append(Script(code, controller_name, tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


def sockets(runtime: Path) -> list[Path]:
    return list(runtime.glob("crew/*"))


# ── Forks ──────────────────────────────────────────────────────────────────────────────────────

FORKS = """
def refused(call):
    try:
        call()
    except crew.CrewError as error:
        return "forked child" in str(error)
    return False

with controller(workers=1) as c:
    worker = c.submit(os.getpid).result()
    done = c.push(abs, (-1,))
    done.result()
    c.pop()
    slow = c.push(wait_for, (here / "go",), name="slow")
    client = c.client
    calls = {
        "push": lambda: c.push(abs, (1,)),
        "submit": lambda: c.submit(abs, 1),
        "walk": lambda: c.walk(abs, {"x": [1]}),
        "map": lambda: c.map("x", {"x": [1]}),
        "pop": c.pop,
        "collect": c.collect,
        "wait": c.wait,
        "cancel": lambda: c.cancel("slow"),
        "scale": c.scale,
        "autoscale": c.autoscale,
        "descale": c.descale,
        "launch": c.launch,
        "size": lambda: c.size,
        "empty": lambda: c.empty,
        "unresolved": lambda: c.unresolved,
        "summary": c.summary,
        "logs": lambda: c.logs("slow"),
        "crashes": lambda: c.crashes("slow"),
        "push_backlog": lambda: c.push_backlog("x"),
        "pop_backlog": c.pop_backlog,
        "client": lambda: c.client,
        "client.summary": client.summary,
        "start": c.start,
        "result": slow.result,
    }
    pid = os.fork()
    if pid == 0:
        say("not refused:", *[name for name, call in calls.items() if not refused(call)])
        say("done:", done.result(), c.started, type(slow.exception()).__name__)
        c.terminate()
        {leave}
    else:
        child = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        say("child", child, c.started)
        (here / "go").touch()
        c.wait()
        say(c.pop().result, slow.result(), c.submit(os.getpid).result() == worker)
"""


@pytest.mark.parametrize(("leave", "code"), [("pass", 0), ("sys.exit(3)", 3), ("os._exit(4)", 4)])
def test_a_script_may_fork_and_the_child_keeps_off(
    script: Callable[[str], Script], runtime: Path, survivors: Survivors, leave: str, code: int
) -> None:
    run = script(FORKS.replace("{leave}", leave))
    assert run.line() == "not refused:"
    assert run.line() == "done: 1 False CrewError"
    assert run.line() == f"child {code} True"
    assert run.line() == "go go True"
    assert run.end() == 0
    assert "Traceback" not in run.errors()
    assert survivors() == []
    assert sockets(runtime) == []


def test_a_script_may_use_multiprocessing_with_fork(
    script: Callable[[str], Script], runtime: Path, survivors: Survivors
) -> None:
    run = script("""
        import multiprocessing

        def child():
            try:
                c.submit(abs, 1)
            except crew.CrewError:
                say("refused")

        fork = multiprocessing.get_context("fork")
        with controller(workers=1) as c:
            worker = c.submit(os.getpid).result()
            process = fork.Process(target=child)
            process.start()
            process.join()
            with fork.Pool(2) as pool:
                say(process.exitcode, pool.map(abs, [-1, -2]))
            say(c.submit(os.getpid).result() == worker)
    """)
    assert [run.line() for _ in range(3)] == ["refused", "0 [1, 2]", "True"]
    assert run.end() == 0
    assert survivors() == []
    assert sockets(runtime) == []


def test_a_forked_child_may_have_a_controller_of_its_own(
    script: Callable[[str], Script], runtime: Path, survivors: Survivors
) -> None:
    run = script("""
        with controller(workers=1) as c:
            say(c.submit(abs, -1).result())
            pid = os.fork()
            if pid == 0:
                with crew.controller("local", name=name + "-child") as own:
                    say("child", own.submit(abs, -2).result())
            else:
                os.waitpid(pid, 0)
                say(c.submit(abs, -3).result())
    """)
    assert [run.line() for _ in range(3)] == ["1", "child 2", "3"]
    assert run.end() == 0
    assert survivors() == []
    assert sockets(runtime) == []


@pytest.mark.parametrize("held", [True, False])
def test_a_forked_child_that_stays_does_not_keep_the_workers(
    script: Callable[[str], Script], survivors: Survivors, held: bool
) -> None:
    run = script(f"""
        import gc

        def begin():
            c = controller(workers=1)
            c.submit(abs, 1).result()
            return c

        held = begin() if {held} else begin() and None
        gc.collect()
        if os.fork() == 0:
            say("child")
            time.sleep(600)
        time.sleep(600)
    """)
    assert run.line() == "child"
    run.process.kill()
    assert survivors() == []


# ── Ctrl-C, errors, ends without terminate ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "blocked",
    ["c.push(busy, (path,)); c.wait()", "c.submit(busy, path).result()", "c.map(busy, arguments)"],
)
def test_ctrl_c_interrupts_at_once_and_the_controller_is_usable_afterwards(
    script: Callable[[str], Script],
    runtime: Path,
    survivors: Survivors,
    tmp_path: Path,
    blocked: str,
) -> None:
    run = script(f"""
        path = here / "busy"
        arguments = {{"path": [path]}}
        with controller(workers=1) as c:
            worker = c.submit(os.getppid).result()
            try:
                {blocked}
            except KeyboardInterrupt:
                say("interrupted")
            c.cancel(all=True)
            c.wait()
            c.collect()
            say(c.submit(os.getppid).result() == worker)
            say(list(c.map("x + 1", {{"x": [1, 2]}})["result"]))
    """)
    crew.retry((tmp_path / "busy").exists, seconds_interval=0.01, seconds_timeout=SECONDS)
    # As a terminal does it: to the whole process group.
    os.killpg(run.process.pid, signal.SIGINT)
    assert [run.line() for _ in range(3)] == ["interrupted", "True", "[2, 3]"]
    assert run.end() == 0
    assert survivors() == []
    assert sockets(runtime) == []


ENDINGS = {
    "an error inside with": ("with controller() as c:\n    begin(c)\n    1 / 0", 1),
    "Ctrl-C inside with": (
        "with controller() as c:\n    begin(c)\n    os.kill(os.getpid(), signal.SIGINT)",
        -signal.SIGINT,
    ),
    "sys.exit inside with": ("with controller() as c:\n    begin(c)\n    sys.exit(3)", 3),
    "no terminate": ("c = controller()\nbegin(c)", 0),
    "an error, no terminate": ("c = controller()\nbegin(c)\n1 / 0", 1),
    "sys.exit, no terminate": ("c = controller()\nbegin(c)\nsys.exit(3)", 3),
    "sys.exit while workers start": ("c = controller()\nc.launch(2)\nsys.exit(3)", 3),
    "two controllers": ("c, d = controller(), controller()\nbegin(c)\nbegin(d)", 0),
    "the controller is forgotten": ("begin(controller())\nimport gc\ngc.collect()", 0),
    "begun in a thread": (
        "t = threading.Thread(target=lambda: begin(controller()))\nt.start()\nt.join()",
        0,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_script_leaves_nothing_however_it_ends(
    script: Callable[[str], Script], runtime: Path, survivors: Survivors, ending: str
) -> None:
    begin = """
def begin(c):
    path = here / str(id(c))
    c.push(busy, (path,))
    crew.retry(path.exists, seconds_interval=0.01)

"""
    code, exit_code = ENDINGS[ending]
    run = script(begin + code)
    assert run.end() == exit_code, run.errors()
    assert exit_code in (1, -signal.SIGINT) or run.errors() == ""
    assert survivors() == []
    assert sockets(runtime) == []


# ── The user's process is killed ───────────────────────────────────────────────────────────────

LIVES = {
    "idle workers": "c.launch(2)\nc.submit(abs, 1).result()",
    "a running task": "c.push(busy, (here / 'busy',))\ncrew.retry((here / 'busy').exists)",
    "workers that start": "c.launch(2)",
}


@pytest.mark.parametrize(
    ("life", "number"),
    [*((life, signal.SIGKILL) for life in LIVES), ("a running task", signal.SIGTERM)],
)
def test_nothing_survives_the_users_process(
    script: Callable[[str], Script],
    runtime: Path,
    survivors: Survivors,
    life: str,
    number: int,
) -> None:
    run = script(f"c = controller(workers=2)\n{LIVES[life]}\nsay('there')\ntime.sleep(600)")
    assert run.line() == "there"
    run.process.send_signal(number)
    assert run.end() == -number
    assert survivors() == []
    assert sockets(runtime) == []


def test_a_dispatcher_does_not_wait_for_a_client_that_died_meanwhile(
    script: Callable[[str], Script], controller_name: str, survivors: Survivors
) -> None:
    run = script("controller().start()\ntime.sleep(600)")
    dispatcher = crew.retry(
        lambda: _children_with(run.process.pid, controller_name), seconds_interval=0.005
    )[0]
    dispatcher.suspend()  # before it is ready, or else before it has said so
    run.process.kill()
    run.end()
    dispatcher.resume()
    assert survivors() == []


def _children_with(pid: int, word: str) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if word in child.cmdline():
                found.append(child)
    return found


# ── The dispatcher is killed ───────────────────────────────────────────────────────────────────


def kill_at(pid: int, path: Path) -> None:
    """Kill a process and stay, as a task that runs on after its dispatcher."""
    path.write_text(str(os.getpid()))
    os.kill(pid, signal.SIGKILL)
    time.sleep(600)


BLOCKED: dict[str, Callable[[crew.Controller, int, Path], object]] = {
    "wait": lambda c, pid, path: (c.push(kill_at, (pid, path)), c.wait(seconds_timeout=SECONDS)),
    "wait for one": lambda c, pid, path: (c.push(kill_at, (pid, path)), c.wait("one", SECONDS)),
    "result": lambda c, pid, path: c.push(kill_at, (pid, path)).result(SECONDS),
    "submit": lambda c, pid, path: c.submit(kill_at, pid, path).result(SECONDS),
    "map": lambda c, pid, path: c.map(kill_at, {"pid": [pid], "path": [path]}),
}


@pytest.mark.parametrize("blocked", BLOCKED)
def test_who_waits_is_told_of_the_dispatchers_death(
    controller_name: str, tmp_path: Path, runtime: Path, survivors: Survivors, blocked: str
) -> None:
    controller = crew.controller("local", name=controller_name)
    with controller, pytest.raises(crew.DispatcherError, match="killed by signal 9"):
        BLOCKED[blocked](controller, controller.client.pid, tmp_path / "pid")
    assert survivors() == []
    assert sockets(runtime) == []


CALLS: dict[str, Callable[[crew.Controller], object]] = {
    "start": lambda c: c.start(),
    "push": lambda c: c.push(abs, (1,)),
    "submit": lambda c: c.submit(abs, 1),
    "walk": lambda c: c.walk(abs, {"x": [1]}),
    "pop": lambda c: c.pop(),
    "collect": lambda c: c.collect(),
    "wait": lambda c: c.wait(),
    "wait for one": lambda c: c.wait("one"),
    "scale": lambda c: c.scale(),
    "launch": lambda c: c.launch(),
    "cancel": lambda c: c.cancel("lost"),
    "client.summary": lambda c: c.client.summary(),
}


@pytest.mark.parametrize("empty", [True, False])
def test_every_call_tells_of_the_dispatchers_death_until_terminate(
    controller_name: str, runtime: Path, survivors: Survivors, empty: bool
) -> None:
    with crew.controller("local", name=controller_name) as controller:
        lost = controller.submit(time.sleep, 600) if empty else controller.push("1", name="lost")
        os.kill(controller.client.pid, signal.SIGKILL)
        assert isinstance(lost.exception(SECONDS), crew.DispatcherError)
        for call in CALLS.values():
            with pytest.raises(crew.DispatcherError, match=r"terminate\(\)"):
                call(controller)
        controller.terminate()
        assert survivors() == []
        assert controller.submit(abs, -1).result(SECONDS) == 1
    assert survivors() == []
    assert sockets(runtime) == []


def test_what_had_ended_before_the_dispatchers_death_is_still_there(
    controller_name: str,
) -> None:
    with crew.controller("local", name=controller_name) as controller:
        controller.push("1 + 1", name="two")
        assert controller.wait(seconds_timeout=SECONDS)
        lost = controller.push(time.sleep, (600,), name="lost")
        os.kill(controller.client.pid, signal.SIGKILL)
        assert isinstance(lost.exception(SECONDS), crew.DispatcherError)
        record = controller.pop()
        assert record is not None
        assert (record.name, record.result) == ("two", 2)
        with pytest.raises(crew.DispatcherError):
            controller.pop()


def test_workers_leave_when_their_dispatcher_is_killed_and_nobody_calls_terminate(
    script: Callable[[str], Script], survivors: Survivors
) -> None:
    run = script("""
        c = controller(workers=2)
        c.launch(1)
        c.push(busy, (here / "busy",))
        crew.retry((here / "busy").exists)
        say(c.client.pid)
        time.sleep(600)
    """)
    os.kill(int(run.line()), signal.SIGKILL)
    assert survivors() == []
    assert run.process.poll() is None


# ── A worker is killed ─────────────────────────────────────────────────────────────────────────


def with_descendants(folder: Path) -> str:
    """At the first try, leave descendants of all kinds and stay; at the second, return."""
    if (folder / "tried").exists():
        return "second try"
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    pids = [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os.setsid()
        (folder / f"forked-{os.getpid()}").touch()
        time.sleep(600)
    crew.retry(lambda: len(list(folder.glob("forked-*"))) == 2, seconds_interval=0.01)
    pids += [int(path.name.partition("-")[2]) for path in folder.glob("forked-*")]
    (folder / "pids").write_text(" ".join(map(str, [os.getpid(), os.getppid(), *pids])))
    (folder / "pids").rename(folder / "tried")
    time.sleep(600)
    raise AssertionError("it was not ended")


@pytest.mark.parametrize("victim", ["supervisor", "task process"])
def test_a_killed_worker_leaves_no_descendants_and_its_task_is_tried_again(
    controller_name: str, tmp_path: Path, runtime: Path, survivors: Survivors, victim: str
) -> None:
    with crew.controller("local", name=controller_name) as controller:
        controller.push(with_descendants, (tmp_path,), name="task")
        tried = tmp_path / "tried"
        crew.retry(tried.exists, seconds_interval=0.01, seconds_timeout=SECONDS)
        pids = [int(pid) for pid in tried.read_text().split()]
        task_process, supervisor = pids[:2]
        family = [psutil.Process(pid) for pid in pids]
        assert len(family) == 6
        os.kill(supervisor if victim == "supervisor" else task_process, signal.SIGKILL)
        assert controller.wait(seconds_timeout=SECONDS)
        record = controller.pop()
        assert record is not None
        assert (record.result, record.attempts) == ("second try", 2)
        if victim == "task process":
            family = [process for process in family if process.pid != supervisor]
            assert record.pid != task_process
            controller.terminate()  # its descendants end with their worker
        crew.retry(lambda: all(map(has_ended, family)), seconds_timeout=SECONDS)
    assert survivors() == []
    assert sockets(runtime) == []


# ── Memory that processes share ────────────────────────────────────────────────────────────────


def memory_of(pid: int) -> list[Path]:
    """The directories of segments that a process has made, or has left."""
    return list(Path(f"/dev/shm/crew-{os.getuid()}").glob(f"{pid}-*"))


LARGE = """
    import numpy

    def hold(array, path):
        path.touch()
        time.sleep(600)

    big = numpy.ones(1 << 18)
    c = controller(workers=2)
    unopened = c.submit(numpy.copy, big)
    opened = c.submit(numpy.copy, big).result()
    crew.retry(unopened.done, seconds_interval=0.01)
    c.submit(hold, big, here / "runs")
    crew.retry((here / "runs").exists, seconds_interval=0.01)
    waiting = [c.submit(hold, big, here / "never") for _ in range(3)]
    say(c.client.pid)
    time.sleep(600)
"""

KILLED = [["user"], ["dispatcher", "user"], ["user", "dispatcher"]]


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no memory as files here")
@pytest.mark.parametrize("killed", KILLED, ids=" and ".join)
def test_no_memory_is_left_when_others_are_killed(
    script: Callable[[str], Script], survivors: Survivors, killed: list[str]
) -> None:
    run = script(LARGE)
    pids = {"dispatcher": int(run.line()), "user": run.process.pid}
    (place,) = memory_of(run.process.pid)
    assert len(list(place.iterdir())) > 1
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped, so that none sees another die
        for who in killed:
            os.kill(pids[who], number)
    assert run.end() == -signal.SIGKILL
    assert survivors() == []
    assert memory_of(run.process.pid) == []


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no memory as files here")
def test_workers_wait_for_who_is_slow_to_die_with_the_memory(
    script: Callable[[str], Script], survivors: Survivors
) -> None:
    run = script(LARGE)
    dispatcher = psutil.Process(int(run.line()))
    user = psutil.Process(run.process.pid)
    tasks = [each for each in user.children(recursive=True) if not each.children()]
    (place,) = memory_of(user.pid)
    hold = Hold(place)  # as the kernel keeps it for who is being killed
    dispatcher.suspend()  # it must not see its user die, and tell the workers to go
    user.kill()
    dispatcher.kill()
    run.end()
    crew.retry(lambda: all(has_ended(each) for each in tasks), seconds_interval=0.01)
    hold.release()
    assert survivors() == []
    assert memory_of(user.pid) == []


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no memory as files here")
def test_when_all_are_killed_the_next_controller_removes_their_memory(
    script: Callable[[str], Script], survivors: Survivors
) -> None:
    run = script(LARGE)
    run.line()
    user = psutil.Process(run.process.pid)
    everybody = [user, *user.children(recursive=True)]
    for process in everybody:
        process.suspend()  # so that none has the time to notice
    for process in everybody:
        process.kill()
    run.end()
    assert survivors() == []
    with crew.controller("local"):
        assert memory_of(run.process.pid) == []
