"""A worker's private file gives its job the worker's variables and command line as they are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.start import start_lines
from crew_core.plugins import ConfigError, WorkerLaunch
from scripted.requests import PYTHON, request


def test_another_interpreter_replaces_the_first_word() -> None:
    text = start_lines(request().workers[0], "/opt/python/bin/python")
    assert PYTHON not in text
    assert "set -- /opt/python/bin/python -m crew_core._worker" in text


def test_a_variable_that_no_shell_can_set_is_refused() -> None:
    worker = WorkerLaunch(worker=1, instance="i", name="n", argv=("a",), env={"A B": "1"})
    with pytest.raises(ConfigError, match="A B"):
        start_lines(worker)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(TEXT, min_size=1, max_size=4), TEXT)
def test_words_and_values_arrive_as_they_are(words: list[str], value: str) -> None:
    worker = WorkerLaunch(
        worker=1, instance="i", name="n", argv=("printf", "%s\\0", *words), env={"VALUE": value}
    )
    text = start_lines(worker) + 'printf "%s\\0" "$VALUE"; exec "$@"\n'
    shown = subprocess.run(["/bin/sh"], input=text.encode(), capture_output=True, check=True)
    assert shown.stdout.decode().split("\0") == [value, *words, ""]


def test_what_is_printed_goes_to_the_jobs_output_and_the_log_leads_there(tmp_path: Path) -> None:
    log = tmp_path / "it's a folder" / "i.log"
    argv = ("printf", "%s ", "hello", "--log", str(log), "--life", "9")
    worker = WorkerLaunch(worker=1, instance="i", name="n", argv=argv, log=str(log))
    with (tmp_path / "out").open("w") as out:
        text = start_lines(worker, prints_to_job=True) + 'exec "$@"\n'
        subprocess.run(["/bin/sh"], input=text.encode(), stdout=out, check=True)
    assert log.read_text() == "hello --life 9 "


def test_where_no_log_can_be_the_worker_starts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = str(tmp_path / "file" / "i.log")
    worker = WorkerLaunch(
        worker=1, instance="i", name="n", argv=("echo", "started", "--log", log), log=log
    )
    text = start_lines(worker, prints_to_job=True) + 'exec "$@"\n'
    shown = subprocess.run(["/bin/sh"], input=text.encode(), capture_output=True, check=True)
    assert (shown.stdout, shown.stderr) == (b"started\n", b"")
