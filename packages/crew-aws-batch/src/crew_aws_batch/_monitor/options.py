"""The options of the monitor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.logs import LOG_GROUP
from crew_core.plugins import ConfigError, Monitor


@dataclass(frozen=True, kw_only=True)
class MonitorOptions(Monitor.Options, Access):
    """What a user can say to the monitor, beside where AWS is asked and as whom.

    Attributes:
        job_queue: the job queue, or several; None: all of this region.
        job_definition: show only jobs of this definition, of all its revisions. ``submit`` takes
            it, too.
        log_group: where in CloudWatch jobs' output is, unless their definition says so itself.
    """

    job_queue: str | tuple[str, ...] | None = None
    job_definition: str | None = None
    log_group: str = LOG_GROUP

    def __post_init__(self) -> None:
        super().__post_init__()
        given: Any = self.job_queue
        if isinstance(given, list):
            object.__setattr__(self, "job_queue", tuple(given))
        for name in self.queues or ():
            if not isinstance(name, str) or not name:
                raise ConfigError(f"job_queue={self.job_queue!r}: must be names of job queues")
        if self.job_queue is not None and not self.queues:
            raise ConfigError("job_queue=[]: name one queue at least, or leave it out for all")
        for option in ("job_definition", "log_group"):
            value = getattr(self, option)
            if value == "" or not isinstance(value, str | None):
                raise ConfigError(f"{option}={value!r}: must be a name")

    @property
    def queues(self) -> tuple[str, ...] | None:
        """The queues that were named."""
        if self.job_queue is None or isinstance(self.job_queue, tuple):
            return self.job_queue
        return (self.job_queue,)
