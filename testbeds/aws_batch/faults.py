"""What a testbed's front does wrong on purpose: which request, how often, and how."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

CONTROL = "/crew/"
"""Below this path tests ask the front itself."""


@dataclass
class Fault:
    """One thing that goes wrong.

    Attributes:
        operation: the API's name of it, such as "SubmitJob", in any case; "*" for all.
        times: how often; -1 for ever.
        status: answer with this HTTP status instead of doing it; 0: do it.
        code: the error that is answered then.
        message: its text.
        drop: "before": reset the connection, nothing was done; "after": do it, and then reset the
            connection without an answer.
        seconds_before: wait before doing it.
        seconds_after: do it, and wait before answering.
        rate: let so many through in a second, and do the above to the others; 0: to all.
        burst: how many may come at once, with a rate.
    """

    operation: str = "*"
    times: int = -1
    status: int = 0
    code: str = "TooManyRequestsException"
    message: str = "Too Many Requests"
    drop: str = ""
    seconds_before: float = 0.0
    seconds_after: float = 0.0
    rate: float = 0.0
    burst: float = 1.0
    _tokens: float = field(default=-1.0, repr=False)
    _at: float = field(default=0.0, repr=False)

    def strikes(self, operation: str, now: float) -> bool:
        """True when it happens to this request; it has then happened once more."""
        if self.operation.lower() not in ("*", operation) or self.times == 0:
            return False
        if self.rate and self._lets_through(now):
            return False
        self.times -= self.times > 0
        return True

    def _lets_through(self, now: float) -> bool:
        if self._tokens < 0:
            self._tokens, self._at = self.burst, now
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Faults:
    """Those that are on, and how often each operation was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on: list[Fault] = []
        self._calls: Counter[str] = Counter()

    def add(self, fault: Fault) -> None:
        """Let one more thing go wrong, after those that are on."""
        with self._lock:
            self._on.append(fault)

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._on.clear()

    def take(self, operation: str, now: float) -> Fault | None:
        """Count a request; the first fault that strikes it."""
        with self._lock:
            self._calls[operation] += 1
            return next((fault for fault in self._on if fault.strikes(operation, now)), None)

    def calls(self) -> dict[str, int]:
        """How often each operation was asked for, by its name in lower case."""
        with self._lock:
            return dict(self._calls)

    def forget_calls(self) -> None:
        """Count from nothing again."""
        with self._lock:
            self._calls.clear()


def operation_of(path: str, headers: Mapping[str, str], body: bytes) -> str:
    """The operation that a request asks for, in lower case, whichever protocol its service speaks.

    REST names it by the path, JSON by a header, query by a field of the form.
    """
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2].lower()
    if "form-urlencoded" in headers.get("content-type", ""):
        return parse_qs(body.decode(errors="replace")).get("Action", [""])[0].lower()
    return path.partition("?")[0].rpartition("/")[2].lower()


def error_body(headers: Mapping[str, str], code: str, message: str) -> tuple[str, bytes]:
    """An error as the service of this request writes it: its content type, and the text."""
    if "form-urlencoded" in headers.get("content-type", ""):
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
            f"<Message>{message}</Message></Error><RequestId>0</RequestId></ErrorResponse>"
        )
        return "text/xml", text.encode()
    told: dict[str, Any] = {"__type": code, "code": code, "message": message}
    return "application/json", json.dumps(told).encode()
