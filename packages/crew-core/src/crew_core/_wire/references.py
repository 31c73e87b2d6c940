"""How a pickle mentions an object that was put: by its digest, resolved where the task runs."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

RESOLVER: ContextVar[Callable[[bytes, bool], Any] | None] = ContextVar(
    "crew_resolver", default=None
)
"""Finds the objects of the tasks that run in this context; set by whoever runs tasks.

It is asked for the one object of all tasks, or, with True, for one of the asking task's own.
"""


def resolve(digest: bytes) -> Any:
    """The object itself. Called by pickles, where a task runs.

    Raises:
        LookupError: it is not here.
    """
    return _resolver()(digest, False)


def resolve_anew(digest: bytes) -> Any:
    """An object like it, for one task alone. Called by pickles, where a task runs.

    Raises:
        LookupError: it is not here.
    """
    return _resolver()(digest, True)


def _resolver() -> Callable[[bytes, bool], Any]:
    resolver = RESOLVER.get()
    if resolver is None:
        raise LookupError("a reference of controller.put() can only be unpickled for a task")
    return resolver
