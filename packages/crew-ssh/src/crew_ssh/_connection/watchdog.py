"""Notices that a host has gone without a word, and closes the connection to it.

paramiko's own keepalives are sent and never missed. Behind a jump there is no socket that would
notice either.
"""

from __future__ import annotations

import threading
from typing import Any

import paramiko

_INTERVAL_SECONDS = 5.0


class Watchdog:
    """Asks a host now and then whether it is there.

    Args:
        transport: the connection.
        requests: held while the answer is awaited, as there is one place for all answers.
        seconds: so long an answer may take.
    """

    def __init__(self, transport: Any, requests: threading.Lock, seconds: float) -> None:
        self._transport = transport
        self._requests = requests
        self._seconds = seconds
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin, on a thread of its own."""
        threading.Thread(target=self._run, name="crew-ssh-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_INTERVAL_SECONDS) and self._transport.is_active():
            with self._requests:
                # The request itself waits for ever; closing the connection ends that.
                limit = threading.Timer(self._seconds, self._transport.close)
                limit.daemon = True
                limit.start()
                try:
                    # "No such request" is an answer, too.
                    self._transport.global_request("keepalive@openssh.com", wait=True)
                except (paramiko.SSHException, OSError, EOFError):
                    return
                finally:
                    limit.cancel()
