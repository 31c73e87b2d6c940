"""What the system's counts of processes ended for want of memory are taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_core._worker.out_of_memory import OutOfMemory

COUNTERS = {
    "version 2": ("0::/job/7\n", "job/7/memory.events", "low 0\noom 3\noom_kill {}\n"),
    "version 1": (
        "5:cpu:/\n4:memory:/job/7\n0::/\n",
        "memory/job/7/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n",
    ),
    "version 1, in a container that shows the host's path": (
        "4:memory:/docker/abc\n",
        "memory/memory.oom_control",
        "oom_kill {}\n",
    ),
    "version 2, in a container": ("0::/\n", "memory.events", "oom_kill {}\n"),
}


@pytest.mark.parametrize("version", COUNTERS)
def test_each_end_for_want_of_memory_is_noticed_once(tmp_path: Path, version: str) -> None:
    own, counter, text = COUNTERS[version]
    (tmp_path / "own").write_text(own)
    path = tmp_path / "cgroups" / counter
    path.parent.mkdir(parents=True)
    path.write_text(text.format(2))
    memory = OutOfMemory(str(tmp_path / "cgroups"), str(tmp_path / "own"))
    assert not memory.struck()  # those were before us
    path.write_text(text.format(3))
    assert memory.struck()
    assert not memory.struck()


@pytest.mark.parametrize("own", ["", "0::/job\n", "nonsense\n", "4:memory:/gone\n"])
def test_where_nobody_counts_nothing_is_noticed(tmp_path: Path, own: str) -> None:
    (tmp_path / "own").write_text(own)
    assert not OutOfMemory(str(tmp_path), str(tmp_path / "own")).struck()
    assert not OutOfMemory(str(tmp_path), str(tmp_path / "none")).struck()


def test_a_worker_that_is_moved_into_a_new_group_is_watched_there(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/first\n")
    memory = OutOfMemory(str(tmp_path), str(own))
    own.write_text("0::/second\n")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "memory.events").write_text("oom_kill 1\n")
    assert memory.struck()
