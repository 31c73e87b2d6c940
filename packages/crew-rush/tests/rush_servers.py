"""A Redis of a test's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbeds import software
from testbeds.errors import UnavailableError
from testbeds.waiting import until

_SERVERS = ("redis-server", "valkey-server")
_PACKAGE = "redis-server"


def find_server() -> str:
    """A server's program, installed where that can be done; else the test is skipped."""
    pytest.importorskip("redis", reason="NOT TESTED on Redis: redis-py is not installed")
    if not any(map(shutil.which, _SERVERS)):
        missing = software.lacks([_PACKAGE])
        if missing is not None:
            pytest.skip(f"NOT TESTED on Redis: {missing}")
        try:
            software.install([_PACKAGE])
        except UnavailableError as error:
            pytest.skip(f"NOT TESTED on Redis: {error}")
    return next(path for name in _SERVERS if (path := shutil.which(name)))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server that keeps its data in this folder, while this holds: its URL."""
    redis = RedisServer(find_server(), folder)
    redis.start()
    try:
        yield redis.url
    finally:
        redis.stop()


class RedisServer:
    """A server on a port of its own, with a password. Its folder keeps what it was told.

    Before it answers, what it was told is with the system, which outlives a killed server. Writing
    it to the disk itself at once would only show how busy that is.

    Args:
        program: the server's.
        folder: for its data.
        certificate: with it and its key the server takes TLS alone.
        key: of the certificate.
    """

    def __init__(
        self,
        program: str,
        folder: Path,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self.certificate = certificate
        # Bound for as long as the server may be started, so that nobody else is given its port. It
        # does not listen, and lets others that say so bind it, too, as servers of Redis do.
        self._door = socket.socket()
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._door.bind(("127.0.0.1", 0))
        self._port = int(self._door.getsockname()[1])
        self._argv = [program, "--bind", "127.0.0.1"]
        if certificate is None:
            self._argv += ["--port", str(self._port)]
        else:
            self._argv += ["--port", "0", "--tls-port", str(self._port), "--tls-auth-clients", "no"]
            self._argv += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
            self._argv += ["--tls-ca-cert-file", str(certificate)]
        self._argv += ["--dir", str(folder), "--logfile", str(folder / "log"), "--save", ""]
        self._argv += ["--requirepass", "hush", "--appendonly", "yes", "--appendfsync", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        scheme = "redis" if self.certificate is None else "rediss"
        return f"{scheme}://:hush@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL)
        until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
        self._door.close()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it has ended: its log says why"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
