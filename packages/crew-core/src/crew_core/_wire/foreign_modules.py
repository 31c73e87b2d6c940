"""Modules of this process that a fresh process could not import, whose contents go by value.

Such are ``__main__``, the cells of a notebook, test modules under pytest's importlib mode, modules
made with ``types.ModuleType``, and what a user registered with
``cloudpickle.register_pickle_by_value``. A module counts as importable when a finder on
``sys.meta_path`` finds it from scratch, in the file it was loaded from, and not only because of the
directory we happen to be in. What a worker with its caller's search path finds, the caller finds.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

_lock = threading.RLock()
_known: dict[str, bool] = {}  # full name: is foreign
_foreign: dict[str, bytes] = {}  # full name: how a pickle mentions it
_seen: tuple[int, str] = (0, "")  # number of modules and the last one imported, at the last look
_path_is_shared = False


def share_search_path() -> None:
    """From now on whoever loads our pickles is known to look for modules where we do.

    By value, a class that a task imported would reach its caller as another class of that name.
    """
    global _path_is_shared  # noqa: PLW0603  (one search path per process)
    _path_is_shared = True


def mentioned_in(pickled: bytes) -> bool:
    """True when a pickle refers to such a module by name."""
    if b"main__" in pickled:  # __main__ and __mp_main__
        return True
    if _fingerprint() != _seen:
        _look()
    for name in _foreign.values():
        if name in pickled:
            return True
    cloudpickle = sys.modules.get("cloudpickle")
    if cloudpickle is not None:
        for registered in cloudpickle.list_registry_pickle_by_value():
            if registered.encode() in pickled:
                return True
    return False


def is_foreign(module: str | None) -> bool:
    """True when what is in a module of this name may be stored by value."""
    if module is None or module.endswith("main__"):
        return True
    if _fingerprint() != _seen:
        _look()
    return module in _foreign or any(
        module == name or module.startswith(f"{name}.") for name in registered()
    )


def registered() -> frozenset[str]:
    """The modules that the user told cloudpickle to store by value."""
    cloudpickle = sys.modules.get("cloudpickle")
    return (
        frozenset()
        if cloudpickle is None
        else frozenset(cloudpickle.list_registry_pickle_by_value())
    )


@contextmanager
def shipped_by_value() -> Iterator[None]:
    """While this holds, cloudpickle stores what such modules contain by value."""
    import cloudpickle  # type: ignore[import-untyped]

    with _lock:
        if _fingerprint() != _seen:
            _look()
        registered = cloudpickle.list_registry_pickle_by_value()
        wanted = [name for name in _foreign if name not in registered and name in sys.modules]
        modules = [sys.modules[name] for name in wanted]
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in modules:
                cloudpickle.unregister_pickle_by_value(module)


def _fingerprint() -> tuple[int, str]:
    """Changes whenever a module was imported, and costs next to nothing."""
    try:
        return len(sys.modules), next(reversed(sys.modules))
    except RuntimeError:  # another thread is importing right now
        return 0, ""


def _look() -> None:
    """Bring ``_foreign`` up to date with ``sys.modules``."""
    global _seen, _foreign  # noqa: PLW0603  (one cache per process)
    with _lock:
        seen = _fingerprint()
        loaded: dict[str, object] = dict(sys.modules)  # anything may be in there
        modules = {
            name: module
            for name, module in loaded.items()
            if isinstance(module, ModuleType) and not name.endswith("main__")
        }
        foreign = [name for name in modules if _is_foreign(name, modules)]
        _foreign = {name: _as_pickled(name) for name in foreign if modules[name].__name__ == name}
        _seen = seen


def _as_pickled(name: str) -> bytes:
    """How protocol 5 writes this string, so that only the whole name matches."""
    text = name.encode("utf-8", "surrogatepass")
    return b"\x8c" + bytes([len(text)]) + text if len(text) < 256 else text


def _is_foreign(name: str, modules: dict[str, ModuleType]) -> bool:
    """Whether a module is one of those. Remembered for each name."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return False
    if name not in _known:
        parent = name.rpartition(".")[0]
        foreign = parent in modules and _is_foreign(parent, modules)
        if parent not in modules or _is_namespace(modules[parent]):
            foreign = foreign or not _can_be_found(name, modules)
        _known[name] = foreign
    return _known[name]


def _is_namespace(module: ModuleType) -> bool:
    """True for a package without a file: what is in it must be looked for one by one."""
    return getattr(module, "__file__", None) is None


def _can_be_found(name: str, modules: dict[str, ModuleType]) -> bool:
    parent = name.rpartition(".")[0]
    path = list(getattr(modules.get(parent), "__path__", ())) if parent else None
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        spec = find(name, path) if find else None
        if isinstance(spec, ModuleSpec):
            return _same_file(spec, modules[name]) and not _is_mere_directory(spec)
    return False


def _is_mere_directory(spec: ModuleSpec) -> bool:
    """True for a package that exists only because we are in the directory above it.

    Such are the tests of a project under pytest's importlib mode. Workers elsewhere have no such
    directory, and by value works everywhere.
    """
    if _path_is_shared or spec.has_location or not spec.submodule_search_locations:
        return False
    here = os.getcwd()
    return all(os.path.dirname(os.path.abspath(p)) == here for p in spec.submodule_search_locations)


def _same_file(spec: ModuleSpec, module: ModuleType) -> bool:
    """False when another file of the same name would be imported."""
    file = getattr(module, "__file__", None)
    if not spec.has_location or not isinstance(file, str) or not isinstance(spec.origin, str):
        return True
    same_stem = os.path.splitext(spec.origin)[0] == os.path.splitext(file)[0]
    return same_stem or os.path.realpath(spec.origin) == os.path.realpath(file)
