"""Runs somebody's command on this host: words, no shell; a group of its own; a time limit."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Any

from crew_ssh._remote.starting import OF_CONNECTION

_SHOWN = 2000

# Files and not pipes: some clients leave a helper that would keep a pipe open.
_file = tempfile.TemporaryFile


def run(
    argv: Sequence[str],
    stdin: str,
    env: Mapping[str, str] | None,
    more: Mapping[str, str],
    seconds: float,
) -> dict[str, Any]:
    """Run a command to its end.

    Args:
        argv: the command.
        stdin: what it reads, in base 64.
        env: all its variables; None: those of this process, and ``more``.
        more: see ``env``.
        seconds: then it is killed, with all that it started.

    Returns:
        Its exit code and what it printed; or that it cannot be run; or that it took too long.
    """
    own = {name: value for name, value in os.environ.items() if name not in OF_CONNECTION}
    variables = {**own, **more} if env is None else dict(env)
    with _file() as given, _file() as out, _file() as err:
        given.write(base64.b64decode(stdin))
        given.seek(0)
        try:
            child = subprocess.Popen(
                _found(argv, variables),
                stdin=given,
                stdout=out,
                stderr=err,
                env=variables,
                cwd=os.path.expanduser("~"),
                start_new_session=True,
            )
        except OSError as error:
            return {"missing": str(error.strerror)}
        in_time = _wait(child, seconds)
        printed, complained = _content(out), _content(err)
    if not in_time:
        return {"late": (complained + printed).decode(errors="replace").strip()[-_SHOWN:]}
    return {
        "code": child.returncode,
        "out": base64.b64encode(printed).decode("ascii"),
        "err": base64.b64encode(complained).decode("ascii"),
    }


def _found(argv: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """The command with its program's path: it is looked for where its own PATH says."""
    import shutil

    path = shutil.which(argv[0], path=variables.get("PATH"))
    return [path or argv[0], *argv[1:]]


def _wait(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return False
    return True


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
