"""Observers hear of what happens, and cannot harm it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from crew_core._plugins import hookspecs
from crew_core._plugins.registry import is_observed, notify

Install = Callable[..., Path]

HEAD = "from crew_core.plugins import hookimpl\nheard = []\n\n@hookimpl\n"


def heard(module: str) -> list[object]:
    import importlib

    found = importlib.import_module(module).heard
    assert isinstance(found, list)
    return found


def test_observer_gets_the_arguments_it_names(install: Install) -> None:
    text = HEAD + "def crew_worker_exited(reason, worker):\n    heard.append((worker, reason))\n"
    install("crew-watch", {"watch": "plugin_watch"}, {"plugin_watch": text})
    notify("crew_worker_exited", controller="c", worker=2, instance="i", reason="idle")
    assert heard("plugin_watch") == [(2, "idle")]
    assert is_observed("crew_worker_exited")
    assert not is_observed("crew_task_finished")


def test_failing_observer_is_logged_by_name_and_others_still_hear(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    bad = HEAD + "def crew_controller_started(controller):\n    raise OSError('disk full')\n"
    good = HEAD + "def crew_controller_started(controller):\n    heard.append(controller)\n"
    for name, text in (("a", good), ("b", bad), ("c", good)):
        install(f"crew-{name}", {name: f"plugin_{name}"}, {f"plugin_{name}": text})
    with caplog.at_level(logging.ERROR, "crew.plugins"):
        notify("crew_controller_started", controller="x")
    assert heard("plugin_a") == ["x"]
    assert heard("plugin_c") == ["x"]
    (record,) = caplog.records
    assert "crew-b:b failed in crew_controller_started" in record.getMessage()
    assert record.exc_info is not None


def test_nobody_listening_is_no_trouble(site: Path) -> None:
    notify("crew_controller_terminated", controller="x")


def test_there_are_at_most_eight_hooks_and_all_are_described() -> None:
    hooks = [value for name, value in vars(hookspecs).items() if name.startswith("crew_")]
    assert 0 < len(hooks) <= 8
    assert all(hook.__doc__ for hook in hooks)
