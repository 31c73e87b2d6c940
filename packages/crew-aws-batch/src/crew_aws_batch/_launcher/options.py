"""The options of workers on AWS Batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.logs import LOG_GROUP
from crew_aws_batch._aws.resources import GIGABYTES, UNITS
from crew_aws_batch._aws.tags import MOST as TAGS_MOST
from crew_aws_batch._bootstrap import ENVIRONMENT, PARAMETER_STORE, SECRETS_MANAGER
from crew_aws_batch._launcher.checks import (
    check_amount,
    check_choice,
    check_count,
    check_each,
    check_members,
    check_table,
    check_text,
    check_texts,
)
from crew_core.plugins import ConfigError, Launcher

LADDERS = (
    "job_definition",
    "job_queue",
    "cpus",
    "gpus",
    "memory",
    "memory_units",
    "timeout",
)
"""The options that may be lists."""

ARRAY_MOST = 10_000
"""The most jobs in an array."""

TIMEOUT_LEAST = 60
"""The fewest seconds that AWS takes."""

_TIMEOUT_KEY = "attemptDurationSeconds"
_OWN_TAGS = "crew-"
_TEXTS = ("share_identifier", "python", "log_group", "kms_key")
_CONTAINER = ("instanceType", "environment", "resourceRequirements", "command", "vcpus", "memory")


@dataclass(frozen=True, kw_only=True)
class AwsBatchOptions(Access, Launcher.Options):
    """What a user can say about workers on AWS Batch.

    Options marked "(steps)" may be lists: after a worker died, the next launch takes the list's
    next value.

    Attributes:
        job_queue: the job queue (steps).
        job_definition: the job definition (steps): "name", "name:revision", or an ARN. Its image
            needs Python with crew-core and crew-aws-batch.
        cpus: virtual processors of one worker (steps); None: as the definition says.
        gpus: graphics processors (steps). 0 and None: as the definition says.
        memory: memory of one worker (steps), in ``memory_units``.
        memory_units: "gigabytes", 10**9 bytes, or "mebibytes", 2**20 bytes (steps).
        timeout: how many seconds a worker's job may run (steps), 60 at least, or as SubmitJob's
            ``timeout``. The worker leaves in time.
        container_overrides: what else of the container to override, as SubmitJob's
            ``containerOverrides``. cpus, gpus and memory go before its resourceRequirements.
        node_overrides: for definitions of several nodes, as SubmitJob's ``nodeOverrides``: the
            worker runs on node 0.
        eks_properties_override: for definitions of pods, as SubmitJob's ``eksPropertiesOverride``;
            an empty table will do.
        retry_strategy: as SubmitJob's ``retryStrategy``. None: one attempt, as crew launches
            another worker itself, and a job that AWS starts again is refused.
        parameters: values for the definition's placeholders.
        tags: tags of the jobs, beside crew's own.
        propagate_tags: give the tags to ECS's tasks, too.
        share_identifier: of a queue with a scheduling policy.
        scheduling_priority_override: of a queue with a scheduling policy.
        secrets: how a worker gets what it proves its identity with: "secrets_manager" or
            "parameter_store", from where its job fetches it once; or "environment": as variables of
            its job, which everybody sees who may describe jobs.
        kms_key: the key that these stores encrypt with; None: the account's default key.
        python: the interpreter in the image.
        array_size: the most workers in one array job. 1: no arrays.
        log_group: where CloudWatch has the output of jobs.
        seconds_poll: the longest time between two looks at jobs while they are needed. The first
            ones come sooner.
        verbose: log what is submitted.
    """

    job_queue: str | tuple[str, ...] | None = None
    job_definition: str | tuple[str, ...] | None = None
    cpus: float | tuple[float, ...] | None = None
    gpus: int | tuple[int, ...] | None = None
    memory: float | tuple[float, ...] | None = None
    memory_units: str | tuple[str, ...] = GIGABYTES
    timeout: int | tuple[int, ...] | Mapping[str, int] | None = None
    container_overrides: Mapping[str, Any] | None = None
    node_overrides: Mapping[str, Any] | None = None
    eks_properties_override: Mapping[str, Any] | None = None
    retry_strategy: Mapping[str, Any] | None = None
    parameters: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None
    propagate_tags: bool | None = None
    share_identifier: str | None = None
    scheduling_priority_override: int | None = None
    secrets: str = SECRETS_MANAGER
    kms_key: str | None = None
    python: str = "python3"
    array_size: int = ARRAY_MOST
    log_group: str = LOG_GROUP
    seconds_poll: float = 30.0
    verbose: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
        self._check_amounts()
        self._check_tables()
        check_choice(SECRETS_MANAGER, PARAMETER_STORE, ENVIRONMENT)("secrets", self.secrets)
        for option in _TEXTS:
            check_each(option, getattr(self, option), check_text)

    def _check_amounts(self) -> None:
        for option, what in (("job_queue", "the queue"), ("job_definition", "the definition")):
            if getattr(self, option) is None:
                raise ConfigError(f'{option} is missing: name {what}, as in {option}="example"')
            check_each(option, getattr(self, option), check_text)
        check_each("cpus", self.cpus, check_amount)
        check_each("gpus", self.gpus, check_count(0))
        check_each("memory", self.memory, check_amount)
        check_each("memory_units", self.memory_units, check_choice(*UNITS))
        check_each("timeout", self.timeout, _check_timeout)
        check_each("scheduling_priority_override", self.scheduling_priority_override, _PRIORITY)
        check_each("array_size", self.array_size, check_count(1, ARRAY_MOST))
        check_each("seconds_poll", self.seconds_poll, check_amount)

    def _check_tables(self) -> None:
        for option in ("container_overrides", "node_overrides", "eks_properties_override"):
            check_each(option, getattr(self, option), check_table)
        kinds = (self.container_overrides, self.node_overrides, self.eks_properties_override)
        if sum(table is not None for table in kinds) > 1:
            raise ConfigError(
                "container_overrides=, node_overrides= and eks_properties_override= are for "
                "different kinds of job definitions: say one of them"
            )
        if self.container_overrides is not None:
            check_members("container_overrides", self.container_overrides, _CONTAINER)
            if "command" in self.container_overrides:
                raise ConfigError(
                    "container_overrides: leave out the command, which starts the worker"
                )
        check_each("retry_strategy", self.retry_strategy, check_table)
        check_each("parameters", self.parameters, check_texts)
        check_each("tags", self.tags, check_texts)
        for key in self.tags or ():
            if key.startswith(_OWN_TAGS):
                raise ConfigError(f"tags: {key!r}: keys that begin with crew- are crew's own")
        if len(self.tags or ()) > TAGS_MOST - 4:
            raise ConfigError(f"tags: {TAGS_MOST - 4} at most, as AWS takes {TAGS_MOST}")

    @property
    def seconds_job(self) -> int | None:
        """How long a job may run, by these options at one step of their ladders."""
        timeout = self.timeout[0] if isinstance(self.timeout, tuple) else self.timeout
        return timeout[_TIMEOUT_KEY] if isinstance(timeout, Mapping) else timeout


_PRIORITY = check_count(0, 9999)


def _check_timeout(option: str, value: object) -> None:
    if isinstance(value, Mapping):
        check_members(option, value, (_TIMEOUT_KEY,))
        value = value.get(_TIMEOUT_KEY)
    check_count(TIMEOUT_LEAST)(option, value)
