"""Registers workers as AWS Batch jobs; cannot start them yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from crew_core.plugins import Launcher, LaunchError, LaunchRequest


class AwsBatchLauncher(Launcher):
    """Asks AWS Batch for workers."""

    seconds_launch_default: ClassVar[float] = 1800

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """What a user can say about the workers.

        Attributes:
            job_queue: The AWS Batch job queue to submit to.
            job_definition: The job definition of the worker's container.
            region: The AWS region; the environment's default when None.
        """

        job_queue: str | None = None
        job_definition: str | None = None
        region: str | None = None

    def launch(self, request: LaunchRequest) -> list[Any]:
        """Refuse, since nothing is submitted in this version."""
        raise LaunchError(
            f"cannot launch {len(request.workers)} worker(s) on AWS Batch: "
            "this version of crew-aws-batch registers the platform but cannot submit to it yet; "
            'use the local launcher, crew.controller("local"), meanwhile'
        )
