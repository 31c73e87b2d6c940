"""Makes a virtual environment from an archive that was sent here. Needs neither pip nor a network.

::

    RUN/environments/<key>-3.11/     bin/python and the packages; named when it is complete
    RUN/environments/<key>.zip       what arrives, until it is unpacked
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sysconfig
import tempfile
import zipfile

from crew_ssh._remote.folders import Place

_SECONDS = 120.0


def environment(place: Place, key: str, python: str) -> str | None:
    """The interpreter of an environment that is there; None: there is none."""
    found = os.path.join(_path(place, key, python), "bin", "python")
    return found if os.path.exists(found) else None


def take(place: Place, key: str, at: int, data: str) -> None:
    """Write down a piece of an archive."""
    os.makedirs(_folder(place), mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | (0 if at else os.O_TRUNC)
    descriptor = os.open(_archive(place, key), flags, 0o600)
    with open(descriptor, "wb") as file:
        file.seek(at)
        file.write(base64.b64decode(data))


def install(place: Place, key: str, python: str) -> str:
    """Make an environment from an archive that has arrived; its interpreter.

    Raises:
        RuntimeError: this Python cannot make one.
    """
    with place.locked():
        there = environment(place, key, python)
        if there is not None:
            return there
        unfinished = tempfile.mkdtemp(dir=_folder(place))
        try:
            done = subprocess.run(
                [python, "-I", "-m", "venv", "--without-pip", "--system-site-packages", unfinished],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                said = (done.stderr or done.stdout).decode(errors="replace").strip()
                raise RuntimeError(f"{python} -m venv failed: {said[-500:]}")
            with zipfile.ZipFile(_archive(place, key)) as archive:
                archive.extractall(_packages_of(unfinished))
            os.rename(unfinished, _path(place, key, python))
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        os.unlink(_archive(place, key))
    made = environment(place, key, python)
    if made is None:
        raise RuntimeError(f"{python} -m venv made no interpreter")
    return made


def _folder(place: Place) -> str:
    return os.path.join(place.path, "environments")


def _archive(place: Place, key: str) -> str:
    if not key.isalnum():
        raise ValueError(f"{key!r} is not a key")
    return os.path.join(_folder(place), f"{key}.zip")


def _path(place: Place, key: str, python: str) -> str:
    if not key.isalnum():
        raise ValueError(f"{key!r} is not a key")
    return os.path.join(_folder(place), f"{key}-{os.path.basename(os.path.realpath(python))}")


def _packages_of(environment_path: str) -> str:
    """Where it looks for packages: this very Python makes it, so the layout is ours."""
    variables = {"base": environment_path, "platbase": environment_path}
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
    return sysconfig.get_path("purelib", scheme, variables)
