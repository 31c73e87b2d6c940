"""Checks of launches that cannot succeed: a clear error, all or nothing, and life goes on."""

from __future__ import annotations

import pickle

import pytest

from crew_core._launcher.base import Launcher
from crew_core._model.errors import CrewError, LaunchError
from crew_core.testing.bench import Bench
from crew_core.testing.conformance.base import Checks

MISSING = "/no/such/program"


class FailureChecks(Checks):
    """A launch that cannot succeed is a clear error, and leaves nothing behind.

    Many platforms take every job and find out later. There the worker must be seen to have failed.
    """

    def test_a_missing_program_is_noticed(self, bench: Bench) -> None:
        """A launcher raises for a program that is not there, or says later that it failed."""
        launcher = bench.launcher()
        error, handles = try_missing(bench, launcher)
        if error is None and type(launcher).poll is not Launcher.poll:
            bench.final_state(launcher, handles[0])

    def test_failed_launches_are_launch_errors(self, bench: Bench) -> None:
        """A launcher raises LaunchError, so that users know whose fault it is."""
        error = missing_error(bench)
        assert isinstance(error, LaunchError), f"launch must raise LaunchError, not {error!r}"

    def test_launch_errors_say_what_failed(self, bench: Bench) -> None:
        """A launcher's error names the worker, the program, or the command that failed."""
        error = missing_error(bench)
        text = f"{error} {getattr(error, 'stderr', '')}"
        assert MISSING in text or "crew-bench-" in text, "the message must say what failed"

    def test_launch_errors_say_whether_to_try_again(self, bench: Bench) -> None:
        """A launcher does not call a failure transient that will stay."""
        error = missing_error(bench)
        assert not getattr(error, "transient", False), "no later try will find this program"

    def test_launch_errors_can_be_pickled(self, bench: Bench) -> None:
        """A launcher's errors can be pickled: launches may happen in another process."""
        error = missing_error(bench)
        try:
            copy = pickle.loads(pickle.dumps(error))
        except Exception as trouble:  # a plugin's class may raise anything
            raise AssertionError(f"errors must pickle; this raises {trouble!r}") from trouble
        assert (str(copy), vars(copy)) == (str(error), vars(error)), "a copy must say the same"

    def test_a_failed_launch_starts_no_worker(self, bench: Bench) -> None:
        """A launcher that raises has ended what it had started."""
        launcher = bench.launcher()
        good, bad = bench.probe(), bench.probe(argv=(MISSING,), worker=2)
        try:
            bench.launch(launcher, good, bad)
        except CrewError:
            # A worker that comes up after this one is too late to be noticed.
            bench.start(launcher, bench.probe())
            good.await_end()

    def test_launches_go_on_after_a_failure(self, bench: Bench) -> None:
        """A launcher can launch again after a launch that failed."""
        launcher = bench.launcher()
        try_missing(bench, launcher)
        bench.start(launcher, bench.probe())

    def test_earlier_workers_survive_a_failure(self, bench: Bench) -> None:
        """A launcher ends no worker of an earlier launch when a later one fails."""
        launcher = bench.launcher()
        probe = bench.probe()
        bench.start(launcher, probe)
        try_missing(bench, launcher)
        assert probe.running, "an earlier worker must go on"


def try_missing(bench: Bench, launcher: Launcher) -> tuple[Exception | None, list[object]]:
    """Launch a program that is not there; the error, or the handles."""
    try:
        return None, bench.launch(launcher, bench.probe(argv=(MISSING, "-m", "crew_core._worker")))
    except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
        return error, []


def missing_error(bench: Bench) -> Exception:
    """What ``launch`` raises for a program that is not there; without an error, skip."""
    error, _ = try_missing(bench, bench.launcher())
    if error is None:
        pytest.skip("the platform takes every job and finds out later")
    return error
