"""The door for packages with a process of their own that workers reach as they reach a dispatcher.

Example::

    from crew_core.services import Caller, Service, ServiceKeys

    keys = ServiceKeys.make()  # with network= for callers on other computers
    service = Service(answer, keys)
    url = service.listen_here(path)
    Caller(keys.pass_to(url)).call(b"a request")
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crew_core._service.caller import Caller
    from crew_core._service.errors import ServiceError, ServiceLostError, ServiceRefusedError
    from crew_core._service.keys import Pass, ServiceKeys
    from crew_core._service.service import Service
    from crew_core._wire.places import make_private, prune_logs_daily, runtime_directory

__all__ = [
    "Caller",
    "Pass",
    "Service",
    "ServiceError",
    "ServiceKeys",
    "ServiceLostError",
    "ServiceRefusedError",
    "make_private",
    "prune_logs_daily",
    "runtime_directory",
]

_HOMES = {
    "Caller": "_service.caller",
    "Pass": "_service.keys",
    "Service": "_service.service",
    "ServiceError": "_service.errors",
    "ServiceKeys": "_service.keys",
    "ServiceLostError": "_service.errors",
    "ServiceRefusedError": "_service.errors",
    "make_private": "_wire.places",
    "prune_logs_daily": "_wire.places",
    "runtime_directory": "_wire.places",
}


# Callers are made where starts should be quick; what only a service needs is not for them.
def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"crew_core.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
