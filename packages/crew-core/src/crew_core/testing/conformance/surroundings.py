"""Checks that launching leaves this process and this computer as they were."""

from __future__ import annotations

import gc
import os
import signal
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from crew_core._launcher.base import Launcher
from crew_core.testing.bench import Bench, poll
from crew_core.testing.conformance.base import Checks


class SurroundingsChecks(Checks):
    """Launching leaves this process and this computer as they were."""

    def test_making_a_launcher_starts_nothing(self, bench: Bench) -> None:
        """A launcher starts no process when it is made: a controller may never be used."""
        # Its own: below them there may be a platform under test, which lives its own life.
        before = children(recursive=False)
        bench.launcher()
        started = children(recursive=False) - before
        assert started == set(), "nothing must start before the first launch"

    def test_ctrl_c_does_not_reach_workers(self, bench: Bench) -> None:
        """A launcher keeps workers out of this process's group, which the terminal interrupts."""
        probe = bench.probe()
        bench.start(bench.launcher(), probe)
        report = probe.report()
        ours = (os.getpgrp(), socket.gethostname())
        assert (report.group, report.host) != ours, "Ctrl-C is for the user's own process"

    def test_working_directory_stays(self, bench: Bench) -> None:
        """A launcher does not change this process's working directory."""
        before = Path.cwd()
        launch_and_end(bench)
        after = Path.cwd()
        os.chdir(before)
        assert after == before, "the working directory must stay"

    def test_file_modes_stay(self, bench: Bench) -> None:
        """A launcher does not change the mode that this process gives to new files."""
        before = mode_of_new_files(bench.folder / "before")
        launch_and_end(bench)
        after = mode_of_new_files(bench.folder / "after")
        assert after == before, "umask must stay"

    def test_signal_handlers_stay(self, bench: Bench) -> None:
        """A launcher does not change how this process takes signals."""
        before = handlers()
        launch_and_end(bench)
        after = handlers()
        for number, handler in before.items():
            signal.signal(number, handler)
        assert after == before, "signal handlers must stay"

    def test_no_open_file_is_left(self, bench: Bench) -> None:
        """A launcher opens no more files the longer it works."""
        launcher = bench.launcher()
        launch_and_end(bench, launcher)
        before = open_files()
        for _ in range(3):
            launch_and_end(bench, launcher)
        # One may be open for good reason; one for each launch is a leak.
        bench.wait(lambda: open_files() < before + 3, "files must be closed")

    def test_no_thread_keeps_python_from_ending(self, bench: Bench) -> None:
        """A launcher leaves no thread that Python would wait for at its end."""
        before = set(threading.enumerate())
        launch_and_end(bench)
        bench.wait(
            lambda: all(t.daemon for t in set(threading.enumerate()) - before),
            "threads must be daemons, or end with the launch",
        )

    def test_no_process_is_left(self, bench: Bench) -> None:
        """A launcher leaves no process of its own behind once its workers have ended."""
        before = children()
        launch_and_end(bench)
        bench.wait(lambda: children() <= before, "helpers must end")

    def test_logs_are_appended_to(self, bench: Bench) -> None:
        """A launcher that writes a worker's log keeps what is there, and makes missing folders."""
        log = bench.folder / "a new folder" / "worker's.log"
        log.parent.mkdir()
        log.write_text("earlier\n")
        probe = bench.probe(log=log)
        bench.start(bench.launcher(), probe)
        assert log.read_text().startswith("earlier\n"), "a log must not be emptied"

    def test_logs_are_private(self, bench: Bench) -> None:
        """A launcher that makes a worker's log lets no other user read it."""
        log = bench.folder / "new" / "worker.log"
        bench.start(bench.launcher(), bench.probe(log=log))
        if log.exists():
            assert not stat.S_IMODE(log.stat().st_mode) & 0o077, "outputs are the user's own"

    def test_output_of_jobs_is_text_or_nothing(self, bench: Bench) -> None:
        """A launcher shows a job's last output, or says that the platform keeps none."""
        launcher = bench.launcher()
        probe = bench.probe()
        (handle,) = bench.start(launcher, probe)
        probe.release()
        probe.await_end()

        def is_shown() -> bool:
            text = launcher.logs(handle)
            return text is None or probe.output in text

        # Platforms may pass it on late.
        bench.wait(is_shown, "logs must return the worker's output")

    def test_threads_may_launch(self, bench: Bench) -> None:
        """A launcher works in any thread: crew calls it from one of its own."""
        launcher, probe = bench.launcher(), bench.probe()
        with ThreadPoolExecutor(1) as thread:
            try:
                thread.submit(bench.launch, launcher, probe).result()
            except Exception as error:  # a plugin's code may raise anything
                raise AssertionError(f"launch must work in a thread: {error!r}") from error
        probe.report()

    def test_launchers_do_not_mix(self, bench: Bench) -> None:
        """A launcher does not mistake another controller's workers for its own."""
        one, two = bench.launcher(), bench.launcher()
        first, second = bench.probe(), bench.probe()
        jobs = [one.job(handle) for handle in bench.start(one, first)]
        jobs += [two.job(handle) for handle in bench.start(two, second)]
        assert len(set(jobs)) == 2, "two launchers' jobs must differ"
        assert (first.starts, second.starts) == (1, 1), "each must start its own worker"

    def test_launching_does_not_wait_for_workers(self, bench: Bench) -> None:
        """A launcher returns once the platform has taken the workers, not when they have ended."""
        launcher, probe = bench.launcher(), bench.probe()
        with ThreadPoolExecutor(1) as thread:
            launch = thread.submit(bench.launch, launcher, probe)
            probe.report()
            try:
                bench.wait(launch.done, "launch must return while its workers run")
            finally:
                probe.release()


def launch_and_end(bench: Bench, launcher: Launcher | None = None) -> None:
    """One worker's whole life."""
    used = launcher or bench.launcher()
    probe = bench.probe()
    handles = bench.start(used, probe)
    probe.release()
    probe.await_end()
    poll(used, handles)
    used.terminate(handles)


def children(*, recursive: bool = True) -> set[int]:
    """This process's children, without those that have ended and wait to be noticed."""
    found = set()
    for child in psutil.Process().children(recursive=recursive):
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def open_files() -> int:
    """How many this process has, without those that nobody can reach any more."""
    gc.collect()
    return psutil.Process().num_fds()


def mode_of_new_files(path: Path) -> int:
    """The mode of a file that this process makes."""
    path.touch()
    return stat.S_IMODE(path.stat().st_mode)


def handlers() -> dict[int, Any]:
    """How this process takes the signals that users send."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)
    return {number: signal.getsignal(number) for number in numbers}
