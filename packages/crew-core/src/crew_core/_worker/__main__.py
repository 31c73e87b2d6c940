"""``python -m crew_core._worker``, also ``crew worker``: what every launch runs, anywhere.

The one-time secret comes in the environment variable ``CREW_SECRET``, the certificate for a
connection with TLS in ``CREW_TLS``; both are removed from what the tasks see. Exit codes: 0 left
as agreed, 2 wrong usage, 3 refused, 4 no dispatcher.
"""

from __future__ import annotations

import os
import sys

from crew_core._worker.spawn import Spawned, spawn

# All else is imported once the task process has begun to start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from crew_core._wire import messages
    from crew_core._wire.transport import Dialer

GRACE_SECONDS = 30.0
"""How long a worker stays without a dispatcher, unless told otherwise."""

LOG_BYTES = 4 << 20
"""The most that a worker's log file holds: its start and its end."""


def main(argv: list[str] | None = None) -> int:
    """Be a worker, from the first hello to the end."""
    options = _parse(sys.argv[1:] if argv is None else argv)
    secret, identity = os.environ.pop("CREW_SECRET", ""), os.environ.pop("CREW_TLS", "")
    if not secret:
        print("crew worker: CREW_SECRET is not set: a launcher sets it", file=sys.stderr)
        return 2
    if options.url.startswith("tls+tcp://") and not identity:
        print("crew worker: CREW_TLS is not set: a launcher sets it", file=sys.stderr)
        return 2
    environment = _task_environment(options)
    first = spawn(environment, to_own_log=options.log is not None)
    return _exit_code(_serve(options, secret, identity, environment, first))


def _serve(
    options: Options | argparse.Namespace,
    secret: str,
    identity: str,
    environment: dict[str, str],
    first: Spawned,
) -> str:
    import gc
    import time

    gc.disable()  # until all is imported
    from crew_core._wire import bare_msgspec

    bare_msgspec.load()

    from crew_core._wire.capped_log import CappedLog
    from crew_core._worker.conversation import Conversation
    from crew_core._worker.descendants import adopt_orphans
    from crew_core._worker.lifetime import Lifetime, seconds_to_live
    from crew_core._worker.process import TaskProcess
    from crew_core._worker.supervisor import Supervisor

    adopt_orphans()
    log = None if options.log is None else CappedLog(options.log, LOG_BYTES)

    def start_process() -> TaskProcess:
        return TaskProcess(spawn(environment, to_own_log=log is not None))

    now = time.monotonic()
    lifetime = Lifetime(seconds_to_live(os.environ, options.life, time.time()), now)

    def hello() -> messages.Hello:
        return _hello(options.instance, secret, life, lifetime.seconds_left(time.monotonic()))

    life = os.urandom(8).hex()
    conversation = Conversation(_dialer(options.url, identity), hello, now)
    supervisor = Supervisor(
        conversation,
        TaskProcess(first),
        start_process,
        log=log,
        grace=options.grace,
        instance=options.instance,
        lifetime=lifetime,
    )
    gc.enable()
    return supervisor.run()


def _hello(instance: str, secret: str, life: str, seconds_left: float | None) -> messages.Hello:
    import socket

    from crew_core._wire import messages

    return messages.Hello(
        messages.PROTOCOL,
        instance,
        secret,
        life,
        os.getpid(),
        socket.gethostname(),
        f"{sys.version_info.major}.{sys.version_info.minor}",
        seconds_left=seconds_left,
    )


def _dialer(url: str, identity: str) -> Dialer:
    from crew_core._wire.local import SCHEME, LocalDialer

    if url.startswith(SCHEME):
        return LocalDialer(url[len(SCHEME) :])
    from crew_core._wire.network.dialer import TcpDialer
    from crew_core._wire.network.door import split_url

    if not url.startswith("tls+tcp://"):
        return TcpDialer(split_url(url), None)
    from crew_core._wire.network.settings import WorkerIdentity
    from crew_core._wire.network.tls import client_context

    own = WorkerIdentity.from_text(identity)
    return TcpDialer(split_url(url), client_context(own), own.server_digest)


def _task_environment(options: Options | argparse.Namespace) -> dict[str, str]:
    """What the task process inherits: everything but the secrets, and who it works for."""
    return {
        **os.environ,
        "CREW_CONTROLLER": options.controller,
        "CREW_INSTANCE": options.instance,
    }


def _exit_code(reason: str) -> int:
    if reason.startswith("refused"):
        import contextlib

        with contextlib.suppress(OSError):
            print(f"crew worker: {reason}", file=sys.stderr)
        return 3
    return 4 if reason.startswith("no dispatcher") else 0


class Options:
    """The command line, when it is as launchers write it."""

    def __init__(self, argv: list[str]) -> None:
        given = dict(zip(argv[::2], argv[1::2], strict=True))
        self.controller = given.pop("--controller")
        self.instance = given.pop("--instance")
        self.url = given.pop("--url")
        self.log = given.pop("--log", None)
        self.grace = float(given.pop("--grace", GRACE_SECONDS))
        life = given.pop("--life", None)
        self.life = None if life is None else float(life)
        if given:
            raise ValueError(f"not known: {given}")


def _parse(argv: list[str]) -> Options | argparse.Namespace:
    try:
        return Options(argv)
    except (KeyError, ValueError):
        return _parse_by_person(argv)


def _parse_by_person(argv: list[str]) -> argparse.Namespace:
    """What a person may have written, with an answer to what is wrong."""
    import argparse  # it takes long to import

    parser = argparse.ArgumentParser(
        prog="crew worker", description="Run tasks of a controller. Started by launchers."
    )
    parser.add_argument("--controller", required=True, help="the controller's name")
    parser.add_argument("--instance", required=True, help="id of this one life of a worker")
    parser.add_argument("--url", required=True, help="where the dispatcher listens")
    parser.add_argument("--log", help="file for the output; default: standard output")
    parser.add_argument(
        "--grace",
        type=float,
        default=GRACE_SECONDS,
        help="seconds to stay without a dispatcher (default: %(default)g)",
    )
    parser.add_argument("--life", type=float, help="seconds that its job may take in all")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
