"""Imports msgspec without the modules that it imports for types that no message of ours has.

Such imports are more than half of what msgspec takes, and every start of a worker pays for them.
"""

from __future__ import annotations

import sys
from types import ModuleType


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
        import msgspec  # noqa: F401
    except Exception:  # noqa: BLE001 - a version that asks more of them: then it gets the real ones
        for name in [name for name in sys.modules if name.partition(".")[0] == "msgspec"]:
            del sys.modules[name]
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _stand_ins(for_users: bool) -> dict[str, ModuleType]:
    decimal, uuid = ModuleType("decimal"), ModuleType("uuid")
    decimal.Decimal = type("Decimal", (), {})  # type: ignore[attr-defined]
    uuid.UUID = type("UUID", (), {})  # type: ignore[attr-defined]
    uuid.SafeUUID = type("SafeUUID", (), {"unknown": None})  # type: ignore[attr-defined]
    # Since 3.11 typing can do all that msgspec wants of typing_extensions.
    names = ["typing_extensions"] if not for_users or sys.version_info >= (3, 11) else []
    if not for_users:
        names += ["msgspec.inspect", "msgspec.json", "msgspec.toml", "msgspec.yaml"]
    modules = [*map(ModuleType, names), *([] if for_users else [decimal, uuid])]
    found = {module.__name__: module for module in modules}
    return {name: module for name, module in found.items() if name not in sys.modules}
