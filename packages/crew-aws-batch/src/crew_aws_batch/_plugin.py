"""Names the launchers of crew-aws-batch; imports none of them, so that listing them stays cheap."""

from __future__ import annotations

from crew_core.plugins import hookimpl


@hookimpl
def crew_launchers() -> dict[str, str]:
    """Give each launcher's name and where its class is."""
    return {"aws_batch": "crew_aws_batch._launcher:AwsBatchLauncher"}
