"""Names what crew-ssh brings; imports none of it, so listing them stays cheap."""

from __future__ import annotations

from crew_core.plugins import hookimpl


@hookimpl
def crew_launchers() -> dict[str, str]:
    """Give the launcher's name and where its class is."""
    return {"ssh": "crew_ssh._launcher.launcher:SshLauncher"}


@hookimpl
def crew_monitors() -> dict[str, str]:
    """Give the monitor's name and where its class is."""
    return {"ssh": "crew_ssh._monitor.monitor:SshMonitor"}


@hookimpl
def crew_runners() -> dict[str, str]:
    """Give what reaches "ssh://...", for launchers of other packages."""
    return {"ssh": "crew_ssh._via.runner:SshRunner"}
