"""Talks to a container engine: Docker's API on a Unix socket, as far as jobs need it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SECONDS = 60
_HEADER_BYTES = 8  # before each piece of output: which stream, and how long


class EngineError(Exception):
    """The engine refused.

    Attributes:
        status: of its answer; 404 for an image or a container that there is not.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Engine:
    """A container engine.

    Args:
        path: its socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def answers(self) -> bool:
        """True when it is there."""
        try:
            return self._ask("GET", "/_ping") == b"OK"
        except (OSError, EngineError):
            return False

    def load(self, image: str, tar: bytes) -> None:
        """Make an image of a file system."""
        self._ask("POST", f"/images/create?fromSrc=-&repo={quote(image)}", tar)

    def create(self, asked: Mapping[str, Any]) -> str:
        """Create a container; its id.

        Raises:
            EngineError: with status 404 when there is no such image.
        """
        made = json.loads(self._ask("POST", "/containers/create", json.dumps(asked).encode()))
        return str(made["Id"])

    def start(self, container: str) -> None:
        """Start it."""
        self._ask("POST", f"/containers/{container}/start")

    def wait(self, container: str) -> int:
        """Wait for its end; its exit code."""
        answer = self._ask("POST", f"/containers/{container}/wait", seconds=None)
        return int(json.loads(answer)["StatusCode"])

    def was_out_of_memory(self, container: str) -> bool:
        """True when the kernel ended it because it took too much."""
        told = json.loads(self._ask("GET", f"/containers/{container}/json"))
        return bool(told["State"].get("OOMKilled"))

    def kill(self, container: str, number: int) -> None:
        """Send a signal to its first process."""
        self._ask("POST", f"/containers/{container}/kill?signal={number}")

    def pause(self, container: str) -> None:
        """Freeze all its processes."""
        self._ask("POST", f"/containers/{container}/pause")

    def remove(self, container: str) -> None:
        """End it, and remove it."""
        self._ask("DELETE", f"/containers/{container}?force=1")

    def containers(self) -> list[str]:
        """All there are."""
        return [one["Id"] for one in json.loads(self._ask("GET", "/containers/json?all=1"))]

    def output(self, container: str) -> Iterator[bytes]:
        """What it prints, both streams as they come; ends with it."""
        path = f"/containers/{container}/logs?follow=1&stdout=1&stderr=1"
        with contextlib.closing(self._connect(None)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            while len(header := response.read(_HEADER_BYTES)) == _HEADER_BYTES:
                yield response.read(int.from_bytes(header[4:], "big"))

    def _ask(
        self, method: str, path: str, body: bytes | None = None, seconds: float | None = _SECONDS
    ) -> bytes:
        with contextlib.closing(self._connect(seconds)) as connection:
            kind = "application/json" if path.startswith("/containers") else "application/x-tar"
            connection.request(method, path, body, {"Content-Type": kind} if body else {})
            response = connection.getresponse()
            answer = response.read()
        if response.status >= 400:
            raise EngineError(response.status, _message(answer))
        return answer

    def _connect(self, seconds: float | None) -> http.client.HTTPConnection:
        return _UnixConnection(self._path, seconds)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float | None) -> None:
        super().__init__("localhost")
        self._socket_path = path
        self._limit = seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._limit)
        self.sock.connect(str(self._socket_path))


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.decode(errors="replace")
