"""The run directory of a host, and the folder of each worker in it; nobody else may look inside.

::

    RUN/lock                    held while slots are counted and workers started
    RUN/links/<token>           the sshd process of one of our connections
    RUN/workers/crew-c-1f0c/    facts.json   whose it is, since when
                                pid          "4711 <birth>" of the worker's process group
                                told         it was told to end
                                exit         its exit code, once it has ended
                                output, log  what it printed

It is on a disk of the host's own: processes of two hosts must not be mixed up.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from crew_ssh._remote.processes import birth_of, lives

KEPT_SECONDS = 14 * 86400.0
"""What ended workers left is kept this long."""

_TAIL_BYTES = 64 * 1024


class Place:
    """The run directory.

    Args:
        path: where; None: below the host's directory for temporary files.

    Raises:
        OSError: it cannot be made.
        PermissionError: it belongs to somebody else, or others may look inside.
    """

    def __init__(self, path: str | None = None) -> None:
        usual = os.path.join(tempfile.gettempdir(), f"crew-ssh-{os.getuid()}")
        self.path = usual if path is None else os.path.expanduser(path)
        os.makedirs(os.path.dirname(self.path) or "/", exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        found = os.lstat(self.path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(f"{self.path} is not a directory of ours")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise PermissionError(f"{self.path} is open to other users: chmod 700 it")
        for name in ("workers", "links"):
            os.makedirs(os.path.join(self.path, name), mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other agent start workers meanwhile."""
        with open(os.path.join(self.path, "lock"), "w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def worker(self, name: str) -> Folder:
        """The folder of a worker, there or not."""
        if not name or name in (".", "..") or "/" in name:
            raise ValueError(f"{name!r} is not the name of a worker")
        return Folder(os.path.join(self.path, "workers", name))

    def workers(self) -> list[Folder]:
        """The folders of all workers, live or not."""
        names = sorted(os.listdir(os.path.join(self.path, "workers")))
        return [self.worker(name) for name in names]

    def link(self, token: str) -> str:
        """The file about one of our connections."""
        if not token.isalnum():
            raise ValueError(f"{token!r} is not a token")
        return os.path.join(self.path, "links", token)

    def prune(self) -> None:
        """Remove what is too old to be asked for."""
        oldest = time.time() - KEPT_SECONDS
        for folder in self.workers():
            with contextlib.suppress(OSError):
                if os.stat(folder.path).st_mtime < oldest and folder.process() is None:
                    folder.remove()


class Folder:
    """The folder of one worker.

    Args:
        path: where it is, or will be.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = os.path.basename(path)

    def file(self, name: str) -> str:
        """The path of a file in it."""
        return os.path.join(self.path, name)

    def make(self, facts: dict[str, Any]) -> None:
        """Make it.

        Raises:
            FileExistsError: this worker has been started before.
        """
        os.mkdir(self.path, 0o700)
        self.write("facts.json", json.dumps(facts))

    def write(self, name: str, text: str) -> None:
        """Write a file at once or not at all."""
        unfinished = self.file(name + ".new")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(unfinished, self.file(name))

    def read(self, name: str) -> str | None:
        """The text of a file; None when it is not there."""
        try:
            with open(self.file(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def facts(self) -> dict[str, Any]:
        """What was written down at its start."""
        try:
            return dict(json.loads(self.read("facts.json") or "{}"))
        except ValueError:
            return {}

    def note_process(self, pid: int) -> None:
        """Write down which process it is."""
        self.write("pid", f"{pid} {birth_of(pid) or '?'}\n")

    def known_process(self) -> tuple[int, str] | None:
        """Number and birth of its process group's first, live or not."""
        words = (self.read("pid") or "").split()
        return (int(words[0]), words[1]) if len(words) == 2 and words[0].isdigit() else None

    def process(self) -> tuple[int, str] | None:
        """The same; None when it has ended."""
        known = self.known_process()
        return known if known is not None and lives(*known) else None

    def state(self) -> dict[str, Any]:
        """Whether it runs, and how it ended."""
        process = self.process()
        if process is not None:
            return {"state": "running", "pid": process[0]}
        if not os.path.isdir(self.path):
            return {"state": "gone"}
        code = (self.read("exit") or "").strip()
        return {
            "state": "ended",
            "code": int(code) if code.isdigit() else None,
            "told": os.path.exists(self.file("told")),
        }

    def output(self) -> str:
        """The last of what it printed, before it had a log of its own and since."""
        return "".join(_tail(self.file(name)) for name in ("output", "log"))

    def remove(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
