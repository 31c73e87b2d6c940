"""What other users prepare is not used, and what is ours they cannot enter."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core._launcher.cleaning import clean
from crew_core._model.errors import CrewError
from crew_core._wire import places
from crew_core._wire.segments import directory as segments

SECONDS = 60
NOBODY = 65534

AsNobody = Callable[..., str]


@pytest.fixture
def shared(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A temporary directory for all users, as /tmp is one: the first place for our files."""
    tmp_path_factory.getbasetemp()  # pytest's own is elsewhere
    with tempfile.TemporaryDirectory(prefix="crew-test-", dir="/tmp") as name:
        shared = Path(name)
        shared.chmod(0o1777)
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield shared


MAKE = "import os, sys; os.umask(0); os.mkdir(sys.argv[1], int(sys.argv[2], 8))"
LINK = "import os, sys; os.symlink(sys.argv[2], sys.argv[1])"


# ── What others have prepared ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["700", "777", "1777"])
def test_a_directory_that_another_user_has_made_is_refused(
    as_nobody: AsNobody, shared: Path, mode: str
) -> None:
    as_nobody(MAKE, shared / f"crew-{os.getuid()}", mode)
    with pytest.raises(CrewError, match="not a directory of yours"):
        places.make_controller_directory()


def test_a_link_that_another_user_has_made_is_refused(
    as_nobody: AsNobody, shared: Path, tmp_path: Path
) -> None:
    """Even one to a directory of ours that is private."""
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    as_nobody(LINK, shared / f"crew-{os.getuid()}", mine)
    with pytest.raises(CrewError, match="not a directory of yours"):
        places.make_controller_directory()
    assert list(mine.iterdir()) == []


def test_a_controller_does_not_start_in_a_trap(
    as_nobody: AsNobody, shared: Path, controller_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_nobody(MAKE, shared / f"crew-{os.getuid()}", "777")
    monkeypatch.delenv("XDG_RUNTIME_DIR")  # which controller_name has set
    controller = crew.controller("local", name=controller_name)
    with pytest.raises(CrewError, match="not a directory of yours"):
        controller.start()
    controller.terminate()
    assert list((shared / f"crew-{os.getuid()}").iterdir()) == []


@pytest.mark.usefixtures("cleans_up")
@pytest.mark.parametrize("followed", [True, False], ids=["followed", "protected"])
def test_what_another_users_link_leads_to_is_not_cleaned_up(
    as_nobody: AsNobody, shared: Path, runtime: Path, tmp_path: Path, dead_pid: int, followed: bool
) -> None:
    """A folder of ours whose name looks like that of a dead controller's directory."""
    precious = tmp_path / f"{dead_pid}-results"
    precious.mkdir()
    (precious / "data").touch()
    link = shared / f"crew-{os.getuid()}-objects"
    if followed:
        # Linux may refuse to follow links of others in such a directory; not so elsewhere.
        shared.chmod(0o755)
        link.symlink_to(tmp_path)
        os.lchown(link, NOBODY, NOBODY)
    else:
        as_nobody(LINK, link, tmp_path)
    assert places.object_directories() == []
    clean()
    assert (precious / "data").exists()


def test_links_below_a_directory_of_ours_are_not_followed_when_it_is_cleaned(
    shared: Path, tmp_path: Path, dead_pid: int
) -> None:
    base = shared / f"crew-{os.getuid()}-objects"
    base.mkdir(mode=0o700)
    (base / f"{dead_pid}-abcd").mkdir()
    (base / f"{dead_pid}-efgh").symlink_to(tmp_path)
    assert [path.name for path in places.object_directories()] == [f"{dead_pid}-abcd"]


def test_objects_stay_in_memory_when_another_user_has_made_their_directory(
    as_nobody: AsNobody, shared: Path, make: Callable[..., crew.Controller]
) -> None:
    trap = shared / f"crew-{os.getuid()}-objects"
    as_nobody(MAKE, trap, "777")
    controller = make(put_memory_gigabytes=0.0001)
    kept = controller.put(bytes(1 << 20))
    assert controller.submit(len, kept).result(SECONDS) == 1 << 20
    assert list(trap.iterdir()) == []


@pytest.mark.parametrize("code", [MAKE, LINK], ids=["directory", "link"])
def test_memory_for_arrays_that_another_user_has_prepared_is_not_used(
    as_nobody: AsNobody, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(segments, "_MEMORY", shared)
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    argument: object = "777" if code is MAKE else tmp_path
    before = sorted(tmp_path.iterdir())
    as_nobody(code, shared / f"crew-{os.getuid()}", argument)
    assert segments.make() is None
    assert segments.sweep() == []
    assert sorted(tmp_path.iterdir()) == before


def test_what_lies_in_a_trap_in_shared_memory_is_not_removed(
    as_nobody: AsNobody, shared: Path, monkeypatch: pytest.MonkeyPatch, dead_pid: int
) -> None:
    monkeypatch.setattr(segments, "_MEMORY", shared)
    trap = shared / f"crew-{os.getuid()}"
    as_nobody(MAKE, trap, "777")
    (trap / f"{dead_pid}-abcdefgh").mkdir()
    assert segments.sweep() == []
    assert (trap / f"{dead_pid}-abcdefgh").exists()


# ── Places where others could replace what is ours ─────────────────────────────────────────────


def test_a_temporary_directory_where_all_may_rename_gives_way_to_a_better_one(
    shared: Path,
) -> None:
    shared.chmod(0o777)
    usual = Path("/tmp", f"crew-{os.getuid()}")
    assert places._runtime_base() == usual
    assert places._objects_base() == Path(f"{usual}-objects")
    shared.chmod(0o1777)
    assert places._runtime_base() == shared / usual.name


def test_a_runtime_directory_where_all_may_rename_gives_way(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = shared / "run"
    given.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(given))
    assert places._runtime_base() == given / "crew"
    given.chmod(0o777)
    assert places._runtime_base() == shared / f"crew-{os.getuid()}"


# ── What is ours ───────────────────────────────────────────────────────────────────────────────


def test_missing_directories_are_made_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        places.make_directories(tmp_path / "a" / "b" / "c")
        places.make_directories(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    for name in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    places.make_directories(tmp_path / "there" / "new")
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o755


CONNECT = """
import socket, sys
for path in sys.argv[1:]:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError as error:
        print(type(error).__name__)
    else:
        print("connected")
"""


def test_another_user_can_neither_be_a_worker_nor_a_client(
    as_nobody: AsNobody, shared: Path, controller_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")  # which controller_name has set
    with crew.controller("local", name=controller_name) as controller:
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
        door = controller.client.url.removeprefix("unix://")
        assert door.startswith(str(shared))
        told = as_nobody(CONNECT, door, Path(door).with_name("client.sock"))
        assert told.split() == ["PermissionError", "PermissionError"]
        # If the directory were open, the socket itself would still be closed.
        for folder in (Path(door).parent, Path(door).parent.parent):
            folder.chmod(0o755)
        assert as_nobody(CONNECT, door) == "PermissionError"
        for folder in (Path(door).parent, Path(door).parent.parent):
            folder.chmod(0o700)
        assert controller.submit(sum, [1, 2]).result(SECONDS) == 3


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_sockets_and_logs_are_the_users_alone_whatever_the_umask(
    controller_name: str, runtime: Path, tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        with crew.controller(
            "local",
            name=controller_name,
            log_directory=tmp_path / "logs",
            log_resources=tmp_path / "resources.csv",
        ) as controller:
            assert controller.submit(print, "hello").result(SECONDS) is None
            made = [tmp_path / "resources.csv"]
            for root in (runtime / "crew", tmp_path / "logs"):
                made += [root, *root.rglob("*")]
            modes: dict[str, Any] = {str(p): stat.S_IMODE(p.lstat().st_mode) for p in made}
            kinds = {stat.S_IFMT(p.lstat().st_mode) for p in made}
    finally:
        os.umask(before)
    assert {path: mode for path, mode in modes.items() if mode & 0o077} == {}
    assert kinds == {stat.S_IFSOCK, stat.S_IFDIR, stat.S_IFREG}
