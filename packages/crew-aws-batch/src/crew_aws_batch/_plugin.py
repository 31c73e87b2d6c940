"""Names what crew-aws-batch has to offer; imports none of it, so that listing stays cheap."""

from __future__ import annotations

from crew_core.plugins import hookimpl


@hookimpl
def crew_launchers() -> dict[str, str]:
    """Give each launcher's name and where its class is."""
    return {"aws_batch": "crew_aws_batch._launcher.launcher:AwsBatchLauncher"}


@hookimpl
def crew_monitors() -> dict[str, str]:
    """Give each monitor's name and where its class is."""
    return {"aws_batch": "crew_aws_batch._monitor.monitor:AwsBatchMonitor"}
