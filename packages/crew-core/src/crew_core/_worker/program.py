"""Compiled text commands, as functions over the task process's global names."""

from __future__ import annotations

import builtins
import linecache
from types import CodeType, FunctionType
from typing import Any

from crew_core._model.program import assigned_names, compile_program, prepare


class Program:
    """One text, compiled for one set of data names.

    Attributes:
        filename: what tracebacks call it; ``linecache`` knows its lines until ``forget``.
    """

    def __init__(
        self, text: str, names: tuple[str, ...], filename: str, *, to_globals: bool = False
    ) -> None:
        self.filename = filename
        self._text = text
        self._names = names
        code = compile_program(text, names, filename, to_globals=to_globals)
        self._codes: dict[tuple[str, ...], CodeType] = {(): code}
        self._assigned = assigned_names(code)
        self._show_lines()

    def run(self, data: dict[str, Any], namespace: dict[str, Any]) -> Any:
        """The text's value, given the data and the global names.

        A name that the text assigns, and that exists outside, starts with the value from outside.
        """
        outside: list[Any] = []
        code = self._codes[()]
        if self._assigned:
            taken = tuple(
                name for name in sorted(self._assigned) if name in namespace or _is_builtin(name)
            )
            outside = [_look_up(name, namespace) for name in taken]
            code = self._code_with(taken)
        return FunctionType(code, namespace)(*data.values(), *outside)

    def forget(self) -> None:
        """Let go of the lines that tracebacks show."""
        linecache.cache.pop(self.filename, None)

    def _code_with(self, taken: tuple[str, ...]) -> CodeType:
        code = self._codes.get(taken)
        if code is None:
            code = compile_program(self._text, (*self._names, *taken), self.filename)
            self._codes[taken] = code
        return code

    def _show_lines(self) -> None:
        text = prepare(self._text)
        # No modification time: linecache.checkcache then keeps the entry.
        linecache.cache[self.filename] = (
            len(text),
            None,
            text.splitlines(keepends=True),
            self.filename,
        )


def _is_builtin(name: str) -> bool:
    return hasattr(builtins, name)


def _look_up(name: str, namespace: dict[str, Any]) -> Any:
    return namespace[name] if name in namespace else getattr(builtins, name)
