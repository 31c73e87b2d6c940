"""Finds the store that is meant: an object, an address, or what a worker was told."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

from crew_core import ConfigError
from crew_core.services import Pass
from crew_rush._model.errors import StoreError
from crew_rush._store.base import Store
from crew_rush._store.embedded.client import EmbeddedConnection
from crew_rush._store.embedded.home import SCHEME, Home

if TYPE_CHECKING:
    from crew_rush._store.embedded.owner import EmbeddedStore

REDIS_SCHEMES = ("redis", "rediss")
SECONDS_STORE = 60.0
"""How long everybody waits for a store that is away, unless told otherwise."""


@dataclass(frozen=True)
class Access:
    """What a worker is told, and needs, to reach a store.

    Attributes:
        url: goes on its command line.
        environment: is secret.
    """

    url: str
    environment: dict[str, str] = field(repr=False)


def open_store(
    where: EmbeddedStore | str, network: str, seconds_store: float = SECONDS_STORE
) -> Store:
    """A manager's connection.

    Raises:
        ConfigError: it is no address of a store.
        StoreError: no store is there.
    """
    url = where if isinstance(where, str) else where.url
    if url.startswith(SCHEME):
        address = Home(Path(url[len(SCHEME) :])).read_address()
        check = None if isinstance(where, str) else where.check
        return EmbeddedConnection(address.best_pass(), network, url, seconds_store, check)
    if urlsplit(url).scheme in REDIS_SCHEMES:
        return _redis(url, network, seconds_store)
    raise ConfigError(
        f"store={_without_password(url)!r}: must be an EmbeddedStore, the url of one (crew://...), "
        "or a server's, redis://HOST:PORT/NUMBER or rediss://..."
    )


def join_store(
    url: str, network: str, environment: Mapping[str, str], seconds_store: float = SECONDS_STORE
) -> Store:
    """A worker's connection, by what it was told.

    Raises:
        StoreError: it was not told enough.
    """
    key = Pass.from_environment(url, environment)
    if urlsplit(url).scheme in REDIS_SCHEMES:
        return _redis(_with_password(url, key.secret), network, seconds_store)
    if not key.secret:
        raise StoreError("CREW_SECRET is not set: whoever starts a worker of crew-rush sets it")
    if url.startswith("tls+tcp://") and not key.identity:
        raise StoreError("CREW_TLS is not set: whoever starts a worker of crew-rush sets it")
    return EmbeddedConnection(key, network, url, seconds_store)


def access_for(where: EmbeddedStore | str, *, local: bool) -> Access:
    """What workers need.

    Args:
        where: the store.
        local: they run on this computer.

    Raises:
        ConfigError: they do not, and the store lets in processes of this computer only.
    """
    url = where if isinstance(where, str) else where.url
    if not url.startswith(SCHEME):
        return Access(_without_password(url), {"CREW_SECRET": urlsplit(url).password or ""})
    address = Home(Path(url[len(SCHEME) :])).read_address()
    if local and address.best_pass().url == address.here:
        key = address.pass_here()
    elif address.abroad:
        key = address.pass_abroad()
    else:
        raise ConfigError(
            f"store {url} lets in processes of its own computer only: for workers elsewhere make "
            "it with EmbeddedStore(network=crew.NetworkOptions())"
        )
    return Access(key.url, key.environment)


def _redis(url: str, network: str, seconds_store: float) -> Store:
    if "password" in parse_qs(urlsplit(url).query):  # it would be on workers' command lines
        raise ConfigError("store: write its password as in redis://:PASSWORD@HOST:PORT/NUMBER")
    try:
        from crew_rush._store.redis.client import RedisConnection
    except ImportError:
        raise ConfigError(
            "a store on Redis or Valkey needs redis-py: pip install 'crew-rush[redis]'"
        ) from None
    return RedisConnection(url, network, _without_password(url), seconds_store)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit(parts._replace(netloc=user + parts.netloc.rpartition("@")[2]))


def _with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    if not password:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{password}@{host}"))


def scrub(environment: MutableMapping[str, str]) -> None:
    """Take a worker's secrets out of what user code sees."""
    environment.pop("CREW_SECRET", None)
    environment.pop("CREW_TLS", None)
