"""Checks that plugins keep to crew's plugin interface; what they do wrong is said by name."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from crew_core._launcher.base import API_VERSION
from crew_core._model.errors import PluginContractError, PluginError
from crew_core._model.options import nearest

if TYPE_CHECKING:
    import pluggy

_DOTTED_PATH = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"


def is_dotted_path(text: object) -> bool:
    """True for "package.module:Class"."""
    # The plain look first: a pattern takes longer to compile than all else that a name needs.
    return isinstance(text, str) and ":" in text and re.fullmatch(_DOTTED_PATH, text) is not None


def check_hooks(manager: pluggy.PluginManager, plugin: object, specs: set[str]) -> None:
    """Refuse hook functions that would never be called, or not as their author thinks.

    Raises:
        PluginContractError: naming the function.
    """
    for attribute in dir(plugin):
        marks = manager.parse_hookimpl_opts(plugin, attribute)
        if marks is None:
            if attribute in specs and inspect.isroutine(getattr(plugin, attribute)):
                raise PluginContractError(
                    f"{attribute} is not marked, so that it would never be called. "
                    "Put @hookimpl (from crew_core.plugins) above it"
                )
            continue
        hook = marks.get("specname") or attribute
        if hook not in specs and not marks.get("optionalhook"):
            raise PluginContractError(f"crew has no hook {hook!r}.{nearest(hook, specs)}")
        if marks.get("wrapper") or marks.get("hookwrapper"):
            raise PluginContractError(f"{attribute} is a hook wrapper, which crew does not use")


def check_names(hook: str, answer: object) -> dict[str, str]:
    """What a registering hook returned, if it is names with dotted paths.

    Raises:
        PluginContractError: when it is anything else.
    """
    if not isinstance(answer, dict):
        raise PluginContractError(
            f"{hook} returned {answer!r}; it must return a dict of names and dotted paths"
        )
    for name, path in answer.items():
        if not isinstance(name, str) or not name or ":" in name:
            raise PluginContractError(f"{hook} returned the name {name!r}; it must be plain text")
        if not is_dotted_path(path):
            raise PluginContractError(
                f'{hook} returned {path!r} for {name!r}; it must be "package.module:Class"'
            )
    return answer


def load_class(path: str, base: type, whose: str) -> type[Any]:
    """Import a plugin's class and check that crew can use it.

    Args:
        path: "package.module:Class".
        base: what the class must derive from: Launcher or Monitor.
        whose: what to call it in an error: its name, path and distribution.

    Raises:
        PluginError: when it cannot be imported.
        PluginContractError: when it is not what crew needs.
    """
    found = _import_object(path, whose)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PluginContractError(
            f"{whose} is not a subclass of crew_core.plugins.{base.__name__}, which it must be"
        )
    version = getattr(found, "api_version", None)
    if version != API_VERSION:
        raise PluginContractError(
            f"{whose} was written for version {version} of crew's plugin interface; "
            f"this crew-core has version {API_VERSION}. Install versions that fit together"
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise PluginContractError(f"{whose} does not define {missing}, which it must")
    if not dataclasses.is_dataclass(getattr(found, "Options", None)):
        raise PluginContractError(f"{whose} has an Options that is not a dataclass")
    return found


def _import_object(path: str, whose: str) -> object:
    module_name, _, attributes = path.partition(":")
    try:
        found: object = import_module(module_name)
    except Exception as error:  # a plugin's module may raise anything
        raise PluginError(
            f"{whose} cannot be imported: {type(error).__name__}: {error}. "
            "Reinstall or uninstall the package that brings it"
        ) from error
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise PluginContractError(f"{whose} does not exist: {module_name} has no {attributes}")
        found = getattr(found, attribute)
    return found
