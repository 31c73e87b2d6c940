"""Who has something to say: the selector of the loops, asked once on every hop of every task.

Python's own selectors weigh for each answer what kind of system they are on. Where it has epoll,
this one does not; elsewhere it is theirs.
"""

from __future__ import annotations

import contextlib
import select
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


def make_selector() -> selectors.BaseSelector:
    """The quickest selector that there is here."""
    return EpollSelector() if hasattr(select, "epoll") else selectors.DefaultSelector()


class EpollSelector(selectors.BaseSelector):
    """Tells which descriptors are ready, but not for what: look for it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        """Watch a descriptor."""
        key = selectors.SelectorKey(fileobj, _number(fileobj), events, data)
        self._epoll.register(key.fd, _mask(events))
        self._keys[key.fd] = key
        return key

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        """Watch it for something else."""
        key = selectors.SelectorKey(fileobj, _number(fileobj), events, data)
        self._epoll.modify(key.fd, _mask(events))
        self._keys[key.fd] = key
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Watch it no more. It is not closed yet."""
        key = self._keys.pop(_number(fileobj))
        with contextlib.suppress(OSError):
            self._epoll.unregister(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until some are ready, for so many seconds at most; None: for ever."""
        keys = self._keys
        ready = self._epoll.poll(timeout, len(keys) + 1)
        return [(keys[fd], events) for fd, events in ready if fd in keys]

    def close(self) -> None:
        """Close the selector; what it watched stays open."""
        self._epoll.close()
        self._keys.clear()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        """What is watched, by its descriptor's number."""
        return {key.fd: key for key in self._keys.values()}


def _number(fileobj: FileDescriptorLike) -> int:
    return fileobj if isinstance(fileobj, int) else fileobj.fileno()


def _mask(events: int) -> int:
    mask = 0
    if events & selectors.EVENT_READ:
        mask |= select.EPOLLIN
    if events & selectors.EVENT_WRITE:
        mask |= select.EPOLLOUT
    return mask
