"""What a session has on its platform, written down for whoever must end it in its place.

::

    <state>/jobs/<pid>-<token>   {"launcher": …, "options": …, "pid": …}       once
                                 {"asked": ["crew-c-1"]}                       before each launch
                                 {"launched": [["crew-c-1", "4711", handle]]}  after it

A file for each session, its user's alone, gone when the session ends as it should. No secret is in
it: options that show in no ``repr`` are left out. A line that was being written when the session
was killed is ignored.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import logging
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from crew_core._launcher.base import Launcher
from crew_core._model.names import token
from crew_core._wire.places import jobs_directory, make_directories

log = logging.getLogger("crew")

_SPARE_LINES = 1000


class Estate:
    """The file of one session. Safe to use from any thread.

    Args:
        launcher: whose jobs they are; ``can_be_left`` says whether it will do.
        controller: the session's name.
        live: the names of jobs that may still be there.
    """

    def __init__(
        self, launcher: Launcher, controller: str, live: Callable[[], Iterable[str]]
    ) -> None:
        self.path = jobs_directory() / f"{os.getpid()}-{token(4)}"
        self._head = {
            "launcher": _path_of(type(launcher)),
            "name": launcher.name,
            "options": plain_options(_options_of(launcher)),
            "search": [os.path.abspath(entry) for entry in sys.path],
            "controller": controller,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "made": time.time(),
        }
        self._live = live
        self._lines: dict[str, str] = {}  # by name of the job
        self._written = 0
        self._failed = False
        self._closed = False
        self._lock = threading.Lock()

    def note_asked(self, names: Sequence[str]) -> None:
        """Jobs of these names are about to be launched."""
        self._append({name: json.dumps({"asked": [name]}) for name in names})

    def note_launched(self, jobs: Sequence[tuple[str, str, Any]]) -> None:
        """They are: name, the platform's name, and handle of each."""
        lines = {}
        for name, job, handle in jobs:
            with contextlib.suppress(Exception):  # what does not pickle is found by its name
                pickled = base64.b64encode(pickle.dumps(handle)).decode()
                lines[name] = json.dumps({"launched": [[name, job, pickled]]})
        self._append(lines)

    def close(self) -> None:
        """Nothing is left."""
        with self._lock, contextlib.suppress(OSError):
            self._closed = True
            self.path.unlink()

    def _append(self, lines: dict[str, str]) -> None:
        with self._lock:
            if not self._closed:
                self._append_alone(lines)

    def _append_alone(self, lines: dict[str, str]) -> None:
        begin = not self._written
        self._lines.update(lines)
        self._written += len(lines)
        many = self._written > _SPARE_LINES + 2 * len(self._lines)
        if many or len(self._lines) > _SPARE_LINES:
            live = {*self._live(), *lines}
            self._lines = {name: line for name, line in self._lines.items() if name in live}
        try:
            if begin or many:
                self._write_anew()
            else:
                self._write(self.path, list(lines.values()), os.O_APPEND)
        except OSError as error:
            if not self._failed:
                log.warning(
                    "cannot note jobs in %s (%s): if this process is killed, those that wait then "
                    "stay in the platform's queue until they start",
                    self.path,
                    error.strerror,
                )
            self._failed = True

    def _write_anew(self) -> None:
        make_directories(self.path.parent)
        fresh = self.path.with_suffix(".new")
        self._write(fresh, [json.dumps(self._head), *self._lines.values()], os.O_TRUNC)
        fresh.replace(self.path)
        self._written = len(self._lines) or 1

    def _write(self, path: Path, lines: Sequence[str], how: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def can_be_left(launcher: Launcher) -> bool:
    """True for a launcher that another process can make anew, and that ends jobs.

    Workers on this computer end by themselves at once, and need nobody.
    """
    kind = type(launcher)
    return (
        not launcher.local
        and kind.terminate is not Launcher.terminate
        and kind.__reduce__ is Launcher.__reduce__
        and kind.__module__ != "__main__"
        and "<" not in kind.__qualname__
        and plain_options(_options_of(launcher)) is not None
    )


def plain_options(options: Any) -> dict[str, Any] | None:
    """The options that differ from their defaults, as plain values, without secrets.

    None when one is needed and cannot be told.
    """
    found = {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        needed = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if not field.init or (not needed and _is_default(field, value)):
            continue
        try:
            if not field.repr:
                raise TypeError("secret")
            found[field.name] = msgspec.to_builtins(value, enc_hook=_path_as_text)
            json.dumps(found[field.name])
        except (TypeError, ValueError):
            found.pop(field.name, None)
            if needed:
                return None
    return found


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    return bool(type(default) is type(value) and default == value)


def _path_as_text(value: object) -> str:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise TypeError(type(value).__name__)


def _options_of(launcher: Launcher) -> Any:
    """Its options, without a change of it: one that was made without any pickles without."""
    return launcher.Options() if launcher._options is None else launcher._options


def _path_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
