"""Names the launcher; imports nothing else, so that listing launchers stays cheap."""

from __future__ import annotations

from crew_core.plugins import hookimpl


@hookimpl
def crew_launchers() -> dict[str, str]:
    """Give the launcher's name and where its class is."""
    return {"example": "crew_example_launcher.launcher:ExampleLauncher"}
