"""How a pickle mentions an object that was put: by its digest, resolved where the task runs."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

RESOLVER: ContextVar[Callable[[bytes], Any] | None] = ContextVar("crew_resolver", default=None)
"""Finds the objects of the tasks that run in this context; set by whoever runs tasks."""


def resolve(digest: bytes) -> Any:
    """The object itself. Called by pickles, where a task runs.

    Raises:
        LookupError: it is not here.
    """
    resolver = RESOLVER.get()
    if resolver is None:
        raise LookupError("a reference of controller.put() can only be unpickled for a task")
    return resolver(digest)
