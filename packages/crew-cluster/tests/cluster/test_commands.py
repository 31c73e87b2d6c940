"""Commands are run without a shell, in a group of their own, for a limited time."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest

from crew_cluster._cluster.commands import CommandError, Runner


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def run(*argv: str, seconds: float = 60.0, stdin: bytes | None = None, **env: str) -> str:
    return Runner(env, seconds)(argv, stdin=stdin).stdout


def test_no_shell_reads_the_words() -> None:
    words = ["$HOME", "a b", "*", "; id", "`id`"]
    shown = run(*python("import sys; print(sys.argv[1:])"), *words)
    assert shown == f"{words}\n"


def test_the_environment_is_what_was_given() -> None:
    shown = run("/usr/bin/env", ONE="1")
    assert shown == "ONE=1\n"


def test_standard_input_is_what_was_given() -> None:
    assert run("/bin/cat", stdin=b"#BSUB -n 1\n") == "#BSUB -n 1\n"


def test_standard_input_is_empty_otherwise() -> None:
    assert run("/bin/cat") == ""


def test_another_program_runs_instead() -> None:
    run = Runner({}, 60, {"squeue": "/bin/echo"})
    assert run(["squeue", "--me"]).stdout == "--me\n"


def test_exit_code_and_both_outputs_are_told() -> None:
    answer = Runner({}, 60)(python("import sys; print('out'); sys.exit('err')"))
    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "out\n", "err\n")
    assert answer.words == "err\nout"


def test_output_that_is_no_text_is_readable() -> None:
    assert run(*python(r"import sys; sys.stdout.buffer.write(b'a\xffb')")) == "a�b"


def test_a_group_of_its_own() -> None:
    group = run(*python("import os; print(os.getpgrp() == os.getpid())"))
    assert group == "True\n"


def test_a_command_that_takes_too_long_is_killed_with_all_it_started() -> None:
    # A shell begins at once, where Python may take all the time that there is.
    text = "echo $$; sh -c 'sleep 600; true'; true"
    with pytest.raises(CommandError, match=r"no answer from .* within 5 s") as caught:
        run("/bin/sh", "-c", text, seconds=5.0, PATH=os.environ["PATH"])
    assert caught.value.began
    leader = int(caught.value.said)
    deadline = time.monotonic() + 30
    while _group_lives(leader) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _group_lives(leader)


def test_a_helper_that_stays_does_not_keep_us_waiting() -> None:
    helper = "import time; time.sleep(600)"
    text = (
        "import subprocess, sys; "
        f"p = subprocess.Popen([sys.executable, '-c', {helper!r}], start_new_session=True); "
        "print(p.pid)"
    )
    pid = int(run(*python(text)))
    os.kill(pid, signal.SIGKILL)  # it was still there


def test_a_missing_program_says_what_to_look_for() -> None:
    with pytest.raises(CommandError, match=r"no-such-program.*PATH") as caught:
        run("/no-such-program")
    assert not caught.value.began


def _group_lives(leader: int) -> bool:
    """True unless all of it has ended; who adopts orphans may be slow to look at how they did."""
    return any(_is_alive_in(leader, process) for process in psutil.process_iter())


def _is_alive_in(leader: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
