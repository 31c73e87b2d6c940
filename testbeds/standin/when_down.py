"""What the commands of each kind do while nobody listens."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

_PBS_CANNOT_REACH = {"qstat": 255}  # all others: 15010 modulo 256
_LSID_SECONDS = 6.0
_TRYING_SECONDS = 5.0


def when_down(kind: str, program: str, arguments: Sequence[str], place: str) -> int | None:
    """Say what the real ones say; the exit code, or None to try again."""
    if kind == "pbs":
        return _pbs(program, arguments, place)
    return _lsf(program)


def _pbs(program: str, arguments: Sequence[str], place: str) -> int:
    if "--version" in arguments:
        sys.stdout.write("pbs_version = 23.06.06\n")
        return 0
    server = os.readlink(f"{place}/server_name") if os.path.lexists(f"{place}/server_name") else ""
    if program == "qstat" and "json" in arguments:
        sys.stdout.write(
            f'{{\n    "timestamp":{int(time.time())},\n'
            f'    "pbs_version":"23.06.06",\n    "pbs_server":"{server}"\n}}\n'
        )
        sys.stdout.flush()
    sys.stderr.write(
        f"Connection refused\n{program}: cannot connect to server {server} (errno=15010)\n"
    )
    return _PBS_CANNOT_REACH.get(program, 162)


def _lsf(program: str) -> int | None:
    daemon = "OpenLava daemon (LIM)" if program == "lsid" else "batch system daemon"
    if program == "lsid":
        time.sleep(_LSID_SECONDS)
        sys.stderr.write(f"{daemon} not responding\n")
        return 255
    sys.stderr.write(f"{daemon} not responding ... still trying\n")
    sys.stderr.flush()
    time.sleep(_TRYING_SECONDS)
    return None
