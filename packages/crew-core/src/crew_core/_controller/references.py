"""What ``put`` returns, and which of them a pickle mentions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Generic, NamedTuple, TypeVar

from crew_core._model.errors import ConfigError
from crew_core._wire.references import resolve, resolve_anew

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_mentioned: ContextVar[list[Reference[Any]] | None] = ContextVar("crew_mentioned", default=None)


class Home:
    """The controller's run that a reference belongs to.

    Attributes:
        controller: its name.
        over: True once the controller was terminated.
    """

    def __init__(self, controller: str) -> None:
        self.controller = controller
        self.over = False


class Reference(Generic[T_co]):
    """An object that workers share: what ``controller.put(obj)`` returns.

    Use it in place of the object, anywhere in a task: in ``args``, ``data``, ``globals`` and
    ``iterate``, inside lists and other objects, in variables of a function. The task sees the
    object itself, one for all tasks of a worker: it should not change it.

    Each worker is sent the object once, with the first task there that needs it. When the last
    reference to it is gone, and the last unfinished task that uses it, it is freed everywhere.

    Example::

        >>> import crew_core as crew
        >>> with crew.controller("local", workers=1) as controller:
        ...     table = controller.put({"a": 1, "b": 2})
        ...     controller.push(lambda t, key: t[key], (table, "b")).result()
        2
    """

    __slots__ = ("__weakref__", "_digest", "_home", "_inner", "_size")

    def __init__(
        self, home: Home, digest: bytes, size: int, inner: tuple[Reference[Any], ...]
    ) -> None:
        self._home = home
        self._digest = digest
        self._size = size
        self._inner = inner  # the object mentions these

    def __repr__(self) -> str:
        return (
            f"<crew reference {self._digest.hex()[:8]}: {self._size} bytes "
            f"in controller {self._home.controller!r}>"
        )

    @property
    def size(self) -> int:
        """Bytes that the pickled object has.

        Example::

            >>> import crew_core as crew
            >>> with crew.controller("local") as controller:
            ...     controller.put(bytes(1000)).size > 1000
            True
        """
        return self._size

    def __copy__(self) -> Reference[T_co]:
        return self

    def __deepcopy__(self, memo: object) -> Reference[T_co]:
        return self

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        mentioned = _mentioned.get()
        if mentioned is None:
            raise TypeError(
                f"{self!r} means something only in tasks of its controller: give it to push, map "
                "and the like, or take the object itself"
            )
        mentioned.append(self)
        return resolve, (self._digest,)


class Anew:
    """Stands for a referenced object that each task is to have for itself."""

    def __init__(self, reference: Reference[Any]) -> None:
        self._reference = reference

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        _, arguments = self._reference.__reduce__()
        return resolve_anew, arguments


class Pickled(NamedTuple):
    """What was pickled, the references that it mentions, and the large buffers beside it."""

    data: bytes
    references: tuple[Reference[Any], ...] = ()
    beside: Sequence[memoryview] = ()


def pickled(dump: Callable[[], bytes]) -> Pickled:
    """Pickle something in which references may be."""
    mentioned: list[Reference[Any]] = []
    token = _mentioned.set(mentioned)
    try:
        data = dump()
    finally:
        _mentioned.reset(token)
    return Pickled(data, _each_once(mentioned) if mentioned else ())


def digests(references: Iterable[Reference[Any]]) -> tuple[bytes, ...]:
    """Of these and of all that they mention, each once."""
    return tuple(dict.fromkeys(_with_inner(references)))


def check_home(references: Iterable[Reference[Any]], home: Home | None, controller: str) -> None:
    """Refuse references that mean nothing to a controller.

    Args:
        references: what a task mentions.
        home: the controller's present run; None when it is not running.
        controller: its name.

    Raises:
        ConfigError: one is another controller's, or of a run that is over.
    """
    for reference in references:
        if reference._home is home and not reference._home.over:
            continue
        name = reference._home.controller
        if reference._home.over:
            raise ConfigError(
                f"{reference!r}: controller {name!r} was terminated since, and the object is gone. "
                "Put it again"
            )
        raise ConfigError(
            f"{reference!r} belongs to another controller than {controller!r}: put the object "
            "there as well"
        )


def _each_once(references: Iterable[Reference[Any]]) -> tuple[Reference[Any], ...]:
    return tuple({id(reference): reference for reference in references}.values())


def _with_inner(references: Iterable[Reference[Any]]) -> Iterator[bytes]:
    for reference in references:
        yield reference._digest
        yield from _with_inner(reference._inner)
