"""Starts the process of an embedded store, keeps it going, and ends it."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from crew_core import NetworkOptions
from crew_core.plugins import state_directory, unforked
from crew_core.services import ServiceKeys
from crew_rush._model.errors import StoreError
from crew_rush._model.names import token
from crew_rush._store.embedded.home import Home, write_private

_END_SECONDS = 5.0
_PAUSE_SECONDS = 0.2
_PAUSE_SECONDS_MAX = 5.0
_LOG_TAIL = 2000


class EmbeddedStore:
    """A store in a process of its own on this computer, which needs nothing installed.

    When this process ends without ``close``, that of the store goes on for as long as workers or
    others use it, and ends two minutes after the last of them.

    Args:
        path: a folder to keep everything in, so that it outlives the process: made when it is not
            there. A process that dies is then started again, and workers go on. None: all is in
            memory, and gone with the process.
        network: where the store listens for workers of other computers, and how that is secured
            (mutual TLS by default); None: it is reached from this computer only, and opens no port.
        seconds_start: how long the process may take to start.

    Raises:
        StoreError: the process did not start, or another uses the folder.
        ConfigError: an option of the network is impossible.

    Example::

        >>> import crew_rush
        >>> with crew_rush.EmbeddedStore() as store:
        ...     rush = crew_rush.Rush("example", store=store)
        ...     rush.n_tasks
        0
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        network: NetworkOptions | None = None,
        seconds_start: float = 30.0,
    ) -> None:
        self._keeps = path is not None
        self._seconds_start = seconds_start
        self._closing = threading.Event()
        self._end = ""  # of the process, when it was not asked for
        self._home = Home(_make_folder(path))
        self._provide_keys(network)
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch, name="crew-rush-store", daemon=True)
        self._watcher.start()

    @property
    def url(self) -> str:
        """Where the store is: another process joins by ``Rush(..., store=url)``.

        It holds no secret: a file in the folder that it names does, which only you can read.

        Example::

            >>> import crew_rush
            >>> with crew_rush.EmbeddedStore() as store:
            ...     store.url.startswith("crew://")
            True
        """
        return self._home.url

    @property
    def pid(self) -> int:
        """The present process.

        Example::

            >>> import crew_rush
            >>> with crew_rush.EmbeddedStore() as store:
            ...     store.pid > 0
            True
        """
        return self._process.pid

    def close(self) -> None:
        """End the process. Returns within some seconds; workers wait for it for ``seconds_store``.

        Example::

            >>> import crew_rush
            >>> crew_rush.EmbeddedStore().close()
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._tell_to_end()
        self._watcher.join()
        if not self._keeps:  # a process that was killed has left it
            shutil.rmtree(self._home.path, ignore_errors=True)

    def check(self) -> None:
        """Raise when the store was closed, or its process has ended and cannot be started again.

        Raises:
            StoreError: it says how it ended.

        Example::

            >>> import crew_rush
            >>> with crew_rush.EmbeddedStore() as store:
            ...     store.check()
        """
        if self._closing.is_set():
            raise StoreError(f"store {self.url} has been closed here")
        if self._end:
            raise StoreError(
                f"the process of store {self.url} has ended ({self._end}), and what it held was in "
                "memory only. Make a new store; one with path= outlives its process"
            )

    def __enter__(self) -> EmbeddedStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<crew-rush store {self.url}>"

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _provide_keys(self, network: NetworkOptions | None) -> None:
        """Those of an earlier process, by which workers know the store again, else new ones."""
        if self._home.keys.exists() and network is None:
            return
        if self._home.keys.exists():
            kept = ServiceKeys.from_bytes(self._home.keys.read_bytes())
            if kept.settings is not None:
                return
        write_private(self._home.keys, ServiceKeys.make(network).to_bytes())

    def _start(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "crew_rush._store.embedded.server", str(self._home.path)]
        if self._keeps:
            argv.append("--keep")
        log = os.open(self._home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            with unforked():
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env={**os.environ, "PYTHONSAFEPATH": "1"},
                    start_new_session=True,
                )
        except OSError as error:
            raise StoreError(f"cannot start the process of a store: {error}") from error
        finally:
            os.close(log)
        if not _is_ready(process, self._seconds_start):
            self._give_up(process)
        return process

    def _give_up(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        _close_pipes(process)
        told = ""
        with contextlib.suppress(OSError):
            told = self._home.log.read_text(errors="replace")[-_LOG_TAIL:].strip()
        raise StoreError(f"the process of store {self.url} did not start: {told or 'no reason'}")

    def _watch(self) -> None:
        """Wait for the process's end; start it again where that brings everything back."""
        pause = _PAUSE_SECONDS
        while True:
            code = self._process.wait()
            _close_pipes(self._process)
            if self._closing.is_set():
                return
            if not self._keeps:
                self._end = f"exit {code}" if code >= 0 else f"signal {-code}"
                return
            started = time.monotonic()
            try:
                self._process = self._start()
            except StoreError as error:
                sys.stderr.write(f"crew-rush: {error}; tries again\n")
                if self._closing.wait(pause):
                    return
            if self._closing.is_set():
                self._tell_to_end()
            lasted = time.monotonic() - started > _PAUSE_SECONDS_MAX
            pause = _PAUSE_SECONDS if lasted else min(pause * 2, _PAUSE_SECONDS_MAX)

    def _tell_to_end(self) -> None:
        process = self._process
        with contextlib.suppress(OSError, ValueError):
            assert process.stdin is not None
            process.stdin.write(b"end\n")
            process.stdin.flush()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _make_folder(path: str | os.PathLike[str] | None) -> Path:
    folder = state_directory() / "rush" / token()[:12] if path is None else Path(path).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder of a store, {folder}: {error.strerror}") from None
    return folder


def _is_ready(process: subprocess.Popen[bytes], seconds: float) -> bool:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return bool(selector.select(seconds)) and process.stdout.readline() == b"ready\n"


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
