"""Keeps what workers are started with where their jobs, and nobody else, can fetch it.

A submission of many workers is some bundles of many starts each, so that ten thousand workers do
not need ten thousand requests. A bundle of one is deleted by the job that fetches it, others by who
launched them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._bootstrap import (
    ENVIRONMENT,
    PARAMETER_STORE,
    SECRETS_MANAGER,
    VARIABLE,
    entry_name,
)
from crew_aws_batch._bundle import Start, pack

log = logging.getLogger("crew")

T = TypeVar("T")

_AT_ONCE = 8
_GONE = ("ResourceNotFoundException", "ParameterNotFound", "InvalidRequestException")


class Placed(NamedTuple):
    """Where the starts of a submission are.

    Attributes:
        share: so many workers share a bundle.
        bundles: how many there are.
        variables: to add to the jobs' environment.
    """

    share: int
    bundles: int
    variables: Mapping[str, str]


class Vault(Protocol):
    """A store."""

    kind: str
    room: int
    """How many characters a bundle may have."""

    def put(self, name: str, bundles: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, str]:
        """Keep the bundles of a submission; variables that its jobs need.

        Raises:
            AwsError: they are not kept, or not all.
        """

    def remove(self, name: str, numbers: Sequence[int]) -> bool:
        """Delete bundles of a submission, as far as they are there. Never raises.

        Returns:
            False when some may still be there.
        """

    def names(self, prefix: str) -> dict[str, list[int]]:
        """The submissions whose names begin like this, and the numbers of their bundles.

        Raises:
            AwsError: AWS did not answer.
        """


def place(vault: Vault, name: str, starts: Sequence[Start], tags: Mapping[str, str]) -> Placed:
    """Keep what the workers of a submission are started with.

    Raises:
        AwsError: it cannot be kept. What was kept before is deleted.
    """
    share = shared_by(starts, vault.room)
    bundles = [pack(starts[first : first + share]) for first in range(0, len(starts), share)]
    try:
        variables = vault.put(name, bundles, tags)
    except BaseException:
        vault.remove(name, range(len(bundles)))
        raise
    return Placed(share, len(bundles), variables)


def shared_by(starts: Sequence[Start], room: int) -> int:
    """How many starts a bundle of so many characters can hold, whichever they are; at least 1."""
    # Together they take less than one by one, but not much.
    longest = max(len(pack([start])) for start in starts[:20]) + 64
    return max(1, min(len(starts), room // longest))


class SecretsManager:
    """AWS Secrets Manager."""

    kind = SECRETS_MANAGER
    room = 65_000

    def __init__(self, clients: Clients, key: str | None) -> None:
        self._clients = clients
        self._key = key

    def put(self, name: str, bundles: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, str]:
        """Keep them as secrets."""

        def create(number: int) -> None:
            self._clients.call(
                "secretsmanager",
                "create_secret",
                Name=entry_name(self.kind, name, number),
                SecretString=bundles[number],
                KmsKeyId=self._key,
                Tags=_listed(tags),
            )

        _at_once(create, range(len(bundles)))
        return {}

    def remove(self, name: str, numbers: Sequence[int]) -> bool:
        """Delete them for good."""

        def delete(number: int) -> bool:
            return _try_to_delete(
                self._clients,
                "secretsmanager",
                "delete_secret",
                SecretId=entry_name(self.kind, name, number),
                ForceDeleteWithoutRecovery=True,
            )

        return all(_at_once(delete, numbers))

    def names(self, prefix: str) -> dict[str, list[int]]:
        """Those that are listed under the prefix."""
        filters = [{"Key": "name", "Values": [f"crew/{prefix}"]}]
        found = self._clients.pages(
            "secretsmanager", "list_secrets", "SecretList", Filters=filters, MaxResults=100
        )
        return _by_job(str(entry.get("Name", "")) for entry in found)


class ParameterStore:
    """Parameters of AWS Systems Manager, encrypted."""

    kind = PARAMETER_STORE
    room = 8_000

    def __init__(self, clients: Clients, key: str | None) -> None:
        self._clients = clients
        self._key = key

    def put(self, name: str, bundles: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, str]:
        """Keep them as encrypted parameters."""

        def create(number: int) -> None:
            self._clients.call(
                "ssm",
                "put_parameter",
                Name=entry_name(self.kind, name, number),
                Value=bundles[number],
                Type="SecureString",
                KeyId=self._key,
                Tier="Intelligent-Tiering",
                Tags=_listed(tags),
            )

        _at_once(create, range(len(bundles)))
        return {}

    def remove(self, name: str, numbers: Sequence[int]) -> bool:
        """Delete them."""
        entries = [entry_name(self.kind, name, number) for number in numbers]
        parts = [entries[first : first + 10] for first in range(0, len(entries), 10)]
        done = [
            _try_to_delete(self._clients, "ssm", "delete_parameters", Names=part) for part in parts
        ]
        return all(done)

    def names(self, prefix: str) -> dict[str, list[int]]:
        """Those that are listed under the prefix."""
        filters = [{"Key": "Name", "Option": "BeginsWith", "Values": [f"/crew/{prefix}"]}]
        found = self._clients.pages(
            "ssm", "describe_parameters", "Parameters", ParameterFilters=filters, MaxResults=50
        )
        return _by_job(str(entry.get("Name", "")) for entry in found)


class Environment:
    """Variables of the jobs themselves."""

    kind = ENVIRONMENT
    # A request to SubmitJob may have 30 KiB; an array's workers all get all variables.
    room = 20_000

    def put(
        self,
        name: str,  # noqa: ARG002 - the variables are the job's own
        bundles: Sequence[str],
        tags: Mapping[str, str],  # noqa: ARG002 - likewise
    ) -> Mapping[str, str]:
        """The variables."""
        return {f"{VARIABLE}{number}": text for number, text in enumerate(bundles)}

    def remove(self, name: str, numbers: Sequence[int]) -> bool:  # noqa: ARG002 - as above
        """They go with the job."""
        return True

    def names(self, prefix: str) -> dict[str, list[int]]:  # noqa: ARG002 - there are none
        """Nothing is kept anywhere."""
        return {}


def open_vault(kind: str, clients: Clients, key: str | None) -> Vault:
    """The store that the option ``secrets`` names."""
    if kind == ENVIRONMENT:
        return Environment()
    return (SecretsManager if kind == SECRETS_MANAGER else ParameterStore)(clients, key)


def _at_once(work: Callable[[int], T], numbers: Sequence[int]) -> list[T]:
    """Do it for each number, some at the same time: AWS may take a second for each.

    Raises:
        AwsError: one failed. None is under way any more.
    """
    if len(numbers) == 1:
        return [work(numbers[0])]
    with ThreadPoolExecutor(_AT_ONCE, "crew-aws") as pool:
        return [done.result() for done in [pool.submit(work, number) for number in numbers]]


def _try_to_delete(clients: Clients, service: str, operation: str, **parameters: Any) -> bool:
    """Delete something that may be gone already; False when it may still be there."""
    try:
        clients.call(service, operation, **parameters)
    except AwsError as error:
        if error.code not in _GONE:
            log.warning("%s", error)
            return False
    return True


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _by_job(entries: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for entry in entries:
        _, _, rest = entry.strip("/").partition("/")
        job, _, number = rest.rpartition("/")
        if job and number.isdigit():
            found.setdefault(job, []).append(int(number))
    return found
