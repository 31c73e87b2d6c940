"""Commands: checked, pickled once for all their tasks, and sent once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from crew_core._controller import references
from crew_core._controller.packing import check_size
from crew_core._controller.references import Pickled, Reference
from crew_core._controller.unchanged import Snapshot, snapshot
from crew_core._model.program import check_name as check_variable
from crew_core._model.program import check_program
from crew_core._wire import codec, messages, pickling

_COMMANDS_KEPT = 256
_KEPT_BYTES = 1 << 16  # of a command: with it all that its function holds on to is kept


class PreparedCommand(msgspec.Struct, frozen=True):
    """A command, ready to be sent.

    Attributes:
        blob: what goes to the dispatcher, once.
        shown: its text, for ``save_command``.
        references: what it mentions that was put.
    """

    blob: messages.Blob
    shown: str
    references: tuple[Reference[Any], ...] = ()


def prepare(
    command: Callable[..., Any] | str,
    data_names: Sequence[str],
    *,
    data: Callable[[], Pickled] | None = None,
    global_names: Mapping[str, Any] | None = None,
    packages: Sequence[str] = (),
) -> PreparedCommand:
    """Check and pickle a command with all that its tasks have in common.

    Args:
        command: a callable, or text.
        data_names: every name that its tasks will have as data.
        data: pickles the values that all its tasks share.
        global_names: the ``globals`` of ``push``.
        packages: modules to import first.

    Raises:
        ConfigError: text that does not parse, or names that cannot be names.
        TypeError: neither callable nor text.
        SerializationError: it cannot be pickled.
    """
    if isinstance(command, str):
        _check_text(command, tuple(sorted(data_names)))
        for name in global_names or ():
            check_variable(name)
    elif not callable(command):
        raise TypeError(
            f"command={command!r}: must be a callable or a string of Python, "
            f"not {type(command).__name__}"
        )
    if data or global_names or packages:
        return _pickle_command(command, data, global_names, packages)
    if not isinstance(command, str):
        return _prepare_function(command)
    if len(command) <= _KEPT_BYTES:
        return _prepare_text(command)
    return _pickle_command(command)


@lru_cache(maxsize=_COMMANDS_KEPT)
def _prepare_text(text: str) -> PreparedCommand:
    return _pickle_command(text)


def _prepare_function(function: Callable[..., Any]) -> PreparedCommand:
    if (known := _prepared.get(id(function))) is not None and known.snapshot.holds:
        return known.command
    _prepared.pop(id(function), None)
    # Before it is pickled: what changes meanwhile is noticed the next time.
    seen = snapshot(function)
    prepared = _pickle_command(function)
    if seen is not None and len(prepared.blob.payload) <= _KEPT_BYTES:
        if len(_prepared) >= _COMMANDS_KEPT:
            _prepared.clear()
        _prepared[id(function)] = _Known(function, seen, prepared)
    return prepared


class _Known(NamedTuple):
    function: object  # kept, so that no other gets its id
    snapshot: Snapshot
    command: PreparedCommand


_prepared: dict[int, _Known] = {}


def _pickle_command(
    command: Callable[..., Any] | str,
    data: Callable[[], Pickled] | None = None,
    global_names: Mapping[str, Any] | None = None,
    packages: Sequence[str] = (),
) -> PreparedCommand:
    shared = None if data is None else data()
    pickled = references.pickled(lambda: _payload(command, shared, global_names, packages))
    payload = pickled.data
    check_size(len(payload), "the command with its data and globals")
    digest = hashlib.blake2b(payload, digest_size=16).digest()
    mentioned = pickled.references if shared is None else (*shared.references, *pickled.references)
    return PreparedCommand(messages.Blob(digest, payload), _show(command), mentioned)


def _payload(
    command: Callable[..., Any] | str,
    data: Pickled | None,
    global_names: Mapping[str, Any] | None,
    packages: Sequence[str],
) -> bytes:
    whole = messages.Command(
        function=None if isinstance(command, str) else pickling.dump_command(command),
        text=command if isinstance(command, str) else None,
        data=None if data is None else data.data,
        globals=pickling.dump(dict(global_names), "globals") if global_names else None,
        packages=tuple(packages),
    )
    return codec.encode(whole)


@lru_cache(maxsize=256)
def _check_text(text: str, names: tuple[str, ...]) -> None:
    check_program(text, names)


def _show(command: Callable[..., Any] | str) -> str:
    if isinstance(command, str):
        return command
    module = getattr(command, "__module__", None)
    name = getattr(command, "__qualname__", None)
    return repr(command) if name is None else f"{module}.{name}" if module else name


class KnownCommands:
    """Which commands the dispatcher has, and which it may forget. Not thread-safe."""

    def __init__(self, is_needed: Callable[[bytes], bool]) -> None:
        self._is_needed = is_needed
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def to_send(self, blob: messages.Blob) -> list[messages.Blob]:
        """The blob, unless the dispatcher has it."""
        if blob.digest in self._known:
            self._known.move_to_end(blob.digest)
            return []
        self._known[blob.digest] = None
        return [blob]

    def forget(self, digest: bytes) -> None:
        """The dispatcher may not have it after all: send it again."""
        self._known.pop(digest, None)

    def to_drop(self) -> list[bytes]:
        """Commands that were not used for long and that no unfinished task needs."""
        excess = len(self._known) - _COMMANDS_KEPT
        if excess < _COMMANDS_KEPT:  # look seldom: each look goes over many
            return []
        idle = [digest for digest in self._known if not self._is_needed(digest)][:excess]
        for digest in idle:
            del self._known[digest]
        return idle
