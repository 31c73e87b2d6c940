"""Registers what crew-core itself brings, through the same hooks as any plugin."""

from __future__ import annotations

from crew_core._plugins.markers import hookimpl


@hookimpl
def crew_launchers() -> dict[str, str]:
    """Launchers by name."""
    return {
        "local": "crew_core._launcher.local:LocalLauncher",
        "sequential": "crew_core._launcher.sequential:SequentialLauncher",
    }


@hookimpl
def crew_monitors() -> dict[str, str]:
    """Monitors by name."""
    return {"local": "crew_core._launcher.local_monitor:LocalMonitor"}
