"""The commands a task process holds: functions loaded once, texts compiled once."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from crew_core._wire.messages import Command, decode_command
from crew_core._wire.pickling import load
from crew_core._worker.between import Namespace
from crew_core._worker.objects import Objects

if TYPE_CHECKING:
    from crew_core._worker.plain_calls import PlainCalls
    from crew_core._worker.program import Program

_LOADED_MOST = 256
_UNWRAP_MOST = 8


class LoadedFunction(NamedTuple):
    """A task's function, and the global names that came with it."""

    shared: Command  # what all its tasks have in common
    function: Callable[..., Any]
    namespaces: tuple[Namespace, ...]  # of what was shipped by value; none for importable ones


class Text(NamedTuple):
    """A text command, and its compiled forms by the names of the data."""

    shared: Command
    source: str
    filename: str
    programs: dict[tuple[tuple[str, ...], bool], Program]

    def program(self, names: tuple[str, ...], *, to_globals: bool = False) -> Program:
        """The text, compiled for these names of the data.

        Args:
            names: of the data.
            to_globals: what the text assigns becomes global.
        """
        key = (names, to_globals)
        program = self.programs.get(key)
        if program is None:
            if len(self.programs) >= _LOADED_MOST:
                self.programs.clear()
            from crew_core._worker.program import Program  # many have functions alone

            program = Program(self.source, names, self.filename, to_globals=to_globals)
            self.programs[key] = program
        return program


class Commands:
    """Commands by digest. The payloads stay until ``forget``; what is made of them, while used.

    Args:
        objects: what the commands may refer to.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._payloads: dict[bytes, bytes] = {}
        self._loaded: dict[bytes, LoadedFunction | Text] = {}  # the last one used comes last
        self._left: dict[str, dict[str, Any]] = {}  # by warm-ups: names by module
        self.calls: PlainCalls | None = None
        """Made of one that is loaded; it goes when any is unloaded."""

    def hold(self, digest: bytes, payload: bytes) -> None:
        """Keep a command's payload: a ``Command``, encoded."""
        self._payloads[digest] = payload

    def forget(self, digests: list[bytes]) -> None:
        """No task will need these commands and objects, unless they are held again."""
        self._objects.forget(digests)
        for digest in digests:
            self._payloads.pop(digest, None)
            self._unload(digest)
        for command, loaded in list(self._loaded.items()):
            # Loaded, it would keep the object alive. A pickle holds the digests of its objects.
            function = loaded.shared.function
            if function is not None and any(digest in function for digest in digests):
                self._unload(command)

    def unload(self) -> None:
        """Load everything afresh when it is needed again."""
        for digest in list(self._loaded):
            self._unload(digest)

    def leave(self, module: str, names: dict[str, Any]) -> None:
        """Show these names of a module to all functions of it that were shipped by value."""
        self._left.setdefault(module, {}).update(names)
        for command in self._loaded.values():
            for namespace in _namespaces_of(command):
                if namespace.module == module:
                    namespace.adopt(names)

    def adopt(self, other: Commands) -> None:
        """Take over what warm-ups have left for another."""
        for module, names in other._left.items():
            self.leave(module, names)

    def left(self, module: str) -> dict[str, Any]:
        """The names of a module that warm-ups have left."""
        return dict(self._left.get(module, {}))

    def get(self, digest: bytes) -> LoadedFunction | Text:
        """The command with this digest.

        Raises:
            KeyError: the supervisor never sent it.
            ImportError: one of its packages cannot be imported.
            SerializationError: the function cannot be loaded here.
        """
        command = self._loaded.pop(digest, None)
        if command is None:
            command = _load(digest, self._payloads[digest])
            for namespace in _namespaces_of(command):
                namespace.adopt(self._left.get(namespace.module, {}))
            if len(self._loaded) >= _LOADED_MOST:
                self._unload(next(iter(self._loaded)))
        self._loaded[digest] = command
        return command

    def loaded(self, digest: bytes) -> LoadedFunction | Text | None:
        """The command with this digest, if it is loaded."""
        return self._loaded.get(digest)

    def _unload(self, digest: bytes) -> None:
        self.calls = None
        command = self._loaded.pop(digest, None)
        if isinstance(command, Text):
            for program in command.programs.values():
                program.forget()


def _load(digest: bytes, payload: bytes) -> LoadedFunction | Text:
    command = decode_command(payload)
    for package in command.packages:
        import_module(package)
    if command.text is not None:
        return Text(command, command.text, f"<task {digest.hex()[:8]}>", {})
    assert command.function is not None
    function = load(command.function, "the task's function")
    return LoadedFunction(command, function, _namespaces(function))


def _namespaces_of(command: LoadedFunction | Text) -> tuple[Namespace, ...]:
    return command.namespaces if isinstance(command, LoadedFunction) else ()


def _namespaces(function: Callable[..., Any]) -> tuple[Namespace, ...]:
    """The global names of a command's functions that are not those of an importable module."""
    found: dict[int, Namespace] = {}
    inner: Any = function
    for _ in range(_UNWRAP_MOST):
        plain = _plain_function(inner)
        if plain is not None and not _is_module_dict(plain.__globals__):
            found.setdefault(id(plain.__globals__), Namespace(plain.__globals__))
        inner = getattr(plain if plain is not None else inner, "__wrapped__", None)
        if inner is None:
            break
    return tuple(found.values())


def _plain_function(command: Any) -> FunctionType | None:
    """The Python function behind a partial, a method, a class or a callable object."""
    while isinstance(command, functools.partial):
        command = command.func
    if isinstance(command, type):
        command = command.__init__  # type: ignore[misc]  # looked at, not called
    elif not isinstance(command, (FunctionType, MethodType)):
        command = _attribute(type(command), "__call__")
    command = getattr(command, "__func__", command)
    return command if isinstance(command, FunctionType) else None


def _attribute(owner: object, name: str) -> Any:
    return getattr(owner, name, None)


def _is_module_dict(names: dict[str, Any]) -> bool:
    module = sys.modules.get(str(names.get("__name__")))
    return isinstance(module, ModuleType) and vars(module) is names
