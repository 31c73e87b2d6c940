"""The two decorators of the hooks: ``hookimpl`` marks a plugin's function, ``hookspec`` ours."""

from __future__ import annotations

import pluggy

PROJECT = "crew"
"""Project name for pluggy, and the group of entry points that plugins are found by."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
