"""Asks moto's server in plain HTTP, with a signature that it does not check."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

ACCOUNT = "123456789012"
REGION = "us-east-1"

_SECONDS = 60
_SCOPE = "AWS4-HMAC-SHA256 Credential=testing/20200101/{region}/{service}/aws4_request, "
_REST = "SignedHeaders=host, Signature=0"
_TARGETS = {"logs": "Logs_20140328"}


class MotoError(Exception):
    """Moto refused; `code` is AWS's name of the error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class Moto:
    """A moto server.

    Args:
        port: where it listens, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Have it answer a request as it came."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def batch(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation of AWS Batch.

        Raises:
            MotoError: it refused.
        """
        return self._call("batch", f"/v1/{operation.lower()}", {}, payload)

    def logs(self, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation of CloudWatch Logs.

        Raises:
            MotoError: it refused.
        """
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{_TARGETS['logs']}.{operation}",
        }
        return self._call("logs", "/", headers, payload)

    def query(self, service: str, action: str, version: str, **parameters: str) -> str:
        """Call an operation of a service that speaks XML, such as IAM or EC2; its answer's text.

        Raises:
            MotoError: it refused.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded", **_signed(service)}
        form = urlencode({"Action": action, "Version": version, **parameters}).encode()
        answer = self.forward("POST", "/", headers, form)
        text = answer.body.decode()
        if answer.status != 200:
            raise MotoError(answer.status, action, text)
        return text

    def _call(
        self, service: str, path: str, headers: Mapping[str, str], payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        own = {"Content-Type": "application/json", **_signed(service), **headers}
        answer = self.forward("POST", path, own, json.dumps(payload).encode())
        if answer.status != 200:
            raise _error(answer)
        return dict(json.loads(answer.body)) if answer.body else {}


def _signed(service: str) -> dict[str, str]:
    return {"Authorization": _SCOPE.format(region=REGION, service=service) + _REST}


def _error(answer: Answer) -> MotoError:
    try:
        told = json.loads(answer.body)
    except ValueError:
        return MotoError(answer.status, "InternalError", answer.body.decode(errors="replace"))
    code = told.get("__type") or told.get("code") or "ClientException"
    return MotoError(answer.status, str(code), str(told.get("message", told)))
