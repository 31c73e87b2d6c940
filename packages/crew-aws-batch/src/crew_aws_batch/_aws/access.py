"""The options that say where AWS is asked, and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crew_core.plugins import ConfigError

_KEYS = ("access_key_id", "secret_access_key", "session_token")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where AWS is asked, and as whom. What is left out is found as AWS's own tools find it.

    Attributes:
        region: the AWS region; None: ``AWS_REGION``, ``AWS_DEFAULT_REGION``, or the profile's.
        profile: a profile of the files under ``~/.aws``.
        endpoint: the address to ask instead of AWS's public one: one for all services, or a table
            by service ("batch", "logs", "secretsmanager", "ssm", "sts", "ec2").
        credentials: a table of access_key_id, secret_access_key and, for temporary ones,
            session_token. They are written nowhere, so what ends jobs of a killed session does
            without them: prefer a profile.
        role: ARN of a role to assume. It is assumed again whenever it expires.
        config: keywords of ``botocore.config.Config``, such as ``proxies``.
    """

    region: str | None = None
    profile: str | None = None
    endpoint: str | Mapping[str, str] | None = None
    credentials: Mapping[str, str] | None = field(default=None, repr=False)
    role: str | None = None
    config: Mapping[str, Any] | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Explain these options where those of a launcher or a monitor are explained."""
        super().__init_subclass__(**keywords)
        if cls.__doc__ and Access.__doc__:
            common = Access.__doc__.partition("Attributes:\n")[2]
            cls.__doc__ = f"{cls.__doc__.rstrip()}\n{common}"

    def __post_init__(self) -> None:
        for option in ("region", "profile", "role"):
            _check_text(option, getattr(self, option))
        if self.role is not None and not self.role.startswith("arn:"):
            raise ConfigError(
                f'role={self.role!r}: must be an ARN, such as "arn:aws:iam::123456789012:role/name"'
            )
        _check_endpoint(self.endpoint)
        if self.credentials is not None:
            _check_credentials(self.credentials)
            if self.profile is not None:
                raise ConfigError("profile= and credentials=: only one can say who asks")
        if self.config is not None and not isinstance(self.config, Mapping):
            raise TypeError(f"config: must be a table, not {type(self.config).__name__}")


def endpoint_of(access: Access, service: str) -> str | None:
    """The address to ask for a service; None: AWS's own, or what the environment says."""
    if isinstance(access.endpoint, Mapping):
        return access.endpoint.get(service)
    return access.endpoint


def _check_endpoint(value: object) -> None:
    if isinstance(value, Mapping):
        for service, address in value.items():
            _check_url(f"endpoint[{service!r}]", address)
    elif value is not None:
        _check_url("endpoint", value)


def _check_url(option: str, value: object) -> None:
    _check_text(option, value)
    if not str(value).startswith(("http://", "https://")):
        raise ConfigError(f"{option}={value!r}: must begin with https:// or http://")


def _check_credentials(table: object) -> None:
    # No value is shown: a secret one may stand where another belongs.
    if not isinstance(table, Mapping):
        raise TypeError(f"credentials: must be a table, not {type(table).__name__}")
    for key, value in table.items():
        if key not in _KEYS:
            raise ConfigError(f"credentials: unknown key {key!r}. Valid keys: {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise TypeError(f"credentials[{key!r}]: must be text, not {type(value).__name__}")
    for key in _KEYS[:2]:
        if not table.get(key):
            raise ConfigError(f"credentials: {key} is missing")


def _check_text(option: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise TypeError(f"{option}={value!r}: must be text, not {type(value).__name__}")
    if not value or not value.isprintable():
        raise ConfigError(f"{option}={value!r}: must be printable text")
