"""Registers, describes and deregisters a job definition for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.aloud import aloud
from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.logs import LOG_GROUP
from crew_aws_batch._definition.checks import check, check_name
from crew_aws_batch._definition.difference import differences
from crew_aws_batch._definition.request import register_request
from crew_aws_batch._definition.table import COLUMNS, row
from crew_aws_batch._definition.trial import Trial, random_job_name, submit, trial_request
from crew_core.plugins import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Unpack

    from crew_aws_batch._definition.registration import Registration


class JobDefinition:
    """A job definition of AWS Batch: what a job's container is to be. All methods ask AWS.

    Each registration makes a new revision; jobs take the latest active one unless they name one.

    Args:
        name: its name: letters, digits, hyphens and underscores.
        queue: the job queue that ``submit`` uses; a name or an ARN.
        log_group: where in CloudWatch jobs' output goes.
        region: the AWS region, as for the launcher.
        profile: a profile of the files under ``~/.aws``.
        endpoint: the address to ask instead of AWS's public one.
        credentials: access_key_id, secret_access_key and session_token.
        role: ARN of a role to assume.
        config: keywords of ``botocore.config.Config``.

    Raises:
        ConfigError: a name or an address that AWS would not take.

    Example::

        >>> from crew_aws_batch import JobDefinition
        >>> definition = JobDefinition("worker", "queue", region="us-east-1")
        >>> request = definition.request("repository/image:tag", cpus=2, memory=4)
        >>> request["containerProperties"]["resourceRequirements"]
        [{'type': 'MEMORY', 'value': '3815'}, {'type': 'VCPU', 'value': '2'}]
    """

    def __init__(
        self,
        name: str,
        queue: str | None = None,
        *,
        log_group: str = LOG_GROUP,
        region: str | None = None,
        profile: str | None = None,
        endpoint: str | Mapping[str, str] | None = None,
        credentials: Mapping[str, str] | None = None,
        role: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        check_name("name", name)
        access = Access(
            region=region,
            profile=profile,
            endpoint=endpoint,
            credentials=credentials,
            role=role,
            config=config,
        )
        self.name = name
        self.queue = queue
        self.log_group = log_group
        self._clients = Clients(access)

    def __repr__(self) -> str:
        return f"<AWS Batch job definition {self.name!r}>"

    # ── Revisions ──────────────────────────────────────────────────────────────────────────────

    def request(self, image: str, **options: Unpack[Registration]) -> dict[str, Any]:
        """What ``register`` would send. Asks nobody.

        Args:
            image: the container image, such as
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/worker:1".
            **options: those of ``register``.

        Raises:
            ConfigError: for what AWS would refuse.
            TypeError: for a value of the wrong type.

        Example::

            >>> from crew_aws_batch import JobDefinition
            >>> definition = JobDefinition("worker", "queue", region="us-east-1")
            >>> definition.request("worker:1", cpus=1, memory=2)["type"]
            'container'
        """
        check(image, options)
        with aloud():
            region = self._clients.region
        return register_request(self.name, image, self.log_group, region, options)

    def register(self, image: str, **options: Unpack[Registration]) -> pd.DataFrame:
        """Register a new revision. Blocks until AWS has answered.

        Args:
            image: the container image.
            **options: ``cpus`` and ``memory``, and what else `Registration` names:
                ``platform_capabilities`` ("EC2" or "FARGATE"), ``gpus``, ``memory_units``,
                ``job_role_arn``, ``execution_role_arn``, ``environment``, ``secrets``,
                ``volumes``, ``ephemeral_storage``, ``assign_public_ip``, ``log_driver``,
                ``log_options``, ``seconds_timeout``, ``retry_strategy``, ``scheduling_priority``,
                ``parameters``, ``tags``, ``propagate_tags``, ...

        Returns:
            A row: name, revision, arn.

        Raises:
            ConfigError: for what AWS would refuse, or has refused.
            CrewError: AWS could not be asked.

        Example::

            >>> from crew_aws_batch import JobDefinition
            >>> definition = JobDefinition("worker", "queue", region="us-east-1")
            >>> try:
            ...     definition.register("worker:1", cpus=1)
            ... except crew.ConfigError as error:
            ...     print(error)
            memory= is missing: AWS takes no job definition without it
        """
        return self._send(self.request(image, **options))

    def ensure(self, image: str, **options: Unpack[Registration]) -> pd.DataFrame:
        """Register a revision only when the latest active one is another. Blocks.

        Args:
            image: the container image. Whether its tag points to something new does not count.
            **options: those of ``register``.

        Returns:
            A row for the revision that jobs will take: name, revision, arn.

        Raises:
            ConfigError: for what AWS would refuse, or has refused.
            CrewError: AWS could not be asked.

        Example::

            >>> from crew_aws_batch import JobDefinition
            >>> callable(JobDefinition("worker", region="us-east-1").ensure)
            True
        """
        wanted = self.request(image, **options)
        latest = self._latest()
        if latest is None or differences(wanted, latest):
            return self._send(wanted)
        return _frame([row(latest)], ["name", "revision", "arn"])

    def describe(self, revision: int | None = None, active: bool = False) -> pd.DataFrame:
        """The revisions, the newest first. Blocks.

        Args:
            revision: this one only.
            active: those only that were not deregistered.

        Returns:
            A row for each: name, arn, revision, status ("active", "inactive"), type,
            scheduling_priority, parameters, retry_strategy, container_properties, timeout,
            node_properties, tags, propagate_tags, platform_capabilities, eks_properties,
            container_orchestration_type. Tables within are dicts.

        Raises:
            CrewError: AWS could not be asked.

        Example::

            >>> from crew_aws_batch import JobDefinition
            >>> callable(JobDefinition("worker", region="us-east-1").describe)
            True
        """
        with aloud():
            found = [row(one) for one in self._revisions(active)]
        kept = [one for one in found if revision is None or one["revision"] == revision]
        return _frame(sorted(kept, key=lambda one: -int(one["revision"])), list(COLUMNS))

    def deregister(self, revision: int | None = None) -> pd.DataFrame:
        """Let no more jobs take a revision; those that run are not touched. Blocks.

        Args:
            revision: which; None: the latest active one.

        Returns:
            A row: name, revision, arn; no row when there is nothing to deregister.

        Raises:
            ConfigError: there is no such active revision.
            CrewError: AWS could not be asked.

        Example::

            >>> from crew_aws_batch import JobDefinition
            >>> callable(JobDefinition("worker", region="us-east-1").deregister)
            True
        """
        with aloud():
            active = {int(one["revision"]): one for one in self._revisions(active=True)}
            if revision is not None and revision not in active:
                known = ", ".join(map(str, sorted(active))) or "none"
                raise ConfigError(f"{self.name} has no active revision {revision}. Active: {known}")
            if not active:
                return _frame([], ["name", "revision", "arn"])
            chosen = row(active[max(active) if revision is None else revision])
            self._clients.call("batch", "deregister_job_definition", jobDefinition=chosen["arn"])
        return _frame([chosen], ["name", "revision", "arn"])

    # ── A job ──────────────────────────────────────────────────────────────────────────────────

    def submit(
        self,
        command: Sequence[str] = ("sleep", "300"),
        name: str | None = None,
        **options: Unpack[Trial],
    ) -> pd.DataFrame:
        """Submit a job, to try the definition and the queue out. Blocks until it is queued.

        Args:
            command: the words of the command that it runs.
            name: of the job; None: a random one.
            **options: ``cpus``, ``gpus``, ``memory``, ``memory_units``, ``seconds_timeout``,
                ``share_identifier``, ``scheduling_priority_override``, ``tags``,
                ``propagate_tags``, ``parameters``, ``environment``.

        Returns:
            A row: name, id, arn.

        Raises:
            ConfigError: there is no queue, or AWS refused.
            CrewError: AWS could not be asked, or did not answer; then it may be queued all the
                same.

        Example::

            >>> from crew_aws_batch import JobDefinition
            >>> callable(JobDefinition("worker", "queue", region="us-east-1").submit)
            True
        """
        if self.queue is None:
            raise ConfigError(f'which queue? Say JobDefinition({self.name!r}, "QUEUE")')
        chosen = random_job_name() if name is None else name
        asked = trial_request(chosen, self.queue, self.name, command, options)
        with aloud():
            return _frame([submit(self._clients, asked)], ["name", "id", "arn"])

    # ── How ────────────────────────────────────────────────────────────────────────────────────

    def _send(self, request: Mapping[str, Any]) -> pd.DataFrame:
        with aloud():
            told = self._clients.call("batch", "register_job_definition", **request)
        made = {
            "name": told["jobDefinitionName"],
            "revision": told["revision"],
            "arn": told["jobDefinitionArn"],
        }
        return _frame([made], list(made))

    def _latest(self) -> dict[str, Any] | None:
        with aloud():
            active = list(self._revisions(active=True))
        return max(active, key=lambda one: int(one["revision"]), default=None)

    def _revisions(self, active: bool) -> Iterator[dict[str, Any]]:
        return self._clients.pages(
            "batch",
            "describe_job_definitions",
            "jobDefinitions",
            jobDefinitionName=self.name,
            status="ACTIVE" if active else None,
        )


def _frame(rows: Sequence[Mapping[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([[one[name] for name in columns] for one in rows], columns=columns)
