"""Imports msgspec without the modules that it imports for types that no message of ours has.

Such imports are more than half of what msgspec takes, and every start of a worker pays for them.
"""

from __future__ import annotations

import sys
from types import ModuleType

_PARTS = ("inspect", "json", "toml", "yaml")


def load(*, for_users: bool = False) -> None:
    """Import msgspec with stand-ins for those modules, which are gone again afterwards.

    Args:
        for_users: users' code may import msgspec here as well, and must find all that it can do.
    """
    if "msgspec" in sys.modules:
        return
    stand_ins = _stand_ins(for_users)
    sys.modules.update(stand_ins)
    try:
        import msgspec

        _load_parts_when_used(msgspec)
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _stand_ins(for_users: bool) -> dict[str, ModuleType]:
    found = [ModuleType(f"msgspec.{part}") for part in _PARTS]
    # Since 3.11 typing can do all that msgspec wants of typing_extensions.
    if not for_users or sys.version_info >= (3, 11):
        found.append(ModuleType("typing_extensions"))
    if not for_users:  # msgspec must know the types that they may have
        found += _types()
    return {module.__name__: module for module in found if module.__name__ not in sys.modules}


def _types() -> list[ModuleType]:
    decimal, uuid = _stand_in("decimal"), _stand_in("uuid")
    decimal.Decimal = type("Decimal", (), {})  # type: ignore[attr-defined]
    uuid.UUID = type("UUID", (), {})  # type: ignore[attr-defined]
    uuid.SafeUUID = type("SafeUUID", (), {"unknown": None})  # type: ignore[attr-defined]
    return [decimal, uuid]


def _stand_in(name: str) -> ModuleType:
    """One that loads the real module for whoever asks it for more than it has."""
    # An import that fails is no way to find that out: some Pythons import no extension again.
    made = ModuleType(name)

    def ask_the_real_one(attribute: str) -> object:
        if attribute.startswith("__"):  # asked by the import system, of any module
            raise AttributeError(attribute)
        if sys.modules.get(name) is made:
            del sys.modules[name]
        from importlib import import_module

        return getattr(import_module(name), attribute)

    vars(made)["__getattr__"] = ask_the_real_one
    return made


def _load_parts_when_used(msgspec: ModuleType) -> None:
    for part in _PARTS:
        vars(msgspec).pop(part, None)

    def load_part(name: str) -> ModuleType:
        if name not in _PARTS:
            raise AttributeError(f"module 'msgspec' has no attribute {name!r}")
        from importlib import import_module

        return import_module(f"msgspec.{name}")

    vars(msgspec)["__getattr__"] = load_part
