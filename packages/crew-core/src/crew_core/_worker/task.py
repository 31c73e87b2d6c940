"""One task, as the task process sees it."""

from __future__ import annotations

from typing import NamedTuple


class OneTask(NamedTuple):
    """What is needed to run a task."""

    id: int
    digest: bytes  # of its command
    body: bytes  # a TaskBody, encoded
