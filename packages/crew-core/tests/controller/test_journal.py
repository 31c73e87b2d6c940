"""The journal keeps what was decided and why, in memory and in a file, and tells it in words."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core._controller import account
from crew_core._controller.journal import IDLE, KEPT, Entry, Header, Journal, Story, read, read_all
from crew_core._model.errors import LaunchError
from crew_core.testing import FakeLauncher

SECONDS = 90.0


def header(**facts: Any) -> Header:
    usual = {
        "controller": "c",
        "launcher": "slurm",
        "workers": 5,
        "pid": os.getpid(),
        "began": 1000.0,
        "log_directory": "/logs",
    }
    return Header(**{**usual, **facts})


def journal(directory: Path | None = None, **facts: Any) -> Journal:
    clock = count(1000)
    return Journal(header(**facts), lambda: (3, 2, 1), directory, lambda: float(next(clock)))


def only_file(directory: Path) -> Path:
    (path,) = directory.glob("*.log")
    return path


def test_what_is_noted_can_be_read_by_others(tmp_path: Path) -> None:
    made = journal(tmp_path / "decisions")
    made.note("asked", "3 tasks want 3 workers; 0 are there", 3)
    made.note("waits", "Priority", 2, ["7_1", "7_2", None])
    (story,) = read_all(tmp_path / "decisions")
    assert story.header == made.header
    assert list(story.entries) == made.entries
    first, second = story.entries
    assert (first.what, first.count, first.demand, first.online, first.coming) == (
        "asked",
        3,
        3,
        2,
        1,
    )
    assert second.jobs == ("7_1", "7_2")


def test_its_file_is_for_the_user_alone(tmp_path: Path) -> None:
    journal(tmp_path).note("asked", "by hand")
    assert only_file(tmp_path).stat().st_mode & 0o077 == 0


def test_a_reason_for_doing_nothing_is_noted_once(tmp_path: Path) -> None:
    made = journal(tmp_path)
    for tasks in range(10, 20):
        made.note("enough", f"2 workers suffice for {tasks} tasks", 0)
    made.note("held", "waits after 2 failed launches in a row", 0)
    made.note("enough", "2 workers suffice for 3 tasks", 0)
    made.note("asked", "4 tasks want 3 workers; 2 are there")
    made.note("enough", "3 workers suffice for 4 tasks", 0)
    assert [e.what for e in made.entries] == ["enough", "held", "enough", "asked", "enough"]


def test_a_session_that_asked_for_nobody_leaves_no_file(tmp_path: Path) -> None:
    journal(tmp_path / "decisions").note("ended", "the controller was terminated")
    assert not (tmp_path / "decisions").exists()


def test_the_file_begins_afresh_with_the_latest_when_it_is_large(tmp_path: Path) -> None:
    made = journal(tmp_path)
    for number in range(3 * KEPT):
        made.note("left", f"worker {number}: " + "idle " * 300)
    path = only_file(tmp_path)
    assert path.stat().st_size < 3 << 20
    story = read(path)
    assert story is not None
    assert story.header == made.header
    assert list(story.entries)[-KEPT:] == made.entries


def test_a_disk_that_takes_nothing_ends_the_file_and_not_the_session(tmp_path: Path) -> None:
    (tmp_path / "decisions").write_text("no folder")
    made = journal(tmp_path / "decisions")
    made.note("asked", "by hand")
    made.note("joined", "worker 1 on here")
    assert len(made.entries) == 2


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    journal(tmp_path).note("asked", "by hand")
    with only_file(tmp_path).open("ab") as file:
        file.write(b'{"at": 1.0, "what": "cut o')
    (tmp_path / "other.log").write_text("not a journal\n")
    (tmp_path / "empty.log").write_text("")
    (story,) = read_all(tmp_path)
    assert [entry.what for entry in story.entries] == ["asked"]


# ── In words ───────────────────────────────────────────────────────────────────────────────────


def entry(what: str, why: str = "", at: float = 1000.0, **facts: Any) -> Entry:
    return Entry(at=at, what=what, why=why, **facts)


def test_the_account_says_how_many_workers_there_are_and_why() -> None:
    story = Story(
        header(),
        [
            entry("asked", "3 tasks want 3 workers; 0 are there", count=3),
            entry("joined", "worker 1 on n1", at=1004.0, online=1, coming=2, demand=3),
        ],
    )
    told = account.tell(story, now=1010.0, live=True)
    assert "controller 'c' on 'slurm'" in told
    assert "1 online, 2 on their way, 5 at most; 3 tasks" in told
    assert "last decision, 10 s ago: asked for 3 workers: 3 tasks want 3 workers" in told
    assert "00:16:44  a worker joined: worker 1 on n1" in told


def test_the_account_says_what_jobs_wait_for_until_they_start() -> None:
    waits = entry("waits", "Priority", count=2, jobs=("7_1", "7_2"))
    story = Story(header(), [waits])
    assert "2 jobs waiting on the platform: Priority (7_1, 7_2)" in account.tell(
        story, now=0, live=True
    )
    assert account.facts(story, live=True)["waiting"] == {"7_1": "Priority", "7_2": "Priority"}
    started = [entry("joined", "worker 1 on n1", jobs=("7_1",)), entry("joined", jobs=("7_2",))]
    assert account.waiting(Story(header(), [waits, *started])) == []


def test_the_account_says_that_launching_has_stopped_until_it_goes_on() -> None:
    story = Story(header(), [entry("asked"), entry("stopped", "no such partition")])
    assert "launching has stopped: no such partition" in account.tell(story, now=0, live=True)
    later = Story(header(), [*story.entries, entry("resumed", "launch failures were forgotten")])
    assert account.facts(later, live=True)["stopped"] is None


@pytest.mark.parametrize(
    ("last", "said"), [("ended", "has ended"), ("joined", "was killed, or has died")]
)
def test_the_account_says_how_a_session_ended(last: str, said: str) -> None:
    told = account.tell(Story(header(), [entry(last)]), now=0, live=False)
    assert said in told
    assert "none any more" in told


def test_what_is_said_several_times_in_a_row_is_one_line() -> None:
    entries = [entry("left", "worker 1: idle"), entry("left", "worker 1: idle")]
    told = account.tell(Story(header(), entries), now=0, live=True)
    assert told.endswith("a worker left: worker 1: idle (2 times)")


def test_all_that_is_known_of_a_job_is_told() -> None:
    entries = [
        entry("waits", "Resources", jobs=("7_1",)),
        entry("joined", "worker 2 on n2", jobs=("7_2",)),
        entry("joined", "worker 1 on n1", jobs=("7_1",)),
    ]
    told = account.tell_job(Story(header(), entries), "7_1")
    assert told is not None
    assert "Resources" in told
    assert "n1" in told
    assert "n2" not in told
    assert account.tell_job(Story(header(), entries), "8") is None


# ── Of a real session ──────────────────────────────────────────────────────────────────────────


def test_a_controller_explains_its_workers(make: Any) -> None:
    controller = make(workers=2, seconds_idle=0.2)
    assert "not started" in controller.explain()
    assert controller.push("6 * 7").result(SECONDS) == 42
    told = controller.explain()
    assert "1 tasks want 1 workers; 0 are there" in told
    assert "a worker joined: worker 1 on" in told
    assert crew.retry(lambda: "a worker left: worker 1: idle" in controller.explain())


def test_a_session_writes_what_it_decides_and_that_it_has_ended(
    make: Any, state_home: Path
) -> None:
    controller = make()
    controller.push("1").result(SECONDS)
    controller.terminate()
    stories = read_all(state_home / "crew" / "decisions")
    (story,) = [s for s in stories if s.header.controller == controller.name]
    assert story.has_ended
    happened = [e.what for e in story.entries if e.what not in IDLE]
    assert happened[:2] == ["asked", "joined"]
    text = json.dumps(account.facts(story, live=False))
    assert "CREW_SECRET" not in text


def test_refused_launches_and_the_stop_after_them_are_explained(state_home: Path) -> None:
    with crew.controller(
        FakeLauncher(FakeLauncher.Options(failures=9)), launch_max=1
    ) as controller:
        controller.push("1")
        with pytest.raises(LaunchError):
            controller.wait(seconds_timeout=SECONDS)
        text = controller.explain()
        assert "launching has stopped" in text
        assert "a launch failed" in text
        controller.cancel(all=True)


def test_descale_is_explained(make: Any) -> None:
    controller = make()
    controller.descale()
    assert "asked for none yet: descale() was called" in controller.explain()
    controller.autoscale()
    assert "launching goes on" in controller.explain()
