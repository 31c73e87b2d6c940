"""The two decorators of the hooks: ``hookimpl`` marks a plugin's function, ``hookspec`` ours."""

from __future__ import annotations

import pluggy

from crew_core._plugins.presence import GROUP

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
