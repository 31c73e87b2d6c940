"""Brings what a job prints to CloudWatch, line by line, while it prints."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from testbeds.aws_batch.moto import Moto, MotoError

DEFAULT_GROUP = "/aws/batch/job"

_BATCH_SECONDS = 0.1
_BATCH_EVENTS = 1000


class Stream:
    """One log stream.

    Args:
        moto: who keeps it.
        group: the log group; made where there is none, as AWS Batch makes its own.
        name: the stream's name.
    """

    def __init__(self, moto: Moto, group: str, name: str) -> None:
        self._moto = moto
        self._group = group
        self.name = name
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        with contextlib.suppress(MotoError):
            moto.logs("CreateLogGroup", {"logGroupName": group})
        moto.logs("CreateLogStream", {"logGroupName": group, "logStreamName": name})

    def copy(self, output: Iterator[bytes]) -> None:
        """Write until the output ends."""
        ended = threading.Event()
        writer = threading.Thread(target=self._write_until, args=[ended], daemon=True)
        writer.start()
        rest = b""
        for chunk in output:
            *lines, rest = (rest + chunk).split(b"\n")
            self._add(lines)
        self._add([rest] if rest else [])
        ended.set()
        writer.join()

    def _add(self, lines: list[bytes]) -> None:
        now = int(time.time() * 1000)
        events = [
            # CloudWatch refuses an empty message; the agent of AWS writes a blank instead.
            {"timestamp": now, "message": line.decode(errors="replace").rstrip("\r") or " "}
            for line in lines
        ]
        with self._lock:
            self._waiting += events

    def _write_until(self, ended: threading.Event) -> None:
        while not ended.wait(_BATCH_SECONDS):
            self._write()
        self._write()

    def _write(self) -> None:
        while True:
            with self._lock:
                events = self._waiting[:_BATCH_EVENTS]
                del self._waiting[:_BATCH_EVENTS]
            if not events:
                return
            stream = {"logGroupName": self._group, "logStreamName": self.name}
            self._moto.logs("PutLogEvents", {**stream, "logEvents": events})
