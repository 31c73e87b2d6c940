"""Asks AWS: the one place where its library is used."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crew_aws_batch._aws.access import Access, endpoint_of
from crew_aws_batch._aws.errors import translate
from crew_core.plugins import ConfigError

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 20.0
_TRIES = 3


class Clients:
    """AWS's services as one user sees them. Nothing is asked, nor read, before it is needed.

    Safe to use from several threads.

    Args:
        access: where, and as whom.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, bool], Any] = {}

    @property
    def region(self) -> str:
        """The region.

        Raises:
            ConfigError: there is none.
            AwsError: there is no such profile.
        """
        with self._lock:
            return self._region()

    def client(self, service: str, *, once: bool = False) -> Any:
        """boto3's client of a service.

        Args:
            service: boto3's name.
            once: ask AWS one time only, as what is asked for must not be done twice.

        Raises:
            ConfigError: there is no region.
            AwsError: there are no such credentials.
        """
        with self._lock:
            client = self._clients.get((service, once))
            if client is None:
                client = self._clients[service, once] = self._make(service, once=once)
            return client

    def call(
        self, service: str, operation: str, *, once: bool = False, **parameters: Any
    ) -> dict[str, Any]:
        """Have AWS do something; its answer. Blocks.

        Args:
            service: boto3's name of the service.
            operation: what to do, such as "submit_job".
            once: do not ask again when no answer comes.
            **parameters: as AWS calls them. Those that are None are left out.

        Raises:
            AwsError: it was not done, or nobody knows.
            ConfigError: there is no region.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        client = self.client(service, once=once)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**given)
        except Exception as error:
            raise _translated(error, service, operation) from error
        return answer

    def can(self, service: str, operation: str) -> bool:
        """Whether the installed library knows the operation."""
        return hasattr(self.client(service), operation)

    def pages(
        self, service: str, operation: str, key: str, **parameters: Any
    ) -> Iterator[dict[str, Any]]:
        """The entries of a list that AWS gives in pages.

        Args:
            service: boto3's name of the service.
            operation: what to do, such as "list_jobs".
            key: where the entries are in an answer.
            **parameters: as AWS calls them.

        Raises:
            AwsError: it was not done.
        """
        token: str | None = None
        # Services write it either way, in answers as in questions.
        name = "NextToken" if key[:1].isupper() else "nextToken"
        while True:
            answer = self.call(service, operation, **{**parameters, name: token})
            yield from answer.get(key, ())
            token = answer.get(name)
            if not token:
                return

    def forget(self) -> None:
        """Begin anew: credentials are looked for again."""
        with self._lock:
            self._session = None
            self._clients.clear()

    # ── Under the lock ─────────────────────────────────────────────────────────────────────────

    def _make(self, service: str, *, once: bool) -> Any:
        from botocore.config import Config

        region = self._region()
        retries = {"mode": "standard", "total_max_attempts": 1 if once else _TRIES}
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries=retries,
            user_agent_extra="crew",
        )
        if self._access.config:
            config = config.merge(Config(**self._access.config))
        if once:
            config = config.merge(Config(retries=retries))
        try:
            return self._boto().client(
                service,
                region_name=region,
                endpoint_url=endpoint_of(self._access, service),
                config=config,
            )
        except Exception as error:
            raise _translated(error, service, "create_client") from error

    def _region(self) -> str:
        region = self._access.region or os.environ.get("AWS_REGION") or self._boto().region_name
        if not region:
            raise ConfigError(
                'no AWS region is known: say region="…", set AWS_REGION, or name a profile that '
                "has one"
            )
        return str(region)

    def _boto(self) -> boto3.Session:
        if self._session is None:
            try:
                self._session = _session(self._access)
            except Exception as error:
                raise _translated(error, "sts", "find_credentials") from error
        return self._session


def _session(access: Access) -> boto3.Session:
    import boto3
    from botocore.session import Session

    base = Session(profile=access.profile)
    if access.region is not None:
        base.set_config_variable("region", access.region)
    if access.credentials is not None:
        keys = access.credentials
        base.set_credentials(
            keys["access_key_id"], keys["secret_access_key"], keys.get("session_token")
        )
    return boto3.Session(botocore_session=base if access.role is None else _assuming(base, access))


def _assuming(base: Session, access: Access) -> Session:
    """A session whose credentials are those of the role, and renew themselves."""
    from botocore.credentials import (
        AssumeRoleCredentialFetcher,
        CredentialProvider,
        CredentialResolver,
        DeferredRefreshableCredentials,
    )
    from botocore.exceptions import NoCredentialsError
    from botocore.session import Session

    source = base.get_credentials()
    if source is None:
        raise NoCredentialsError
    region = access.region or os.environ.get("AWS_REGION") or base.get_config_variable("region")

    def ask(service: str, **keys: Any) -> Any:
        address = endpoint_of(access, service)
        return base.create_client(service, region_name=region, endpoint_url=address, **keys)

    fetcher = AssumeRoleCredentialFetcher(
        ask, source, access.role, extra_args={"RoleSessionName": "crew"}
    )

    class Assumed(CredentialProvider):  # type: ignore[misc]  # the library has no types
        METHOD = "assume-role"

        def load(self) -> Any:
            return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    session = Session(profile=access.profile)
    session.register_component("credential_provider", CredentialResolver([Assumed()]))
    return session


def _translated(error: Exception, service: str, operation: str) -> Exception:
    """The error as an AwsError, where it is AWS's or its library's."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    if isinstance(error, BotoCoreError | ClientError | ResponseParserError):
        name = "".join(word.capitalize() for word in operation.split("_"))
        return translate(error, service, name)
    return error
