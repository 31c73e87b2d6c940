"""``python -m crew_rush._loop``: runs a user's loop for the supervisor that started it.

What to do comes on standard input, which then stays open: its end is the supervisor's.
Exit codes: 0 the loop returned, 1 it raised, 2 it could not be started.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from importlib import import_module
from typing import Any

import msgspec

from crew_rush._loop.logs import StoreHandler
from crew_rush._loop.worker import RushWorker
from crew_rush._model.errors import RushError
from crew_rush._model.start import Errand, Start
from crew_rush._model.states import WorkerState
from crew_rush._store.base import Store
from crew_rush._store.opening import join_store
from crew_rush._tasks.values import Values


def main() -> int:
    """Run the loop."""
    errand = msgspec.json.decode(sys.stdin.buffer.readline(), type=Errand)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    environment = {"CREW_SECRET": errand.secret, "CREW_TLS": errand.identity}
    store = join_store(errand.url, errand.network, environment)
    encoded = store.get_value(errand.start)
    if encoded is None:
        sys.stderr.write(f"crew-rush: network {errand.network} has no {errand.start}\n")
        return 2
    start = msgspec.msgpack.decode(encoded, type=Start)
    store = join_store(errand.url, errand.network, environment, start.seconds_store)
    handler = StoreHandler(
        join_store(errand.url, errand.network, environment, start.seconds_store),
        errand.worker_id,
        start.log_thresholds,
        start.log_buffer,
    )
    handler.begin()
    try:
        reason = _run(store, errand, start)
    finally:
        handler.finish()
    _flush()  # who is told of the end may look at the output at once
    _say_end(store, errand, reason)
    return 1 if reason else 0


def _run(store: Store, errand: Errand, start: Start) -> str:
    """Run the loop; why it ended, when it did not return."""
    try:
        values = Values(start.large_object_bytes, start.large_objects_path)
        loop, arguments = _load(start, values)
        loop(RushWorker(store, errand.network, values, errand.worker_id, errand.life), **arguments)
    except KeyboardInterrupt:
        return "interrupted"
    except SystemExit as end:
        return "" if end.code in (None, 0) else f"its loop exited with {end.code!r}"
    except BaseException as error:  # noqa: BLE001 - a loop may raise anything
        traceback.print_exc()
        return f"its loop raised {type(error).__name__}: {error}"
    return ""


def _load(start: Start, values: Values) -> tuple[Any, dict[str, Any]]:
    sys.path += [entry for entry in start.sys_path if entry not in sys.path]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != start.python:
        raise RushError(
            f"the loop was sent from Python {start.python}, and this is {version}: functions of "
            "one cannot be read by the other. Run workers with the same version"
        )
    for package in start.packages:
        import_module(package)
    loop, arguments, names = values.decode(start.payload)
    if names:
        loop.__globals__.update(names)
    return loop, arguments


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the loop may have closed it
            stream.flush()


def _say_end(store: Store, errand: Errand, reason: str) -> None:
    try:
        store.end_worker(errand.worker_id, errand.life, WorkerState.TERMINATED.value, reason)
    except RushError as error:
        sys.stderr.write(f"crew-rush: {error}\n")


def _end_with_supervisor() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
