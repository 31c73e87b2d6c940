"""Checks of ``terminate``: it ends the workers it is given, for certain, and no others."""

from __future__ import annotations

import pickle
from typing import Any

from crew_core._launcher.base import Launcher
from crew_core.testing.bench import Bench
from crew_core.testing.conformance.base import Checks, needs


class TerminationChecks(Checks):
    """Termination ends the workers it is given, and no others."""

    def test_terminate_of_nothing_is_no_error(self, bench: Bench) -> None:
        """A launcher that is to end no worker does nothing."""
        launcher = bench.launcher()
        probe = bench.probe()
        bench.start(launcher, probe)
        launcher.terminate([])
        assert probe.running, "no handles, nothing to end"

    def test_terminate_ends_running_workers(self, bench: Bench) -> None:
        """A launcher ends running workers, several at once."""
        launcher = bench.launcher()
        needs(launcher, "terminate")
        probes = bench.probes(bench.limit + 1)
        launcher.terminate(bench.start(launcher, *probes))
        for probe in probes:
            probe.await_end()

    def test_terminate_spares_other_workers(self, bench: Bench) -> None:
        """A launcher ends no other worker than it was told to."""
        launcher = bench.launcher()
        needs(launcher, "terminate")
        probes = bench.probes(3)
        handles = bench.start(launcher, *probes)
        launcher.terminate([handles[1]])
        probes[1].await_end()
        running = [probe.running for probe in probes]
        assert running == [True, False, True], "only the worker named must end"

    def test_terminate_spares_workers_of_other_launchers(self, bench: Bench) -> None:
        """A launcher ends no worker of another controller."""
        mine, theirs = bench.launcher(), bench.launcher()
        needs(mine, "terminate")
        own, foreign = bench.probe(), bench.probe()
        handles = bench.start(mine, own)
        bench.start(theirs, foreign)
        mine.terminate(handles)
        own.await_end()
        assert foreign.running, "another launcher's worker must go on"

    def test_terminate_may_be_repeated(self, bench: Bench) -> None:
        """A launcher is not troubled by being told twice."""
        launcher = bench.launcher()
        handles = bench.start(launcher, *bench.probes(2))
        terminate_calmly(launcher, handles)
        terminate_calmly(launcher, handles)

    def test_a_handle_may_be_terminated_twice_at_once(self, bench: Bench) -> None:
        """A launcher is not troubled by a handle that it is given twice."""
        launcher = bench.launcher()
        (handle,) = bench.start(launcher, bench.probe())
        terminate_calmly(launcher, [handle, handle])

    def test_terminate_of_ended_workers_is_no_error(self, bench: Bench) -> None:
        """A launcher is not troubled by workers that ended by themselves."""
        launcher = bench.launcher()
        probe = bench.probe()
        handles = bench.start(launcher, probe)
        probe.release()
        probe.await_end()
        terminate_calmly(launcher, handles)

    def test_ended_workers_do_not_keep_others_from_their_end(self, bench: Bench) -> None:
        """A launcher ends the workers that run, also when others have ended already."""
        launcher = bench.launcher()
        needs(launcher, "terminate")
        ended, running = bench.probes(2)
        handles = bench.start(launcher, ended, running)
        ended.release()
        ended.await_end()
        terminate_calmly(launcher, handles)
        running.await_end()

    def test_workers_of_an_earlier_session_can_be_terminated(self, bench: Bench) -> None:
        """A launcher ends workers that another of its kind has launched."""
        needs(bench.launcher(), "terminate")
        probe = bench.probe()
        handles = bench.start(bench.launcher(), probe)
        bench.launcher().terminate(pickle.loads(pickle.dumps(handles)))
        probe.await_end()

    def test_unknown_workers_are_no_error(self, bench: Bench) -> None:
        """A launcher is not troubled by workers that ended in an earlier session."""
        earlier = bench.launcher()
        probe = bench.probe()
        handles = bench.start(earlier, probe)
        probe.release()
        probe.await_end()
        terminate_calmly(bench.launcher(), handles)

    def test_terminate_ends_workers_that_do_not_listen(self, bench: Bench) -> None:
        """A launcher ends workers for certain, also those that ignore a polite request."""
        launcher = bench.launcher()
        needs(launcher, "terminate")
        probe = bench.probe(stubborn=True)
        launcher.terminate(bench.start(launcher, probe))
        probe.await_end()

    def test_terminated_workers_have_ended(self, bench: Bench) -> None:
        """A launcher says in time that a terminated worker has ended."""
        launcher = bench.launcher()
        needs(launcher, "poll")
        needs(launcher, "terminate")
        (handle,) = bench.start(launcher, bench.probe())
        launcher.terminate([handle])
        bench.final_state(launcher, handle)

    def test_terminated_workers_are_not_started_again(self, bench: Bench) -> None:
        """A launcher lets no platform start a terminated worker again."""
        launcher = bench.launcher()
        needs(launcher, "terminate")
        probe = bench.probe()
        launcher.terminate(bench.start(launcher, probe))
        probe.await_end()
        assert probe.starts == 1, "a terminated worker must not be started again"

    def test_launches_go_on_after_termination(self, bench: Bench) -> None:
        """A launcher can launch again when it has terminated all it had."""
        launcher = bench.launcher()
        launcher.terminate(bench.start(launcher, bench.probe()))
        bench.start(launcher, bench.probe())


def terminate_calmly(launcher: Launcher, handles: list[Any]) -> None:
    """Terminate; whatever is raised is a failure of the check."""
    try:
        launcher.terminate(handles)
    except Exception as error:  # a plugin's code may raise anything
        raise AssertionError(f"terminate must not raise; it raised {error!r}") from error
