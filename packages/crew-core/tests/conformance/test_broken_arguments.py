"""Checks of arguments bite."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import LaunchError, LaunchRequest, WorkerLaunch
from crew_core.testing.conformance.arguments import ArgumentChecks


class Mangling(LocalLauncher):
    """Starts something else than it was told to."""

    def __init__(self, change: Callable[[WorkerLaunch], WorkerLaunch]) -> None:
        super().__init__()
        self._change = change

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        workers = tuple(self._change(worker) for worker in request.workers)
        return super().launch(replace(request, workers=workers))


def each(change: Callable[[str], str]) -> Callable[[WorkerLaunch], WorkerLaunch]:
    return whole(lambda argv: [change(argument) for argument in argv])


def whole(change: Callable[[Sequence[str]], Sequence[str]]) -> Callable[..., WorkerLaunch]:
    return lambda worker: replace(worker, argv=tuple(change(worker.argv)))


def through_shell(argv: Sequence[str]) -> list[str]:
    return ["/bin/sh", "-c", " ".join(f'"{argument}"' for argument in argv)]


def refusing(pattern: str) -> Callable[[WorkerLaunch], WorkerLaunch]:
    def check(worker: WorkerLaunch) -> WorkerLaunch:
        if not re.fullmatch(pattern, worker.name):
            raise LaunchError(f"no job can be called {worker.name}")
        return worker

    return check


BROKEN = {
    "test_command_line_arrives_whole_and_in_order": whole(lambda argv: list(dict.fromkeys(argv))),
    "test_spaces_in_arguments_are_kept": whole(lambda argv: " ".join(argv).split(" ")),
    "test_quotes_in_arguments_are_kept": each(lambda text: text.replace("'", "")),
    "test_line_breaks_in_arguments_are_kept": each(lambda text: text.replace("\n", " ")),
    "test_letters_of_any_language_in_arguments_are_kept": each(
        lambda text: text.encode("ascii", "replace").decode()
    ),
    "test_empty_arguments_are_kept": whole(lambda argv: [text for text in argv if text]),
    "test_backslashes_in_arguments_are_kept": each(lambda text: re.sub(r"\\(.)", r"\1", text)),
    "test_arguments_that_look_like_options_are_kept": whole(
        lambda argv: [text for text in argv if text != "--"]
    ),
    "test_nothing_in_arguments_is_expanded": each(os.path.expandvars),
    "test_nothing_in_arguments_is_run": whole(through_shell),
    "test_comments_in_arguments_are_kept": each(lambda text: text.split("#")[0]),
    "test_long_arguments_are_kept": whole(lambda argv: argv[:100]),
    "test_programs_whose_path_has_spaces_and_quotes_are_run": whole(
        lambda argv: [*argv[0].split(), *argv[1:]]
    ),
    "test_longest_names_are_taken": refusing(".{1,63}"),
    "test_names_of_odd_characters_are_taken": refusing("[a-z0-9-]+"),
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(ArgumentChecks))
def test_it_bites(check: str, bites: Any) -> None:
    bites(check, lambda tools: Mangling(BROKEN[check]))
