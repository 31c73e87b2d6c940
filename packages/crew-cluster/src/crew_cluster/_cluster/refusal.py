"""Says plainly that a scheduler is registered but cannot be submitted to yet."""

from __future__ import annotations

from crew_core.plugins import LaunchError, LaunchRequest


def cannot_submit_yet(platform: str, request: LaunchRequest) -> LaunchError:
    """Build the error for a launch on a platform that this version cannot use."""
    return LaunchError(
        f"cannot launch {len(request.workers)} worker(s) on {platform}: "
        "this version of crew-cluster registers the platform but cannot submit to it yet; "
        'use the local launcher, crew.controller("local"), meanwhile'
    )
