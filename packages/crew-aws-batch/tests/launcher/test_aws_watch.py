"""Jobs are looked at soon after a change, ever later after that, and not without need."""

from __future__ import annotations

from crew_aws_batch._launcher.watch import UNKNOWN, Watch
from crew_core.plugins import JobReport, JobState, Pace

PENDING = JobReport(JobState.PENDING)
RUNNING = JobReport(JobState.RUNNING)
FINISHED = JobReport(JobState.FINISHED)
PACE = Pace(first=2.0, most=30.0, growth=2.0)


def asked(watch: Watch, now: float, report: JobReport) -> bool:
    """Somebody asks, and is told this if it is time to look."""
    watch.want(["a"], now)
    if due := watch.due(now):
        watch.note(dict.fromkeys(due, report), now)
    return bool(due)


def test_the_first_look_gives_jobs_a_moment() -> None:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    assert not asked(watch, 1.0, PENDING)
    assert asked(watch, 2.0, PENDING)
    assert watch.report("a") == PENDING


def test_looks_are_ever_rarer_until_something_changes() -> None:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    times = [now for now in range(120) if asked(watch, now, PENDING)]
    assert times == [2, 4, 8, 16, 32, 62, 92]
    assert asked(watch, 122, RUNNING)
    assert asked(watch, 124, RUNNING)


def test_nobody_is_asked_when_nobody_wants_to_know() -> None:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    assert watch.due(100.0) == []


def test_jobs_of_earlier_sessions_are_looked_at_at_once() -> None:
    watch = Watch(PACE)
    assert asked(watch, 0.0, RUNNING)


def test_a_new_question_about_an_old_job_is_answered_soon() -> None:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    for now in range(0, 40):
        asked(watch, now, RUNNING)
    watch.want(["b"], 40)
    watch.note(dict.fromkeys(watch.due(62), RUNNING), 62)  # nobody asks about "a" any more
    watch.want(["a"], 100)
    assert watch.due(100) == ["a"]


def test_what_is_final_stays_and_is_not_asked_again() -> None:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    assert asked(watch, 2.0, FINISHED)
    watch.want(["a"], 100.0)
    assert watch.due(100.0) == []
    assert watch.report("a") == FINISHED


def test_jobs_that_aws_does_not_show_are_unknown_and_not_dead() -> None:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    assert asked(watch, 2.0, PENDING)
    watch.want(["a"], 4.0)
    watch.note({}, 4.0)
    assert watch.report("a") == UNKNOWN


def test_silence_proves_nothing() -> None:
    watch = Watch(PACE)
    watch.launched(["a"], 0.0)
    assert asked(watch, 2.0, RUNNING)
    watch.want(["a"], 4.0)
    watch.note_silence(4.0)
    assert watch.report("a") == UNKNOWN
    watch.want(["a"], 5.0)
    assert watch.due(5.0) == []


def test_jobs_that_ended_and_nobody_asks_about_are_forgotten() -> None:
    watch = Watch(PACE)
    watch.launched(["a", "b"], 0.0)
    watch.want(["a", "b"], 2.0)
    watch.note({"a": FINISHED, "b": RUNNING}, 2.0)
    for now in (4.0, 6.0):
        watch.want(["b"], now)
        watch.note({"b": RUNNING}, now)
    assert not watch.knows("a")
    assert watch.knows("b")
