"""What a session has on its platform is written down, and ended by others when it cannot."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import crew_core as crew
from crew_core._launcher.estate import Estate, can_be_left, plain_options
from crew_core._launcher.local import LocalLauncher
from crew_core._launcher.will import read_will, wills
from crew_core._wire.places import jobs_directory
from crew_core.plugins import Launcher, LaunchRequest, WorkerLaunch
from crew_core.testing import FakePlatform, FakePlatformLauncher
from testbeds.turns import cleaning_up

SECONDS = 60.0

USER = """
import sys, time
import crew_core as crew

controller = crew.controller(
    "crew_core.testing:FakePlatformLauncher",
    name=sys.argv[1], folder=sys.argv[2], workers=5, host="127.0.0.1",
)
controller.start()
for i in range(5):
    controller.push("x", data={"x": i})
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test's own state directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def make_launcher(tmp_path: Path) -> FakePlatformLauncher:
    return FakePlatformLauncher(FakePlatformLauncher.Options(folder=tmp_path))


def worker(name: str) -> WorkerLaunch:
    return WorkerLaunch(worker=1, instance=name, name=f"crew-c-{name}", argv=("true",))


# ── What is written ────────────────────────────────────────────────────────────────────────────


def test_what_is_written_is_enough_to_end_the_jobs(tmp_path: Path) -> None:
    platform = FakePlatform(tmp_path)
    platform.hold()
    launcher = make_launcher(tmp_path)
    estate = Estate(launcher, "c", list)
    estate.note_asked(["crew-c-a", "crew-c-b"])
    handles = launcher.launch(LaunchRequest(workers=(worker("a"), worker("b"))))
    estate.note_launched([("crew-c-a", "job a", handles[0])])
    will = read_will(estate.path)
    assert will is not None
    assert (will.name, will.controller, will.pid) == (launcher.name, "c", os.getpid())
    assert (list(will.handles), will.asked) == (["crew-c-a"], ["crew-c-b"])
    assert sorted(will.execute()) == sorted(handles)
    assert platform.unfinished == 0
    assert not estate.path.exists()


def test_it_is_the_users_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    estate = Estate(make_launcher(tmp_path), "c", list)
    assert wills() == []
    estate.note_asked(["crew-c-a"])
    assert stat.S_IMODE(estate.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(estate.path.parent.stat().st_mode) == 0o700
    assert [will.asked for will in wills()] == [["crew-c-a"]]
    estate.close()
    estate.close()
    assert wills() == []


def test_half_a_line_and_nonsense_are_ignored(tmp_path: Path) -> None:
    estate = Estate(make_launcher(tmp_path), "c", list)
    estate.note_asked(["crew-c-a"])
    with estate.path.open("a") as file:
        file.write('17\n{"asked": ["crew-c-b"]}\n{"asked": ["cr')
    will = read_will(estate.path)
    assert will is not None
    assert will.asked == ["crew-c-a", "crew-c-b"]
    estate.path.write_text("nothing\n")
    assert read_will(estate.path) is None


def test_what_others_may_have_written_is_ignored(tmp_path: Path) -> None:
    estate = Estate(make_launcher(tmp_path), "c", list)
    estate.note_asked(["crew-c-a"])
    estate.path.chmod(0o620)
    assert read_will(estate.path) is None
    estate.path.chmod(0o600)
    link = estate.path.with_name(f"{estate.path.name}0")
    link.symlink_to(estate.path)
    assert [will.path for will in wills()] == [estate.path]


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    live = ["crew-c-0"]
    estate = Estate(make_launcher(tmp_path), "c", lambda: live)
    for number in range(5000):
        estate.note_asked([f"crew-c-{number}"])
        estate.note_launched([(f"crew-c-{number}", "job", number)])
    lines = estate.path.read_text().splitlines()
    assert len(lines) < 3000
    will = read_will(estate.path)
    assert will is not None
    assert {"crew-c-0", "crew-c-4999"} <= set(will.handles)


def test_what_is_launched_after_the_end_is_not_written(tmp_path: Path) -> None:
    estate = Estate(make_launcher(tmp_path), "c", list)
    estate.note_asked(["crew-c-a"])
    estate.close()
    estate.note_launched([("crew-c-a", "job", 1)])
    assert list(jobs_directory().iterdir()) == []


def test_a_full_disk_costs_nothing_but_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    estate = Estate(make_launcher(tmp_path), "c", list)
    estate.note_asked(["crew-c-a"])
    estate.note_launched([("crew-c-a", "job", 1)])
    assert [record.message.partition(" in ")[0] for record in caplog.records] == [
        "cannot note jobs"
    ]


def test_secrets_are_not_written() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Options:
        queue: str = "short"
        folder: Path = Path("here")
        tags: tuple[str, ...] = ()
        password: str = field(default="", repr=False)
        callback: Any = None

    options = Options(folder=Path("there"), tags=("a",), password="secret", callback=print)
    assert plain_options(options) == {"folder": "there", "tags": ("a",)}


def test_only_launchers_that_can_be_made_anew_are_written_down(tmp_path: Path) -> None:
    class Inner(Launcher):
        def launch(self, request: LaunchRequest) -> list[Any]:
            raise NotImplementedError

        def terminate(self, handles: Sequence[Any]) -> None:
            raise NotImplementedError

    assert can_be_left(make_launcher(tmp_path))
    assert not can_be_left(LocalLauncher())
    assert not can_be_left(Inner())


# ── What becomes of it ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def user(controller_name: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A user's process, five of whose jobs wait in the platform's queue."""
    platform = FakePlatform(tmp_path)
    platform.hold()
    process = subprocess.Popen([sys.executable, "-c", USER, controller_name, str(tmp_path)])
    crew.retry(lambda: sum(platform.submissions) == 5, seconds_timeout=SECONDS)
    yield process
    process.kill()
    process.wait()


def test_pending_jobs_of_a_killed_process_are_cancelled_by_what_remains(
    user: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    user.kill()
    user.wait()
    platform = FakePlatform(tmp_path)
    crew.retry(lambda: platform.unfinished == 0, seconds_timeout=SECONDS)
    crew.retry(lambda: wills() == [], seconds_timeout=SECONDS)


def test_clean_ends_jobs_whose_dispatcher_was_killed_too(
    user: subprocess.Popen[bytes], controller_name: str, tmp_path: Path
) -> None:
    platform = FakePlatform(tmp_path)
    assert "job" not in kinds(controller_name), "its session lives"
    for process in psutil.Process(user.pid).children():
        process.kill()
    user.kill()
    user.wait()
    assert platform.unfinished == 5
    assert kinds(controller_name).count("job") == 5
    assert platform.unfinished == 0
    assert "job" not in kinds(controller_name)


def test_a_session_that_ends_as_it_should_leaves_nothing(
    user: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    user.send_signal(signal.SIGINT)
    user.wait()
    assert FakePlatform(tmp_path).unfinished == 0
    assert list(jobs_directory().iterdir()) == []


def test_the_next_controller_of_that_name_sees_to_it_too(
    user: subprocess.Popen[bytes], controller_name: str, tmp_path: Path
) -> None:
    platform = FakePlatform(tmp_path)
    for process in psutil.Process(user.pid).children():
        process.kill()
    user.kill()
    user.wait()
    with crew.controller(
        "crew_core.testing:FakePlatformLauncher",
        name=controller_name,
        folder=str(tmp_path),
        host="127.0.0.1",
    ):
        crew.retry(lambda: platform.unfinished == 0, seconds_timeout=SECONDS)


def test_what_another_host_has_launched_is_left_to_it(tmp_path: Path) -> None:
    estate = Estate(make_launcher(tmp_path), "c-elsewhere", list)
    estate.note_asked(["crew-c-a"])
    head, *rest = estate.path.read_text().splitlines()
    elsewhere = json.dumps({**json.loads(head), "host": "elsewhere", "made": time.time() - 9e9})
    estate.path.write_text("\n".join([elsewhere, *rest, ""]))
    table = cleaned()
    (action,) = table.loc[table["controller"] == "c-elsewhere", "action"]
    assert action == "left to crew clean on elsewhere"
    assert estate.path.exists()


def test_a_platform_that_does_not_answer_is_told_of_and_asked_again(
    user: subprocess.Popen[bytes], controller_name: str, tmp_path: Path
) -> None:
    platform = FakePlatform(tmp_path)
    for process in psutil.Process(user.pid).children():
        process.kill()
    user.kill()
    user.wait()
    (will,) = wills()
    lines = will.path.read_text().replace("FakePlatformLauncher", "Gone")
    kept = will.path.read_text()
    will.path.write_text(lines)
    table = cleaned()
    (action,) = table.loc[table["controller"] == controller_name, "action"]
    assert action.startswith("failed: cannot make the launcher")
    assert str(tmp_path) not in sys.path
    will.path.write_text(kept)
    assert kinds(controller_name) == ["job"] * 5
    assert platform.unfinished == 0


def cleaned() -> pd.DataFrame:
    """What ``clean`` did; no other test's orphans are there for it."""
    with cleaning_up():
        return crew.clean()


def kinds(controller: str) -> list[str]:
    """What ``clean`` ended of this controller."""
    table = cleaned()
    return [str(kind) for kind in table.loc[table["controller"] == controller, "kind"]]
