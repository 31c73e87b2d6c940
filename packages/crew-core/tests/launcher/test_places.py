"""Sockets live in a private directory with a short path; old logs go."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from crew_core._model.errors import CrewError
from crew_core._wire import places


@pytest.fixture
def no_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("t")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    return base


def test_xdg_runtime_directory_is_used(runtime: Path) -> None:
    base = places.runtime_directory()
    assert base == runtime / "crew"
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    assert places.runtime_directory() == base


@pytest.mark.parametrize("given", ["", "relative", "/no/such/directory"])
def test_unusable_xdg_directory_gives_way_to_the_temporary_one(
    no_xdg: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", given)
    assert places.runtime_directory() == no_xdg / f"crew-{os.getuid()}"


def test_long_temporary_directory_gives_way_to_a_short_one(
    no_xdg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(no_xdg / ("x" * 80)))
    directory = places.make_controller_directory()
    try:
        assert directory.parent == Path(f"/tmp/crew-{os.getuid()}")
        assert len(os.fsencode(directory / "workers.sock")) < 100
    finally:
        directory.rmdir()


def test_directory_open_to_others_is_refused(runtime: Path) -> None:
    (runtime / "crew").mkdir(mode=0o700)
    (runtime / "crew").chmod(0o750)
    with pytest.raises(CrewError, match="chmod 700"):
        places.make_controller_directory()


def test_link_in_the_place_of_the_directory_is_refused(runtime: Path, tmp_path: Path) -> None:
    (runtime / "crew").symlink_to(tmp_path)
    with pytest.raises(CrewError, match="not a directory of yours"):
        places.runtime_directory()


def test_file_in_the_place_of_the_directory_is_refused(runtime: Path) -> None:
    (runtime / "crew").write_text("")
    with pytest.raises(CrewError, match="crew"):
        places.runtime_directory()


def test_each_controller_has_its_own_private_directory(runtime: Path) -> None:
    one, two = places.make_controller_directory(), places.make_controller_directory()
    assert one != two
    assert stat.S_IMODE(one.stat().st_mode) == 0o700
    assert places.owner_pid(one) == os.getpid()
    assert places.controller_directories() == sorted([one, two])


def test_state_and_configuration_directories_follow_xdg(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert places.state_directory() == tmp_path / ".local" / "state" / "crew"
    assert places.configuration_directory() == tmp_path / ".config" / "crew"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "s"))
    assert places.default_log_directory("c") == tmp_path / "s" / "crew" / "logs" / "c"


def test_old_logs_go_and_all_else_stays(tmp_path: Path) -> None:
    long_ago = time.time() - 20 * 86400
    for name in ("a/old.log", "a/new.log", "a/old.txt", "b/old.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
        if "old" in name:
            os.utime(tmp_path / name, (long_ago, long_ago))
    (tmp_path / "empty").mkdir()
    os.utime(tmp_path / "empty", (long_ago, long_ago))
    places.prune_logs(tmp_path, days=14)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"a/new.log", "a/old.txt"}
    assert not (tmp_path / "empty").exists()


def test_pruning_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    places.prune_logs(tmp_path / "nowhere")


def test_old_logs_are_looked_for_once_a_day(tmp_path: Path) -> None:
    old = make_old_log(tmp_path)
    places.prune_logs_daily(tmp_path)
    assert not old.exists()
    old = make_old_log(tmp_path)
    places.prune_logs_daily(tmp_path)
    assert old.exists()
    for when in (time.time() - 2 * 86400, time.time() + 86400):  # the clock may have been wrong
        old = make_old_log(tmp_path)
        os.utime(tmp_path / ".pruned", (when, when))
        places.prune_logs_daily(tmp_path)
        assert not old.exists()


def test_nothing_is_made_where_there_are_no_logs(tmp_path: Path) -> None:
    places.prune_logs_daily(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def make_old_log(directory: Path) -> Path:
    log = directory / "old.log"
    log.touch()
    os.utime(log, (0, 0))
    return log
