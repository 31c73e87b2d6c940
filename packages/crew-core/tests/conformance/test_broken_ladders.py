"""Checks of ladders, lives and names of jobs bite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import Launcher, LaunchError, LaunchRequest
from crew_core.testing.conformance.ladders import LadderChecks


class Climbing(LocalLauncher):
    """Has a ladder."""

    ladders: ClassVar[tuple[str, ...]] = ("memory",)

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """The memory."""

        memory: float | tuple[float, ...] = (4, 8)


class Imagining(Climbing):
    ladders: ClassVar[tuple[str, ...]] = ("memory", "time")


class Undecided(Climbing):
    def options_at(self, step: int) -> Any:
        return self.options


class Stillborn(Climbing):
    def seconds_life(self, step: int) -> float:
        return 60.0 * (1 - step)


class Afraid(Climbing):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        if request.step:
            raise LaunchError("that is too high")
        return super().launch(request)


KNOWN: dict[str, LocalHandle] = {}


class Noting(LocalLauncher):
    """Finds jobs by their names."""

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        KNOWN.update({w.name: h for w, h in zip(request.workers, handles, strict=True)})
        return handles


class Blind(Noting):
    def find(self, names: Sequence[str]) -> list[LocalHandle]:
        return []


class Grasping(Noting):
    def find(self, names: Sequence[str]) -> list[LocalHandle]:
        return list(KNOWN.values())


BROKEN: dict[str, Callable[[], Launcher]] = {
    "test_ladders_are_options": Imagining,
    "test_each_step_has_one_value_for_each_ladder": Undecided,
    "test_jobs_last_for_some_time_at_each_step": Stillborn,
    "test_the_highest_step_can_be_launched": Afraid,
    "test_jobs_are_found_by_their_names": Blind,
    "test_names_of_nobody_find_nothing": Grasping,
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(LadderChecks))
def test_it_bites(check: str, bites: Any) -> None:
    bites(check, lambda tools: BROKEN[check]())
