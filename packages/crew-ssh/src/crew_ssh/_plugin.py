"""Names the launchers of crew-ssh; imports none of them, so that listing them stays cheap."""

from __future__ import annotations

from crew_core.plugins import hookimpl


@hookimpl
def crew_launchers() -> dict[str, str]:
    """Give each launcher's name and where its class is."""
    return {"ssh": "crew_ssh._launcher:SshLauncher"}
