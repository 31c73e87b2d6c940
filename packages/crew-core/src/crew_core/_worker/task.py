"""One task, as the task process sees it."""

from __future__ import annotations

import msgspec


class OneTask(msgspec.Struct, frozen=True, gc=False):
    """What is needed to run a task."""

    id: int
    digest: bytes  # of its command
    body: bytes  # a TaskBody, encoded
