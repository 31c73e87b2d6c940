"""Objects in memory and in files: what is removed is what was made."""

from __future__ import annotations

import gc
import os
import resource
from pathlib import Path

import pytest

from crew_core._dispatcher.object_store import ObjectStore
from crew_core._wire.spare import SpareDescriptor


def test_what_exceeds_memory_goes_to_files_that_go_with_the_store(tmp_path: Path) -> None:
    directory = tmp_path / "base" / "objects"
    directory.parent.mkdir(mode=0o700)
    store = ObjectStore(10, directory, SpareDescriptor())
    for name in (b"a", b"b", b"c"):
        store.put(name, memoryview(name * 8))
    found = [store.get(name) or b"" for name in (b"a", b"b", b"c")]
    assert [bytes(data) for data in found] == [b"a" * 8, b"b" * 8, b"c" * 8]
    assert len(list(directory.iterdir())) == 2
    store.close()
    assert not directory.exists()


@pytest.mark.parametrize("directory", ["", "mine"])
def test_a_directory_that_it_has_not_made_stays(
    directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / directory / "kept"
    kept.parent.mkdir(exist_ok=True)
    kept.touch()
    store = ObjectStore(10, Path(directory), SpareDescriptor())
    store.put(b"a", memoryview(b"small"))
    store.close()
    assert kept.exists()


def test_what_is_in_files_is_found_when_no_descriptors_are_left(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir(mode=0o700)
    store = ObjectStore(10, tmp_path / "base" / "objects", SpareDescriptor())
    for name in (b"a", b"b"):
        store.put(name, memoryview(name * 8))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    gc.disable()  # what others left behind is not to close any file now
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        with pytest.raises(OSError, match="open files"):
            os.open(os.devnull, os.O_RDONLY)
        found = [bytes(store.get(b"a") or b"") for _ in range(2)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        gc.enable()
        store.close()
    assert found == [b"a" * 8] * 2
