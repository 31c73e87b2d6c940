"""``python -m crew_core._dispatcher``: bring the sockets up, say READY, serve.

Started by a client only. It prints one line on standard output: ``READY`` once its sockets listen,
whereupon the client connects, or ``FAILED`` and why they cannot. With ``--network`` it first reads
where to listen for workers from standard input, as that holds a private key. If nobody connects
within ``CONNECT_SECONDS`` it ends.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple

from crew_core._wire import bare_msgspec
from crew_core._wire.segments.lock import DYING_SECONDS, Hold, remove_left_over

if TYPE_CHECKING:
    from crew_core._wire.transport import Listener

CONNECT_SECONDS = 30.0


def main(argv: list[str] | None = None) -> int:
    """Serve one client from start to end."""
    os.umask(0o077)  # sockets too are for nobody else
    options = _parse(argv)
    with _Segments(options.segments) as segments:
        heir = _serve(options, segments)
    if heir is None:
        return 1
    if heir:
        os.execv(heir[0], heir)
    return 0


def _serve(options: _Options, segments: _Segments) -> tuple[str, ...] | None:
    """Until the end; what follows then. None: it could not begin."""
    from crew_core._dispatcher.loop import DispatcherLoop

    client_path = os.path.join(options.directory, "client.sock")
    worker_path = os.path.join(options.directory, "workers.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(client_path)
        door.listen(1)
        door.settimeout(CONNECT_SECONDS)
        descriptors = _allow_many_connections()
        try:
            if options.network:
                listener, url = _listen_to_network(descriptors)
            else:
                listener, url = _listen_here(worker_path)
        except RefusalError as error:
            print(f"FAILED {error}", flush=True)
            return None
        print("READY", flush=True)
        try:
            client, _ = door.accept()
        except TimeoutError:
            return None
    # Tasks come and go by the hundred thousand and form no cycles: full collections only stall.
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 100)
    loop = DispatcherLoop(client, listener, url)
    try:
        loop.run()
    finally:
        segments.client_is_dead = loop.client_is_gone
        for path in (client_path, worker_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    _remove(options.directory)
    return loop.heir


class _Segments:
    """Keeps the segments from being left over, and at the end removes them if nobody else does.

    Attributes:
        client_is_dead: its connection has ended without a goodbye.
    """

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._hold: Hold | None = None
        self.client_is_dead = False

    def __enter__(self) -> _Segments:
        if self._directory is not None:
            with contextlib.suppress(OSError):  # the client is gone, and they are, too
                self._hold = Hold(self._directory)
        return self

    def __exit__(self, *_: object) -> None:
        if self._hold is not None and self._directory is not None:
            self._hold.release()
            remove_left_over(self._directory, DYING_SECONDS if self.client_is_dead else 0.0)


class RefusalError(Exception):
    """The sockets cannot be brought up. The text is for the user."""


def _listen_here(path: str) -> tuple[Listener, str]:
    from crew_core._wire.local import SCHEME, LocalListener

    return LocalListener(path), f"{SCHEME}{path}"


def _listen_to_network(descriptors: float) -> tuple[Listener, str]:
    import msgspec

    from crew_core._wire.network.door import PortError, make_url, open_door
    from crew_core._wire.network.listener import TcpListener, strangers_most
    from crew_core._wire.network.settings import NetworkSettings
    from crew_core._wire.network.tls import server_context

    settings = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=NetworkSettings)
    context = None if settings.identity is None else server_context(settings.identity)
    try:
        door = open_door(settings.host, settings.port_low, settings.port_high)
    except PortError as error:
        raise RefusalError(str(error)) from None
    url = make_url(settings.advertised, door.getsockname()[1], tls=context is not None)
    return TcpListener(door, context, most=strangers_most(descriptors)), url


def _allow_many_connections() -> float:
    """Each worker takes a file descriptor; the usual limit of 1024 is meant for other programs.

    Returns:
        How many there may be now.
    """
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS may say no to "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if allowed == resource.RLIM_INFINITY else allowed


def _remove(directory: str) -> None:
    """Remove the directory, as the client may be dead."""
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)


class _Options(NamedTuple):
    """``--directory`` for the sockets, a private one, and ``--network``.

    ``--segments`` is what workers share, to be removed at the end. ``--controller`` and
    ``--client-pid`` are for people who read ps.
    """

    directory: str
    segments: str | None
    network: bool


def _parse(argv: list[str] | None) -> _Options:
    # By hand: argparse takes longer to import than anything here.
    arguments = sys.argv[1:] if argv is None else argv
    options = dict(itertools.pairwise(arguments))
    return _Options(options["--directory"], options.get("--segments"), "--network" in arguments)


if __name__ == "__main__":
    gc.disable()  # until all is imported
    bare_msgspec.load()  # before all that needs it
    sys.exit(main())
