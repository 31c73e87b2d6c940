"""The door for tests of plugins, and of programs that use crew: fakes with the real interface."""

from __future__ import annotations

from crew_core.testing.fakes import FakeLauncher

__all__ = ["FakeLauncher"]
