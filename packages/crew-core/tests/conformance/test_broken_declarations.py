"""Checks of what a launcher's class declares bite."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd
import pytest

from crew_core._launcher.local import LocalLauncher
from crew_core.plugins import Launcher
from crew_core.testing import LauncherConformance
from crew_core.testing.conformance.declarations import DeclarationChecks


class OldVersion(LocalLauncher):
    api_version: ClassVar[int] = 0


class Undocumented(LocalLauncher):
    pass


class Endless(LocalLauncher):
    seconds_launch_default: ClassVar[float] = float("inf")


class LongName(LocalLauncher):
    @property
    def name(self) -> str:
        return "two\nlines"


class Changeable(LocalLauncher):
    @dataclass(kw_only=True)
    class Options:
        """Can be changed."""


class Positional(LocalLauncher):
    @dataclass(frozen=True)
    class Options:
        """The queue."""

        queue: str = ""


class Clashing(LocalLauncher):
    @dataclass(frozen=True, kw_only=True)
    class Options:
        """The workers."""

        workers: int = 1


class Unexplained(LocalLauncher):
    @dataclass(frozen=True, kw_only=True)
    class Options:
        """The usual."""

        queue: str = ""


class Tolerant(LocalLauncher):
    @dataclass(frozen=True, init=False)
    class Options:
        """Takes anything."""

        def __init__(self, **ignored: object) -> None:
            pass


class Uncritical(LocalLauncher):
    @dataclass(frozen=True, kw_only=True)
    class Options:
        """The queue, even if it is empty."""

        queue: str = "all"


class Undemanding(LocalLauncher):
    def __init__(self, options: Any = None) -> None:
        super().__init__()


class Loose(LocalLauncher):
    @property
    def options(self) -> dict[str, object]:
        return {}

    def __init__(self, options: Any = None) -> None:
        super().__init__()


class Locked(LocalLauncher):
    @dataclass(frozen=True, kw_only=True)
    class Options:
        """A lock."""

        lock: Any = field(default_factory=threading.Lock)


class Bound(LocalLauncher):
    """Cannot be made from its options alone."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place


class Plain(LocalLauncher):
    def summary(self) -> pd.DataFrame:
        return pd.DataFrame()


class Demanding(LauncherConformance):
    bad_options = ({"queue": ""},)


BROKEN: dict[str, Callable[[], Launcher]] = {
    "test_class_can_be_used_by_crew": OldVersion,
    "test_class_is_documented": Undocumented,
    "test_time_to_launch_is_a_number_of_seconds": Endless,
    "test_name_can_be_printed": LongName,
    "test_options_are_a_frozen_dataclass": Changeable,
    "test_options_are_given_by_name": Positional,
    "test_options_do_not_clash_with_crews_own": Clashing,
    "test_options_are_documented": Unexplained,
    "test_unknown_options_are_refused": Tolerant,
    "test_impossible_options_are_refused": Uncritical,
    "test_options_of_another_kind_are_refused": Undemanding,
    "test_options_can_be_read_back": Loose,
    "test_options_can_be_pickled": Locked,
    "test_launcher_can_be_pickled": lambda: Bound("here"),
    "test_reports_work_without_a_controller": Plain,
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(DeclarationChecks))
def test_it_bites(check: str, bites: Any) -> None:
    bites(check, lambda tools: BROKEN[check](), kind=Demanding)
