"""Reads what a session has written down of its jobs, and ends them in its place. See ``estate``."""

from __future__ import annotations

import base64
import json
import pickle
import stat
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from crew_core._launcher.base import Launcher
from crew_core._launcher.report import report_of
from crew_core._model.errors import CrewError, LaunchError
from crew_core._model.options import make_options
from crew_core._wire.places import jobs_directory, user


@dataclass(frozen=True)
class Will:
    """What was read from such a file.

    Attributes:
        path: the file.
        kind: dotted path of the launcher's class.
        name: the launcher's.
        options: its options, as plain values.
        search: where its modules are found.
        controller: the session's name.
        host: where the session ran.
        pid: its process.
        made: when it was alive, in seconds since 1970.
        asked: names of jobs that were asked for, and no handle came.
        handles: handles of jobs, pickled, by the jobs' names.
    """

    path: Path
    kind: str
    name: str
    options: dict[str, Any]
    search: list[str]
    controller: str
    host: str
    pid: int
    made: float
    asked: list[str]
    handles: dict[str, bytes]

    def execute(self) -> list[str]:
        """End what is left of its jobs, and remove the file; the platform's names of these jobs.

        Raises:
            CrewError: the launcher cannot be made, or the platform did not do it.
        """
        launcher = self._make_launcher()
        try:
            handles = [pickle.loads(pickled) for pickled in self.handles.values()]
            if self.asked:
                handles += launcher.find(self.asked)
            left = _unfinished(launcher, handles)
            if left:
                launcher.terminate(left)
            jobs = [str(launcher.job(handle)) for handle in left]
        except CrewError:
            raise
        except Exception as error:  # a plugin's code may raise anything
            raise LaunchError(
                f"launcher {self.name!r} cannot end jobs of controller {self.controller!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.path.unlink(missing_ok=True)
        return jobs

    def _make_launcher(self) -> Launcher:
        sys.path[:] = [*sys.path, *(entry for entry in self.search if entry not in sys.path)]
        module, _, names = self.kind.partition(":")
        try:
            kind: Any = import_module(module)
            for name in names.split("."):
                kind = getattr(kind, name)
            launcher: Launcher = kind(make_options(kind.Options, self.options))
        except Exception as error:  # a plugin's code may raise anything
            raise LaunchError(
                f"cannot make the launcher {self.name!r} ({self.kind}) that jobs of controller "
                f"{self.controller!r} were launched with: {type(error).__name__}: {error}"
            ) from error
        launcher._rename(self.name)
        return launcher


def wills() -> list[Will]:
    """Those of all sessions of this user, live or not, on any host that shares the directory."""
    directory = jobs_directory()
    if not directory.is_dir():
        return []
    found = (read_will(path) for path in sorted(directory.iterdir()) if not path.suffix)
    return [will for will in found if will is not None]


def read_will(path: Path) -> Will | None:
    """What a session has written down; None if that is nothing, or somebody else's."""
    try:
        found = path.lstat()
        # It holds pickles: nobody else may have had a hand in it.
        if not stat.S_ISREG(found.st_mode) or found.st_uid != user() or found.st_mode & 0o022:
            return None
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    read = list(filter(None, map(_line, lines)))
    asked: dict[str, None] = {}
    handles: dict[str, bytes] = {}
    try:
        head = read[0]
        for line in read[1:]:
            asked.update(dict.fromkeys(line.get("asked", ())))
            for name, _, pickled in line.get("launched", ()):
                asked.pop(name, None)
                handles[name] = base64.b64decode(pickled)
        return Will(
            path,
            head["launcher"],
            head["name"],
            head["options"],
            head["search"],
            head["controller"],
            head["host"],
            head["pid"],
            head["made"],
            list(asked),
            handles,
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _line(text: str) -> dict[str, Any] | None:
    try:
        read = json.loads(text)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _unfinished(launcher: Launcher, handles: list[Any]) -> list[Any]:
    if not handles:
        return []
    answers = list(launcher.poll(handles))
    return [
        handle
        for handle, answer in zip(handles, answers, strict=True)
        if not report_of(answer).state.final
    ]
