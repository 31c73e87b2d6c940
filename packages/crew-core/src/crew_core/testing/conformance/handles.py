"""Checks of what ``launch`` returns: one handle for each worker, as good as the platform's ids."""

from __future__ import annotations

import pickle
from typing import Any

from crew_core._launcher.base import Launcher
from crew_core._model.states import JobState
from crew_core.testing.bench import Bench, Probe, poll
from crew_core.testing.conformance.base import Checks, needs


class HandleChecks(Checks):
    """A launch starts each worker once and returns one handle for each."""

    def test_one_worker_is_one_handle(self, bench: Bench) -> None:
        """A launcher starts a single worker and returns a list of one handle."""
        check_size(bench, 1)

    def test_two_workers_are_two_handles(self, bench: Bench) -> None:
        """A launcher starts two workers and returns two handles."""
        check_size(bench, 2)

    def test_as_many_workers_as_one_submission_takes(self, bench: Bench) -> None:
        """A launcher starts as many workers as the platform takes in one submission."""
        check_size(bench, bench.limit)

    def test_more_workers_than_one_submission_takes(self, bench: Bench) -> None:
        """A launcher starts more workers than the platform takes in one submission."""
        check_size(bench, bench.limit + 1)

    def test_each_worker_starts_once(self, bench: Bench) -> None:
        """A launcher starts no worker twice."""
        probes = bench.probes(bench.limit)
        launcher = bench.launcher()
        handles = bench.start(launcher, *probes)
        end_all(bench, launcher, probes, handles)
        assert [probe.starts for probe in probes] == [1] * len(probes), "each must start once"

    def test_a_worker_that_left_is_not_started_again(self, bench: Bench) -> None:
        """A launcher starts no worker again that failed: crew decides about that."""
        launcher = bench.launcher()
        probe = bench.probe()
        handles = bench.start(launcher, probe)
        end_all(bench, launcher, [probe], handles, code=3)
        assert probe.starts == 1, "a worker that failed must not be started again"

    def test_handles_differ(self, bench: Bench) -> None:
        """A launcher gives each worker a handle of its own, in one launch and the next."""
        launcher = bench.launcher()
        handles = bench.launch(launcher, *bench.probes(2)) + bench.launch(launcher, bench.probe())
        texts = {pickle.dumps(handle) for handle in handles}
        assert len(texts) == 3, "workers must have handles that differ"

    def test_handles_are_in_the_order_of_workers(self, bench: Bench) -> None:
        """A launcher returns the handles in the order of the workers."""
        launcher = bench.launcher()
        needs(launcher, "poll")
        probes = bench.probes(bench.limit + 1)
        handles = bench.start(launcher, *probes)
        last = len(probes) - 1
        probes[last].release()
        bench.final_state(launcher, handles[last])
        finals = [state.final for state in poll(launcher, handles)]
        assert finals == [False] * last + [True], "handles must be in the order of the workers"

    def test_handles_can_be_pickled(self, bench: Bench) -> None:
        """A launcher's handles can be pickled: launches may happen in another process."""
        handles = bench.start(bench.launcher(), *bench.probes(2))
        try:
            copies = pickle.loads(pickle.dumps(handles))
        except Exception as error:  # a plugin's class may raise anything
            raise AssertionError(f"handles must pickle; they raise {error!r}") from error
        assert len(copies) == 2

    def test_copied_handles_are_as_good(self, bench: Bench) -> None:
        """A launcher knows its workers by copies of their handles."""
        launcher = bench.launcher()
        probe = bench.probe()
        (handle,) = bench.start(launcher, probe)
        copy = pickle.loads(pickle.dumps(handle))
        assert launcher.job(copy) == launcher.job(handle), "a copy must mean the same job"
        # The platform may notice that it runs between one question and the next.
        bench.wait(
            lambda: poll(launcher, [copy]) == poll(launcher, [handle]),
            "a copy must have the same state",
        )

    def test_handles_are_good_in_another_launcher(self, bench: Bench) -> None:
        """A launcher knows workers that another of its kind has launched."""
        probe = bench.probe()
        (handle,) = bench.start(bench.launcher(), probe)
        other = bench.launcher()
        states = (JobState.RUNNING, JobState.UNKNOWN)
        assert poll(other, [handle])[0] in states, "another launcher must not say that it ended"
        assert other.job(handle), "another launcher must know the job's name"

    def test_earlier_handles_stay_good(self, bench: Bench) -> None:
        """A launcher does not forget earlier workers when it launches more."""
        launcher = bench.launcher()
        first, second = bench.probe(), bench.probe()
        (handle,) = bench.start(launcher, first)
        job = launcher.job(handle)
        bench.start(launcher, second)
        assert launcher.job(handle) == job, "a job's name must not change"
        assert not poll(launcher, [handle])[0].final, "an earlier worker still runs"

    def test_jobs_have_names(self, bench: Bench) -> None:
        """A launcher calls each job by a name, as the platform's own tools write it."""
        launcher = bench.launcher()
        names = [launcher.job(handle) for handle in bench.start(launcher, *bench.probes(2))]
        assert all(isinstance(name, str) and name.strip() for name in names), "names must be text"
        assert len(set(names)) == 2, "jobs must have names that differ"
        assert all("\n" not in name and len(name) < 200 for name in names), "names must be short"


def check_size(bench: Bench, count: int) -> None:
    """Launch so many workers in one request; all must run, each with a handle."""
    probes = bench.probes(count)
    handles = bench.launch(bench.launcher(), *probes)
    assert isinstance(handles, list), "launch must return a list"
    assert len(handles) == count, "launch must return one handle for each worker"
    for probe in probes:
        probe.report()


def end_all(
    bench: Bench, launcher: Launcher, probes: list[Probe], handles: list[Any], *, code: int = 0
) -> None:
    """Let workers end, and wait until they have; the platform's word for it counts, if any."""
    for probe in probes:
        probe.release(code)
    for probe in probes:
        probe.await_end()
    if type(launcher).poll is not Launcher.poll:
        for handle in handles:
            bench.final_state(launcher, handle)
