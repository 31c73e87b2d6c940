"""``python -m crew_core._dispatcher``: bring the sockets up, say READY, serve.

Started by a client only. It prints one line, ``READY``, on standard output once its sockets
listen; the client then connects. If nobody connects within ``CONNECT_SECONDS`` it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import socket
import sys
from pathlib import Path

from crew_core._dispatcher.loop import DispatcherLoop
from crew_core._wire.channel import WorkerListener

CONNECT_SECONDS = 30.0


def main(argv: list[str] | None = None) -> int:
    """Serve one client from start to end."""
    options = _parse(argv)
    logging.basicConfig(format="crew dispatcher: %(message)s", level=logging.WARNING)
    directory = Path(options.directory)
    client_path, worker_path = directory / "client.sock", directory / "workers.sock"
    url = f"ipc://{worker_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(os.fspath(client_path))
        door.listen(1)
        door.settimeout(CONNECT_SECONDS)
        listener = WorkerListener(url)
        print("READY", flush=True)
        try:
            client, _ = door.accept()
        except TimeoutError:
            return 1
    # Tasks come and go by the hundred thousand and form no cycles: full collections only stall.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        DispatcherLoop(client, listener, url).run()
    finally:
        for path in (client_path, worker_path):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    _remove(directory)
    return 0


def _remove(directory: Path) -> None:
    """Remove the directory, as the client may be dead."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="crew_core._dispatcher")
    parser.add_argument("--directory", required=True, help="a private directory for the sockets")
    parser.add_argument("--controller", required=True, help="name, for people who read ps")
    parser.add_argument("--client-pid", required=True, type=int, help="who starts this")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
