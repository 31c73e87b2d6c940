"""Checks of ``poll``: what a launcher says of its workers is true, or that it does not know."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from crew_core._launcher.report import JobReport
from crew_core._model.states import JobState
from crew_core.testing.bench import Bench, poll
from crew_core.testing.conformance.base import Checks, needs


class PollChecks(Checks):
    """What a launcher says of its workers is true."""

    def test_poll_answers_for_each_handle(self, bench: Bench) -> None:
        """A launcher returns a JobState or a JobReport for each handle."""
        launcher = bench.launcher()
        handles = bench.start(launcher, *bench.probes(2))
        answers = launcher.poll(handles)
        assert len(answers) == 2, "poll must return one state for each handle"
        known = all(isinstance(answer, (JobState, JobReport)) for answer in answers)
        assert known, "poll must return JobStates or JobReports"

    def test_poll_of_nothing_is_nothing(self, bench: Bench) -> None:
        """A launcher that is asked about no worker answers with an empty list."""
        assert list(bench.launcher().poll([])) == [], "no handles, no states"

    def test_running_workers_have_not_ended(self, bench: Bench) -> None:
        """A launcher never says that a running worker has ended."""
        launcher = bench.launcher()
        handles = bench.start(launcher, *bench.probes(2))
        for _ in range(3):
            states = poll(launcher, handles)
            assert not any(state.final for state in states), "running workers have not ended"

    def test_running_workers_become_running(self, bench: Bench) -> None:
        """A launcher that polls says in time that a running worker runs."""
        launcher = bench.launcher()
        needs(launcher, "poll")
        handles = bench.start(launcher, bench.probe())
        bench.wait(
            lambda: poll(launcher, handles) == [JobState.RUNNING], "poll must say that it runs"
        )

    def test_success_is_finished(self, bench: Bench) -> None:
        """A launcher says "finished" of a worker that left with exit code 0."""
        assert ended(bench, 0) is JobState.FINISHED, "a worker that left as agreed has finished"

    def test_exit_codes_are_failures(self, bench: Bench) -> None:
        """A launcher says "failed" of a worker that left with another exit code."""
        assert ended(bench, 3) is JobState.FAILED, "a worker with exit code 3 has failed"

    def test_deaths_by_signals_are_failures(self, bench: Bench) -> None:
        """A launcher says "failed" of a worker that was killed."""
        assert ended(bench, -9) is JobState.FAILED, "a killed worker has failed"

    def test_final_states_stay(self, bench: Bench) -> None:
        """A launcher that has said how a worker ended says the same ever after."""
        launcher = bench.launcher()
        needs(launcher, "poll")
        probe = bench.probe()
        (handle,) = bench.start(launcher, probe)
        probe.release(3)
        first = bench.final_state(launcher, handle)
        later = [poll(launcher, [handle])[0] for _ in range(3)]
        assert later == [first] * 3, "a final state must stay"

    def test_final_states_stay_after_termination(self, bench: Bench) -> None:
        """A launcher does not say "cancelled" of a worker that had ended before."""
        launcher = bench.launcher()
        needs(launcher, "poll")
        probe = bench.probe()
        (handle,) = bench.start(launcher, probe)
        probe.release()
        first = bench.final_state(launcher, handle)
        launcher.terminate([handle])
        assert poll(launcher, [handle]) == [first], "terminate must not change how it ended"

    def test_many_are_told_apart(self, bench: Bench) -> None:
        """A launcher that is asked about many workers says the right state of each."""
        launcher = bench.launcher()
        needs(launcher, "poll")
        probes = bench.probes(4)
        handles = bench.start(launcher, *probes)
        probes[1].release(0)
        probes[2].release(3)
        bench.final_state(launcher, handles[1])
        bench.final_state(launcher, handles[2])
        finals = [state if state.final else None for state in poll(launcher, handles)]
        assert finals == [None, JobState.FINISHED, JobState.FAILED, None], "states must not mix"

    def test_handles_may_come_in_any_order(self, bench: Bench) -> None:
        """A launcher answers in the order of the question, not in that of the launches."""
        launcher = bench.launcher()
        needs(launcher, "poll")
        probes = bench.probes(2)
        handles = bench.start(launcher, *probes)
        probes[0].release()
        bench.final_state(launcher, handles[0])
        finals = [state.final for state in poll(launcher, handles[::-1])]
        assert finals == [False, True], "states must be in the order of the handles"

    def test_a_handle_may_be_asked_about_twice(self, bench: Bench) -> None:
        """A launcher answers twice when a handle is there twice."""
        launcher = bench.launcher()
        (handle,) = bench.start(launcher, bench.probe())
        states = poll(launcher, [handle, handle])
        assert len(states) == 2, "each mention of a handle must have its answer"
        assert states[0] == states[1], "one worker has one state"

    def test_polling_changes_nothing(self, bench: Bench) -> None:
        """A launcher that is asked about a worker leaves it alone."""
        launcher = bench.launcher()
        probe = bench.probe()
        handles = bench.start(launcher, probe)
        for _ in range(3):
            poll(launcher, handles)
        assert probe.running, "poll must not end workers"
        assert probe.starts == 1, "poll must not start workers"

    def test_workers_of_an_earlier_session_are_no_error(self, bench: Bench) -> None:
        """A launcher asked about a worker that ended in an earlier session does not say it runs."""
        earlier = bench.launcher()
        probe = bench.probe()
        (handle,) = bench.start(earlier, probe)
        probe.release()
        probe.await_end()
        later = bench.launcher()
        alive = [[JobState.PENDING], [JobState.RUNNING]]
        bench.wait(lambda: poll(later, [handle]) not in alive, "poll must not say that it runs")

    def test_threads_may_poll(self, bench: Bench) -> None:
        """A launcher can be asked from another thread than it launched from."""
        launcher = bench.launcher()
        handles = bench.start(launcher, bench.probe())
        with ThreadPoolExecutor(1) as thread:
            states = thread.submit(poll, launcher, handles).result()
        assert [state.final for state in states] == [False], "the worker runs"


def ended(bench: Bench, code: int) -> JobState:
    """What a launcher says of a worker that ended with this exit code, or by this signal."""
    launcher = bench.launcher()
    needs(launcher, "poll")
    probe = bench.probe()
    (handle,) = bench.start(launcher, probe)
    probe.release(code)
    return bench.final_state(launcher, handle)
