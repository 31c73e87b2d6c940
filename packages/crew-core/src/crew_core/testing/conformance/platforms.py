"""Checks for launchers whose platform a test can script: queues, refusals, losses, silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_core._launcher.base import Launcher
from crew_core._model.errors import CrewError, LaunchError
from crew_core._model.states import JobState
from crew_core.testing.bench import Bench, Probe, poll
from crew_core.testing.conformance.base import Checks, needs
from crew_core.testing.fake_platform import ScriptedPlatform
from crew_core.testing.recorded import Recorded

WORDS = "account 'x' has no hours left"


class PlatformChecks(Checks):
    """A launcher sees the platform as it is: slow, busy, forgetful, and down at times."""

    def platform(self, folder: Path) -> ScriptedPlatform:
        """Give the platform that launchers of this folder use. Override this.

        Args:
            folder: what ``launcher`` is given in the same test.
        """
        raise NotImplementedError(f"{type(self).__name__} must define platform(folder)")

    @pytest.fixture
    def scripted(self, tmp_path: Path) -> ScriptedPlatform:
        """The platform of one test."""
        return self.platform(tmp_path)

    def test_queued_workers_are_pending(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher says "pending" of a worker in the platform's queue, or that it cannot say."""
        scripted.hold()
        launcher = bench.launcher()
        (state,) = poll(launcher, bench.launch(launcher, bench.probe()))
        assert state in (JobState.PENDING, JobState.UNKNOWN), "a queued worker is pending"

    def test_queued_workers_start_in_the_end(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher leaves workers in the platform's queue until their turn comes."""
        scripted.hold()
        launcher, probe = bench.launcher(), bench.probe()
        poll(launcher, bench.launch(launcher, probe))
        scripted.release()
        probe.report()

    def test_queued_workers_can_be_terminated(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher takes workers out of the platform's queue: they never start."""
        scripted.hold()
        launcher, probe = bench.launcher(), bench.probe()
        launcher.terminate(bench.launch(launcher, probe))
        none_is_left(bench, scripted)
        assert probe.starts == 0, "a worker that was terminated in the queue must not start"

    def test_terminated_in_the_queue_is_ended(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher says that a worker has ended that was terminated in the queue."""
        scripted.hold()
        launcher = bench.launcher()
        (handle,) = bench.launch(launcher, bench.probe())
        launcher.terminate([handle])
        assert bench.final_state(launcher, handle) is not JobState.FINISHED, "it never worked"

    def test_queued_workers_end_with_their_controller(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher leaves no worker in the platform's queue for a controller that is gone."""
        needs(bench.launcher(), "terminate")
        scripted.hold()
        launcher = Recorded(bench.launcher())
        with bench.controller(launcher) as controller:
            controller.push("1")
            bench.wait(lambda: launcher.handles, "a worker must be launched")
        scripted.release()
        for handle in launcher.handles:
            bench.final_state(launcher, handle)

    def test_workers_that_die_in_the_queue_have_failed(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher notices that a worker died before it started."""
        scripted.hold()
        launcher = bench.launcher()
        (handle,) = bench.launch(launcher, bench.probe())
        scripted.fail_queued()
        assert bench.final_state(launcher, handle) is not JobState.FINISHED, "it never worked"

    def test_workers_ended_by_an_operator_have_ended(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher notices that somebody else has cancelled its worker."""
        launcher = bench.launcher()
        (handle,) = bench.start(launcher, bench.probe())
        scripted.cancel_all()
        state = bench.final_state(launcher, handle)
        assert state is not JobState.FINISHED, "a cancelled worker has not finished"

    def test_passing_refusals_are_transient(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher tells crew to try again later when the platform says so."""
        error = refusal(bench, scripted, transient=True)
        assert error.transient, "the platform will take it later"

    def test_lasting_refusals_are_not_transient(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher does not tell crew to try again what the platform will never take."""
        error = refusal(bench, scripted, transient=False)
        assert not error.transient, "the platform will never take it"

    def test_refusals_are_quoted(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher's error has the platform's own words: they say what to do."""
        error = refusal(bench, scripted, transient=False)
        assert WORDS in f"{error} {error.stderr}", "the platform's words must be there"

    def test_a_refused_part_ends_the_rest(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher ends what it had submitted when the platform refuses the rest."""
        scripted.refuse(WORDS, transient=True, after=1)
        launcher, probes = bench.launcher(), bench.probes(bench.limit + 1)
        with pytest.raises(CrewError):
            bench.launch(launcher, *probes)
        none_is_left(bench, scripted)

    def test_a_lost_answer_starts_no_worker_twice(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher that gets no answer does not submit the same workers again."""
        scripted.lose_answer()
        launcher, probes = bench.launcher(), bench.probes(2)
        if launched_all(bench, launcher, probes):
            for probe in probes:
                probe.report()
        assert sum(scripted.submissions) == 2, "each worker must be submitted once"

    def test_a_lost_answer_leaves_no_worker_behind(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher that gets no answer finds the workers that it started, or ends them."""
        scripted.lose_answer()
        launcher, probes = bench.launcher(), bench.probes(2)
        if not launched_all(bench, launcher, probes):
            none_is_left(bench, scripted)

    def test_unlisted_workers_have_not_ended(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher does not take a worker for dead that the platform does not list yet."""
        scripted.hide()
        launcher = bench.launcher()
        (state,) = poll(launcher, bench.start(launcher, bench.probe()))
        assert not state.final, "what is not listed yet has not ended"

    def test_late_workers_are_seen_in_the_end(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher sees a worker once the platform lists it."""
        scripted.hide()
        launcher = bench.launcher()
        handles = bench.start(launcher, bench.probe())
        poll(launcher, handles)
        scripted.show()
        bench.wait(lambda: poll(launcher, handles) == [JobState.RUNNING], "poll must see it")

    def test_forgotten_workers_stay_ended(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher remembers how a worker ended when the platform does not."""
        launcher, probe = bench.launcher(), bench.probe()
        (handle,) = bench.start(launcher, probe)
        probe.release(3)
        state = bench.final_state(launcher, handle)
        scripted.forget()
        assert poll(launcher, [handle]) == [state], "a final state must stay"

    def test_forgotten_workers_do_not_run(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher does not go on to say "running" of a worker that is listed no more."""
        launcher, probe = bench.launcher(), bench.probe()
        (handle,) = bench.start(launcher, probe)
        bench.wait(lambda: poll(launcher, [handle]) == [JobState.RUNNING], "poll must see it")
        probe.release()
        bench.final_state(bench.launcher(), handle)
        scripted.forget()
        (state,) = poll(launcher, [handle])
        assert state not in (JobState.PENDING, JobState.RUNNING), "it is listed no more"

    def test_a_silent_platform_is_unknown(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher says "unknown" when the platform does not answer."""
        launcher = bench.launcher()
        handles = bench.start(launcher, *bench.probes(2))
        scripted.go_down()
        try:
            states = poll(launcher, handles)
        except Exception as error:  # a plugin's code may raise anything
            raise AssertionError(f"poll must not raise; it raised {error!r}") from error
        finally:
            scripted.come_up()
        assert states == [JobState.UNKNOWN] * 2, "nobody knows how they are"

    def test_a_platform_that_was_down_is_asked_again(
        self, bench: Bench, scripted: ScriptedPlatform
    ) -> None:
        """A launcher asks again after the platform did not answer."""
        launcher = bench.launcher()
        handles = bench.start(launcher, bench.probe())
        scripted.go_down()
        poll(launcher, handles)
        scripted.come_up()
        bench.wait(lambda: poll(launcher, handles) == [JobState.RUNNING], "poll must see it")

    def test_submissions_are_not_too_large(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher splits what the platform does not take in one submission."""
        bench.start(bench.launcher(), *bench.probes(bench.limit + 1))
        assert max(scripted.submissions) <= bench.limit, "the platform has a limit"

    def test_submissions_are_few(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher submits together what the platform takes together."""
        bench.start(bench.launcher(), *bench.probes(bench.limit))
        assert scripted.submissions == [bench.limit], "one submission must do"

    def test_questions_are_few(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher asks about many workers in one question."""
        launcher = bench.launcher()
        handles = bench.start(launcher, *bench.probes(bench.limit + 1))
        before = scripted.queries
        poll(launcher, handles)
        assert scripted.queries - before < len(handles), "one question for each is too many"

    def test_no_question_about_nothing(self, bench: Bench, scripted: ScriptedPlatform) -> None:
        """A launcher that is asked about no worker leaves the platform in peace."""
        launcher = bench.launcher()
        before = scripted.queries
        poll(launcher, [])
        assert scripted.queries == before, "there is nothing to ask"


def refusal(bench: Bench, scripted: ScriptedPlatform, *, transient: bool) -> LaunchError:
    """What ``launch`` raises when the platform refuses."""
    scripted.refuse(WORDS, transient=transient)
    try:
        bench.launch(bench.launcher(), bench.probe())
    except LaunchError as error:
        return error
    raise AssertionError("a refusal must be a LaunchError")


def launched_all(bench: Bench, launcher: Launcher, probes: list[Probe]) -> bool:
    """Launch; whether that returned handles of them all."""
    try:
        return len(bench.launch(launcher, *probes)) == len(probes)
    except CrewError:
        return False


def none_is_left(bench: Bench, scripted: ScriptedPlatform) -> None:
    """Wait until no worker waits or runs."""
    bench.wait(lambda: not scripted.unfinished, "no worker may be left on the platform")
