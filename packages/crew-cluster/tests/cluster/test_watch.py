"""When the queue is looked at, and what follows from what is there and what is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.reports import Report
from crew_cluster._cluster.watch import VANISHED, Watch
from crew_core.plugins import JobState, Pace

PACE = Pace(first=2.0, most=30.0, growth=1.5)
PENDING, RUNNING = Report(JobState.PENDING, "PENDING"), Report(JobState.RUNNING, "RUNNING")
FAILED = Report(JobState.FAILED, "OUT_OF_MEMORY", cause="out_of_memory")


def look(watch: Watch, now: float, **reports: Report) -> None:
    """Ask about these jobs, and look; what is given by name is what the look shows."""
    watch.want(["a"], now)
    assert watch.due(now) == ["a"]
    watch.note(reports, now)


def launched() -> Watch:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    return watch


def test_a_new_job_is_given_a_moment() -> None:
    watch = launched()
    watch.want(["a"], 0.1)
    assert watch.due(1.9) == []
    assert watch.due(2.0) == ["a"]


def test_a_job_of_an_earlier_session_is_looked_for_at_once() -> None:
    watch = Watch(PACE)
    watch.want(["a"], 100.0)
    assert watch.due(100.0) == ["a"]


def test_nobody_asks_nobody_looks() -> None:
    watch = launched()
    assert watch.due(1000.0) == []


def test_looks_come_ever_later_while_nothing_changes() -> None:
    watch, now, gaps = launched(), 2.0, []
    for _ in range(12):
        look(watch, now, a=PENDING)
        before = now
        while not watch.due(now):
            now += 0.25
            watch.want(["a"], now)
        gaps.append(now - before)
    assert gaps == sorted(gaps)
    assert gaps[0] == 2.0
    assert gaps[-1] == 30.0


def test_looks_come_soon_again_when_something_changed() -> None:
    watch = launched()
    for now in (2.0, 100.0, 200.0):
        look(watch, now, a=PENDING)
    look(watch, 300.0, a=RUNNING)
    look(watch, 304.0, a=RUNNING)
    watch.want(["a"], 307.0)
    assert watch.due(307.0) == ["a"]


def test_looks_come_soon_when_a_job_is_asked_about_anew() -> None:
    watch = Watch(PACE)
    watch.launched(["a", "b"], 0.0)
    now = 2.0
    for _ in range(8):  # of b nobody wants to know: its worker is connected
        look(watch, now, a=PENDING, b=RUNNING)
        now += 30.0
    now += -30.0 + 2.5
    watch.want(["a"], now)
    assert watch.due(now) == []
    watch.want(["a", "b"], now)
    assert watch.due(now) == ["a", "b"]


def test_a_job_that_is_not_listed_yet_is_not_dead() -> None:
    watch = launched()
    look(watch, 2.0)
    look(watch, 5.0)
    assert watch.report("a").state is JobState.UNKNOWN
    look(watch, 9.0, a=PENDING)
    assert watch.report("a") == PENDING


def test_a_job_that_never_came_is_given_up() -> None:
    watch = launched()
    look(watch, 11.0)
    look(watch, 15.0)
    report = watch.report("a")
    assert (report.state, report.raw) == (JobState.FAILED, VANISHED)
    assert report.reason == "never came into the queue"


def test_one_look_that_misses_a_job_proves_nothing() -> None:
    watch = launched()
    look(watch, 2.0, a=RUNNING)
    look(watch, 5.0)
    assert watch.report("a").state is JobState.UNKNOWN
    look(watch, 9.0, a=RUNNING)
    assert watch.report("a") == RUNNING


def test_a_job_that_vanished_is_noticed_within_two_looks() -> None:
    watch = launched()
    look(watch, 2.0, a=PENDING)
    look(watch, 5.0)
    look(watch, 9.0)
    report = watch.report("a")
    assert (report.state, report.raw) == (JobState.FAILED, VANISHED)


def test_a_job_that_ran_and_vanished_has_ended_somehow() -> None:
    watch = launched()
    look(watch, 2.0, a=RUNNING)
    look(watch, 5.0)
    look(watch, 9.0)
    assert watch.report("a").state is JobState.FINISHED


def test_a_final_state_stays() -> None:
    watch = launched()
    watch.want(["a"], 2.0)
    assert watch.note({"a": FAILED}, 2.0) == ["a"]
    watch.want(["a"], 100.0)
    assert watch.due(100.0) == []
    assert watch.note({"a": RUNNING}, 100.0) == []
    assert watch.report("a") == FAILED


def test_what_has_ended_and_nobody_asks_about_is_forgotten() -> None:
    watch = Watch(PACE)
    watch.launched(["a", "b"], 0.0)
    look(watch, 2.0, a=FAILED, b=RUNNING)
    for asked in (["a", "b"], ["b"]):
        assert watch.report("a") == FAILED
        assert watch.knows("a")
        watch.want(asked, 5.0)
        watch.note({"b": RUNNING}, 5.0)
    assert not watch.knows("a")
    assert watch.knows("b")


def test_a_silent_scheduler_proves_nothing() -> None:
    watch = launched()
    look(watch, 2.0, a=RUNNING)
    for now in (10.0, 50.0, 90.0):
        watch.want(["a"], now)
        watch.note_silence(now)
    assert watch.report("a").state is JobState.UNKNOWN
    look(watch, 130.0, a=RUNNING)
    assert watch.report("a") == RUNNING


REPORTS = st.sampled_from([None, PENDING, RUNNING, FAILED, Report(JobState.UNKNOWN)])


@given(st.lists(st.tuples(st.floats(0.0, 60.0), st.one_of(REPORTS, st.just("silence")))))
def test_a_job_that_was_final_is_final_for_ever(events: list[tuple[float, object]]) -> None:
    watch, now, final = launched(), 0.0, None
    for pause, event in events:
        now += pause
        watch.want(["a"], now)
        if event == "silence":
            watch.note_silence(now)
        else:
            watch.note({"a": event} if isinstance(event, Report) else {}, now)
        report = watch.report("a")
        assert final is None or report == final
        final = report if report.state.final else None
