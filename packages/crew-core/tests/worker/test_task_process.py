"""A task process holds out against all that users' code does to a process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crew_core._wire.messages import decode_detail

SECONDS = 60


def pid() -> int:
    return os.getpid()


def wait_for_ever() -> None:
    print("waiting", flush=True)  # noqa: T201
    while True:
        time.sleep(60)


def segfault() -> None:
    ctypes.string_at(0)


def hides_interrupt() -> str:
    try:
        wait_for_ever()
    except KeyboardInterrupt:
        return "caught"
    return "not reached"


def test_it_says_that_it_is_up(process: Any) -> None:
    process.value(pid)
    assert process.ready.pid == process.process.pid


def test_it_leaves_when_the_inbox_ends(process: Any) -> None:
    process.value("import atexit; atexit.register(print, 'bye')\n0")
    assert process.leave() == 0
    assert "bye" in process.output()


def test_it_dies_with_the_lifeline_and_so_do_its_children(process: Any) -> None:
    def fork_and_spin() -> None:
        child = os.fork()
        print(child or "child", flush=True)  # noqa: T201
        while True:
            pass

    process.send(fork_and_spin)
    lines = {process.line(), process.line()}
    os.close(process.lifeline_in)
    process.lifeline_in = -1
    assert process.process.wait(SECONDS) == -signal.SIGKILL
    assert process.output() == ""  # the end of the pipe: the child has gone too
    assert "child" in lines


def test_a_task_may_fork_and_the_child_may_return(process: Any) -> None:
    def fork() -> int:
        child = os.fork()
        if child == 0:
            print("in the child")  # noqa: T201
            return -1
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert process.value(fork) == 0
    assert process.value(pid) == process.process.pid
    process.leave()
    assert process.output().count("in the child") == 1


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(3)", 3), ("1 / 0", 1), ("sys.exit()", 0)])
def test_a_forked_child_ends_as_a_script_would(process: Any, ending: str, code: int) -> None:
    text = f"""
import os, sys
child = os.fork()
if child == 0:
    {ending}
os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""
    assert process.value(text) == code


def test_a_forked_child_that_stays_does_not_keep_our_pipes(process: Any) -> None:
    def fork() -> None:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)

    process.value(fork)
    process.feed.close()
    assert process.next() is None


def test_multiprocessing_works_in_a_task(process: Any) -> None:
    text = """
import multiprocessing
with multiprocessing.get_context(method).Pool(2) as pool:
    value = pool.map(abs, [-1, -2])
value
"""
    for method in ("fork", "spawn"):
        assert process.value(text, data={"method": method}) == [1, 2]


@pytest.mark.parametrize(
    ("die", "code"),
    [
        (lambda: os._exit(3), 3),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), -signal.SIGSEGV),
        (segfault, -signal.SIGSEGV),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM),
    ],
)
def test_a_death_is_told_by_the_exit_code(process: Any, die: Callable[[], None], code: int) -> None:
    process.send(die)
    assert process.next() is None
    assert process.process.wait(SECONDS) == code
    if code == -signal.SIGSEGV:
        assert "Fatal Python error: Segmentation fault" in process.output()


def test_a_thread_that_a_task_leaves_does_no_harm(process: Any) -> None:
    def leave_thread() -> None:
        threading.Thread(target=time.sleep, args=(SECONDS,), daemon=True).start()

    process.value(leave_thread)
    assert process.value(pid) == process.process.pid
    assert process.leave() == 0


def test_replaced_streams_are_put_back(process: Any) -> None:
    def replace() -> None:
        import io

        sys.stdout.close()
        sys.stdout = sys.stderr = io.StringIO()
        sys.stdin.close()

    process.value(replace)
    process.value("print('after'); import sys; print('error', file=sys.stderr); sys.stdin.read()")
    process.leave()
    assert process.output() == "after\nerror\n"


def test_output_is_written_when_the_task_ends(process: Any) -> None:
    process.value("print('half a line', end='')")
    assert os.read(process.process.stdout.fileno(), 100) == b"half a line"


def test_what_cannot_be_encoded_can_be_printed(process: Any) -> None:
    process.value("print('\\udcff')")
    assert process.line() == "\\udcff"


def test_standard_input_is_empty(process: Any) -> None:
    assert process.value("import sys; sys.stdin.read()") == ""


def test_the_working_directory_may_change(process: Any, tmp_path: Path) -> None:
    process.value(os.chdir, str(tmp_path))
    assert process.value(os.getcwd) == str(tmp_path)


def test_a_running_task_is_interrupted(process: Any) -> None:
    process.send(wait_for_ever)
    assert process.line() == "waiting"
    process.interrupt()
    done = process.next()
    assert done.interrupted
    detail = decode_detail(done.outcome.detail)
    assert detail.error == "TaskInterrupt: the task was interrupted"
    assert detail.exception is None
    assert "interrupts.py" not in (detail.trace or "")
    assert process.value(pid) == process.process.pid


def test_a_coroutine_is_interrupted(process: Any) -> None:
    async def wait() -> None:
        import asyncio

        print("waiting", flush=True)  # noqa: T201
        await asyncio.sleep(60)

    process.send(wait)
    process.line()
    process.interrupt()
    assert process.next().interrupted
    assert process.value(pid) == process.process.pid


def test_a_task_that_handles_the_interrupt_is_marked_all_the_same(process: Any) -> None:
    process.send(hides_interrupt)
    process.line()
    process.interrupt()
    done = process.next()
    assert done.interrupted
    assert done.outcome.status == 0


def test_an_interrupt_while_idle_is_ignored(process: Any) -> None:
    process.value(pid)
    process.interrupt()
    assert process.value(pid) == process.process.pid


def test_interrupts_at_any_moment_never_end_the_process(process: Any) -> None:
    process.value(pid)
    for _ in range(300):
        process.send(pid)
        process.interrupt()
        assert process.next() is not None
    assert process.value(pid) == process.process.pid


def test_a_task_cannot_keep_the_signals(process: Any) -> None:
    def take_over() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, lambda *_: sys.exit("late"))
        signal.setitimer(signal.ITIMER_REAL, 600)

    process.value(take_over)
    assert process.value(signal.getitimer, signal.ITIMER_REAL) == (0.0, 0.0)
    assert process.value("import signal; signal.getsignal(signal.SIGALRM) is signal.SIG_DFL")
    process.send(wait_for_ever)
    process.line()
    process.interrupt()
    assert process.next().interrupted
    process.process.terminate()
    assert process.process.wait(SECONDS) == -signal.SIGTERM


def test_descriptors_do_not_leak_into_programs(process: Any) -> None:
    text = """
import subprocess, sys
script = "import os; print(sorted(int(f) for f in os.listdir('/dev/fd')))"
eval(subprocess.run([sys.executable, "-c", script], close_fds=False, capture_output=True).stdout)
"""
    assert len(process.value(text)) <= 4  # 0, 1, 2 and the listing itself


def test_only_what_is_needed_is_imported(process: Any) -> None:
    modules = set(process.value("import sys; sorted(sys.modules)"))
    forbidden = {"pandas", "numpy", "boto3", "paramiko", "pluggy", "psutil", "asyncio"}
    assert not modules & (forbidden | {"cloudpickle", "crew_core._controller", "ctypes.util"})
