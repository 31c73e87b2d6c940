"""``python -m crew_rush._worker``: a worker of a network, as launchers and people start it.

Its secrets come in the environment: ``CREW_SECRET``, and ``CREW_TLS`` for a connection with TLS.
Exit codes: 0 its loop has ended, 1 its loop was killed, 2 wrong usage, 3 refused, 4 no store.
"""

from __future__ import annotations

import argparse
import os
import sys

import msgspec

from crew_rush._model.errors import RushError, StoreError
from crew_rush._model.names import token, worker_name
from crew_rush._model.start import Errand, Start
from crew_rush._store.opening import join_store, scrub
from crew_rush._worker.supervisor import Job, Supervisor


def main(argv: list[str] | None = None) -> int:
    """Be a worker until its loop ends."""
    options = _parse(sys.argv[1:] if argv is None else argv)
    errand = Errand(
        url=options.url,
        secret=os.environ.get("CREW_SECRET", ""),
        identity=os.environ.get("CREW_TLS", ""),
        network=options.network,
        worker_id=options.worker_id or worker_name(),
        life=options.instance or token(),
        start=options.start,
    )
    try:
        store = join_store(options.url, options.network, os.environ, options.grace)
        scrub(os.environ)
        store.attach(create=False)
        encoded = store.get_value(options.start)
    except StoreError as error:
        sys.stderr.write(f"crew-rush worker: {error}\n")
        return 4
    except RushError as error:
        sys.stderr.write(f"crew-rush worker: {error}\n")
        return 3
    if encoded is None:
        sys.stderr.write(f"crew-rush worker: network {options.network} has no {options.start}\n")
        return 3
    start = msgspec.msgpack.decode(encoded, type=Start)
    return Supervisor(store, Job(errand, options.launcher, options.remote), start).run()


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m crew_rush._worker", description="Run a loop as a worker of a network."
    )
    parser.add_argument("--url", required=True, help="where the store is")
    parser.add_argument("--network", required=True, help="the network's id")
    parser.add_argument("--start", required=True, help="what to run, as the network calls it")
    parser.add_argument("--worker-id", help="default: a new one")
    parser.add_argument("--instance", help="id of this one life of the worker; default: a new one")
    parser.add_argument("--launcher", default="script", help="what started it, to tell people")
    parser.add_argument("--remote", action="store_true", help="not on its manager's computer")
    parser.add_argument(
        "--grace",
        type=float,
        default=60.0,
        help="seconds to stay without a store (default: %(default)g)",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
