"""The door for tests of plugins, and of programs that use crew: fakes, and a conformance suite.

The suite needs pytest, which is imported when a class of it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crew_core.testing.conformance import LauncherConformance, PlatformConformance
    from crew_core.testing.fake_platform import FakePlatform
    from crew_core.testing.fake_platform_launcher import FakePlatformLauncher
    from crew_core.testing.fakes import FakeLauncher

__all__ = [
    "FakeLauncher",
    "FakePlatform",
    "FakePlatformLauncher",
    "LauncherConformance",
    "PlatformConformance",
]

_HOME_OF = {
    "FakeLauncher": "fakes",
    "FakePlatform": "fake_platform",
    "FakePlatformLauncher": "fake_platform_launcher",
    "LauncherConformance": "conformance",
    "PlatformConformance": "conformance",
}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOME_OF[name] == "conformance":
        import pytest

        # So that a failed check shows the values that it compared.
        pytest.register_assert_rewrite(f"{__name__}.conformance")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
