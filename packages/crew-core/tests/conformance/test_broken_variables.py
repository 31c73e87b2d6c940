"""Checks of environment variables bite."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import LaunchRequest, WorkerLaunch
from crew_core.testing.conformance.variables import VariableChecks

Variables = Mapping[str, str]


class Mangling(LocalLauncher):
    """Sets other variables than it was told to."""

    def __init__(self, change: Callable[[Variables], Variables]) -> None:
        super().__init__()
        self._change = change

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        workers = tuple(replace(w, env=self._change(w.env)) for w in request.workers)
        return super().launch(replace(request, workers=workers))


class FirstForAll(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        env = request.workers[0].env
        return super().launch(
            replace(request, workers=tuple(replace(w, env=env) for w in request.workers))
        )


class Piling(LocalLauncher):
    """Adds to what it set before, in a request or for good."""

    def __init__(self, *, for_good: bool) -> None:
        super().__init__()
        self._for_good = for_good
        self._all: dict[str, str] = {}

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(replace(request, workers=tuple(map(self._piled, request.workers))))
        if not self._for_good:
            self._all.clear()
        return handles

    def _piled(self, worker: WorkerLaunch) -> WorkerLaunch:
        self._all.update(worker.env)
        return replace(worker, env=dict(self._all))


class Exporting(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        for worker in request.workers:
            os.environ.update(worker.env)
        return super().launch(request)


class Consuming(LocalLauncher):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        for worker in request.workers:
            cast("dict[str, str]", worker.env).clear()
        return handles


def each(change: Callable[[str], str]) -> Callable[[], LocalLauncher]:
    return whole(lambda env: {name: change(value) for name, value in env.items()})


def whole(change: Callable[[Variables], Variables]) -> Callable[[], LocalLauncher]:
    return lambda: Mangling(change)


BROKEN: dict[str, Callable[[], LocalLauncher]] = {
    "test_variables_arrive": whole(lambda env: {n: v for n, v in env.items() if n.isupper()}),
    "test_spaces_in_variables_are_kept": each(str.strip),
    "test_quotes_in_variables_are_kept": each(lambda text: text.replace('"', "'")),
    "test_line_breaks_in_variables_are_kept": each(lambda text: text.split("\n")[0]),
    "test_letters_of_any_language_in_variables_are_kept": each(
        lambda text: text.encode("ascii", "replace").decode()
    ),
    "test_nothing_in_variables_is_expanded": each(os.path.expandvars),
    "test_separators_in_variables_are_kept": each(lambda text: text.split(",")[0]),
    "test_backslashes_in_variables_are_kept": each(lambda text: re.sub(r"\\(.)", r"\1", text)),
    "test_empty_variables_are_set": whole(lambda env: {n: v for n, v in env.items() if v}),
    "test_long_variables_are_kept": each(lambda text: text[:4096]),
    "test_a_workers_value_wins_over_this_process": whole(
        lambda env: {name: os.environ.get(name, value) for name, value in env.items()}
    ),
    "test_each_worker_gets_its_own_values": FirstForAll,
    "test_variables_of_one_worker_are_unset_in_another": lambda: Piling(for_good=False),
    "test_variables_of_one_launch_are_unset_in_the_next": lambda: Piling(for_good=True),
    "test_variables_of_this_process_stay_as_they_are": Exporting,
    "test_request_stays_as_it_is": Consuming,
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(VariableChecks))
def test_it_bites(check: str, bites: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [monkeypatch] if check == "test_a_workers_value_wins_over_this_process" else []
    bites(check, lambda tools: BROKEN[check](), arguments=arguments)
