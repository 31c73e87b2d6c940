"""A worker's command line as it is to run on a host. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_URL, _LOG = "--url", "--log"
_TCP = "tls+tcp://"
_OF_THIS_DISK = ("CREW_SYS_PATH",)


def is_worker(argv: Sequence[str]) -> bool:
    """True for Python that is to dial somebody here; false for whatever else is to be started.

    Workers of other packages are told whom to dial as crew's own are.
    """
    return list(argv[1:2]) == ["-m"] and _URL in argv[3:-1]


def url_of(argv: Sequence[str]) -> str | None:
    """Whom a worker dials here; None where it is somebody elsewhere, such as a database."""
    url = argv[argv.index(_URL, 3) + 1] if is_worker(argv) else ""
    return url if url.startswith(_TCP) else None


def for_host(argv: Sequence[str], *, python: str, url: str | None, log: str) -> list[str]:
    """The command line on a host.

    Args:
        argv: as it would be here.
        python: the host's interpreter.
        url: where the host finds whom the worker dials; None: where it says itself.
        log: the host's file for output.
    """
    if not is_worker(argv):
        return list(argv)
    given = [python, *argv[1:]]
    for option, value in ((_URL, url), (_LOG, log)):
        if value is not None and option in given[3:-1]:
            given[given.index(option, 3) + 1] = value
    return given


def variables_for_host(own: Mapping[str, str], worker: Mapping[str, str]) -> dict[str, str]:
    """A worker's variables on a host, without what means something on this computer's disk only."""
    kept = {name: value for name, value in worker.items() if name not in _OF_THIS_DISK}
    return {**own, **kept}


def addresses_of(url: str) -> list[tuple[str, int]]:
    """Hosts and ports of "tls+tcp://HOST:PORT,HOST:PORT"."""
    addresses = []
    for part in url.partition("://")[2].split(","):
        host, _, port = part.rpartition(":")
        if port.isdecimal():
            addresses.append((host.strip("[]"), int(port)))
    return addresses


def with_addresses(url: str, addresses: Sequence[tuple[str, int]]) -> str:
    """The same kind of URL with other addresses."""
    places = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses]
    return f"{url.partition('://')[0]}://{','.join(places)}"
