"""What is put back between two tasks, so that the second does not see what the first did.

========================  =====================================================================
``reset_globals``         Names of ``__main__`` (where text commands run) and of functions that
                          were shipped by value: new ones go, changed ones get their value back.
                          Objects that were changed in place stay changed.
``reset_packages``        Modules that the task imported are dropped, so that the next task
                          imports them afresh. Kept: the standard library, crew's own needs, and
                          packages with compiled modules, which cannot be imported twice.
``reset_options``         Environment variables, working directory, warning filters, levels of
                          loggers that existed before, locale.
``garbage_collection``    A full collection.
========================  =====================================================================

Only the first is on by default; what is off costs nothing.
"""

from __future__ import annotations

import builtins
import gc
import sys
from collections.abc import Callable
from operator import is_
from types import ModuleType
from typing import Any

from crew_core._wire.messages import WorkerSettings


class Namespace:
    """Global names, and how they were at first.

    Attributes:
        names: the live dictionary.
        before: how they were.
    """

    __slots__ = ("_keys", "before", "names")

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.before = dict(names)
        self._keys = [*names]

    def restore(self) -> None:
        """Make the names what they were."""
        names, before = self.names, self.before
        # Values by identity: to compare them would run the users' own code.
        if [*names] == self._keys and all(map(is_, names.values(), before.values())):
            return
        for name in names.keys() - before.keys():
            del names[name]
        names.update(before)

    def changes(self) -> dict[str, Any]:
        """Names that are new or have another value than at first."""
        before = self.before
        return {
            name: value
            for name, value in self.names.items()
            if name not in before or before[name] is not value
        }

    def adopt(self, names: dict[str, Any]) -> None:
        """Set these names, as if they had been there from the first."""
        self.names.update(names)
        self.before.update(names)
        self._keys = [*self.before]

    @property
    def module(self) -> str:
        """The module that the names were written in."""
        return str(self.names.get("__name__"))


class Snapshot:
    """Two namespaces as they were at first, compared at once, which takes half the time.

    Args:
        one: a namespace; it must not ``adopt`` anything from now on.
        other: another.
    """

    __slots__ = ("_both", "_keys", "_one", "_other", "_values")

    def __init__(self, one: Namespace, other: Namespace) -> None:
        self._both = (one, other)
        self._one, self._other = one.names, other.names
        self._keys = [*one.before, *other.before]
        self._values = [*one.before.values(), *other.before.values()]

    def restore(self) -> None:
        """As that of each."""
        one, other = self._one, self._other
        if [*one, *other] == self._keys and all(
            map(is_, [*one.values(), *other.values()], self._values)
        ):
            return
        for namespace in self._both:
            namespace.restore()


class Between:
    """Remembers how things are before a task, and puts them back after it.

    Args:
        settings: what to put back.
        main: the namespace of ``__main__``.
        unload: called when modules were dropped: loaded functions may hold on to them.
    """

    def __init__(
        self, settings: WorkerSettings, main: Namespace, unload: Callable[[], None]
    ) -> None:
        self._resets_globals = settings.reset_globals
        self._main = main
        self._unload = unload
        self._packages: _Packages | None = _Packages() if settings.reset_packages else None
        self._options: Any = None
        if settings.reset_options:
            from crew_core._worker.session_options import SessionOptions

            self._options = SessionOptions
        self._saved: Any = None
        self.remembers = settings.reset_packages or settings.reset_options
        """False when ``before_task`` does nothing."""
        self._collects = settings.garbage_collection

    def before_task(self) -> None:
        """Remember."""
        if self._packages is not None:
            self._packages.remember()
        if self._options is not None:
            self._saved = self._options()

    def snapshot(self, namespaces: tuple[Namespace, ...]) -> Snapshot | None:
        """Of all that is put back after a task; None when it is more than that."""
        if self.remembers or self._collects or len(namespaces) > 1:
            return None
        if not self._resets_globals:
            return Snapshot(_NO_NAMES, _NO_NAMES)
        return Snapshot(self._main, *(namespaces or (_NO_NAMES,)))

    def after_task(self, namespaces: tuple[Namespace, ...]) -> None:
        """Put back.

        Args:
            namespaces: of the task's function, if it was shipped by value.
        """
        if self._resets_globals:
            self._main.restore()
            for namespace in namespaces:
                namespace.restore()
        if self._saved is not None:
            self._saved.restore()
        if self._packages is not None and self._packages.drop_new():
            self._unload()
        if self._collects:
            gc.collect()


_NO_NAMES = Namespace({})


def empty_main() -> ModuleType:
    """A ``__main__`` as empty as that of a new session, not in its place yet."""
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    return module


def clean_main() -> Namespace:
    """Give the process a ``__main__`` of the user's own."""
    module = sys.modules["__main__"] = empty_main()
    return Namespace(module.__dict__)


_OURS = frozenset({"crew_core", "cloudpickle", "msgspec"})


class _Packages:
    """The modules that a task imported."""

    def __init__(self) -> None:
        self._before: frozenset[str] = frozenset()

    def remember(self) -> None:
        if len(self._before) != len(sys.modules) or self._before != sys.modules.keys():
            self._before = frozenset(sys.modules)

    def drop_new(self) -> bool:
        """Drop them. False when there were none that may be dropped."""
        new = [name for name in list(sys.modules) if name not in self._before]
        kept: dict[str, bool] = {}
        dropped = False
        for name in new:
            top = name.partition(".")[0]
            if top not in kept:
                kept[top] = _must_stay(top)
            if not kept[top]:
                _drop(name)
                dropped = True
        return dropped


def _drop(name: str) -> None:
    sys.modules.pop(name, None)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        vars(sys.modules[parent]).pop(child, None)


def _must_stay(top: str) -> bool:
    """True for a package that cannot safely be imported a second time."""
    if top in sys.stdlib_module_names or top in _OURS:
        return True
    prefix = top + "."
    parts = [m for name, m in list(sys.modules.items()) if name == top or name.startswith(prefix)]
    return any(_is_compiled(module) for module in parts)


def _is_compiled(module: object) -> bool:
    from importlib.machinery import EXTENSION_SUFFIXES

    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None) or getattr(module, "__file__", None) or ""
    return spec is None or str(origin).endswith(tuple(EXTENSION_SUFFIXES))
