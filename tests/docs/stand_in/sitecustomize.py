"""Makes each launcher of another platform start its workers here, once it has checked its options.

Python imports this first in every process of a snippet, as its folder is on the path. So a snippet
for a cluster runs as it stands: names, options and tasks are real, the platform is this computer.
"""

from __future__ import annotations

import math
from typing import Any

from crew_core._client import network
from crew_core._controller import scaling
from crew_core._launcher.base import Launcher
from crew_core._launcher.local import LocalLauncher
from crew_core._plugins import registry

WORKERS_MOST = 2

_find = registry.find_launcher
_plan = scaling.plan
_address = network._address


def find_launcher(*args: Any, **kwargs: Any) -> type[Launcher]:
    """The launcher of this name, on this computer."""
    kind = _find(*args, **kwargs)
    return kind if kind.local or kind.__name__ == "SequentialLauncher" else _here(kind)


def _here(kind: Any) -> type[Launcher]:
    def begin(self: Any, options: Any = None) -> None:
        kind.__init__(self, options)
        self._local = LocalLauncher()

    methods = {
        "__init__": begin,
        "local": True,
        "gathers": False,
        "seconds_launch_default": 30.0,
        "launch": lambda self, request: self._local.launch(request),
        "poll": lambda self, handles: self._local.poll(handles),
        "terminate": lambda self, handles: self._local.terminate(handles),
        "logs": lambda self, handle: self._local.logs(handle),
        "log_place": lambda self, handle: None,
        "job": lambda self, handle: self._local.job(handle),
        "find": lambda self, names: [],
        "seconds_life": lambda self, step: math.inf,
    }
    made: type[Launcher] = type(kind.__name__, (kind,), methods)
    return made


def plan(snapshot: Any, workers: int, now: float, pending_max: float = math.inf) -> Any:
    """As crew's own, for a computer that is no cluster."""
    return _plan(snapshot, min(workers, WORKERS_MOST), now, pending_max)


def address(option: str, host: Any) -> str:
    """As crew's own, where a cluster's interface is this computer's."""
    return "127.0.0.1" if host == "ib0" else _address(option, host)


registry.find_launcher = find_launcher
scaling.plan = plan
network._address = address
