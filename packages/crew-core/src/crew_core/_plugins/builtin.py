"""What crew-core itself brings, by name: each as "package.module:Class"."""

from __future__ import annotations

LAUNCHERS = {
    "local": "crew_core._launcher.local:LocalLauncher",
    "sequential": "crew_core._launcher.sequential:SequentialLauncher",
}
MONITORS = {"local": "crew_core._launcher.local_monitor:LocalMonitor"}
