"""Debian's packages: installed, or unpacked into a folder where two packages exclude each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbeds.errors import UnavailableError
from testbeds.places import root

_POLICY = Path("/usr/sbin/policy-rc.d")


def lacks(packages: Sequence[str], programs: Sequence[str] = ()) -> str | None:
    """What is missing to have these; None when they are there, or can be installed."""
    if sys.platform != "linux":
        return "Linux"
    missing = [program for program in programs if shutil.which(program, path=_path()) is None]
    if missing:
        return f"the programs {', '.join(missing)}"
    absent = [package for package in packages if not _is_installed(package)]
    if not absent:
        return None
    if shutil.which("apt-get") is None:
        return f"Debian's packages {', '.join(absent)}, and there is no apt to install them"
    if os.geteuid() != 0:
        return f"root, to install {', '.join(absent)}"
    return None


def install(packages: Sequence[str]) -> None:
    """Install what is not there yet, without starting any daemon.

    Raises:
        UnavailableError: apt cannot.
    """
    with alone():
        absent = [package for package in packages if not _is_installed(package)]
        if absent:
            with _no_daemons():
                _apt("install", "--yes", "--no-install-recommends", *absent)


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Unpack packages into a folder, once, without installing them.

    Raises:
        UnavailableError: apt cannot download them.
    """
    with alone():
        if folder.exists():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            os.chmod(scratch, 0o755)  # apt downloads as a user of its own
            _apt("download", *packages, folder=scratch)
            content = Path(scratch, "content")
            for package in sorted(Path(scratch).glob("*.deb")):
                subprocess.run(["dpkg-deb", "-x", str(package), str(content)], check=True)
            content.rename(folder)


def _is_installed(package: str) -> bool:
    try:
        answer = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Status}", package],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return answer.stdout == "install ok installed"


def _apt(action: str, *arguments: str, folder: str = "/") -> None:
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=600", action, *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    for attempt in range(2):
        answer = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if answer.returncode == 0:
            return
        if attempt == 0:  # its lists may be old, or missing
            subprocess.run(
                ["apt-get", "-q", "update"], env=environment, capture_output=True, check=False
            )
    told = "\n".join(answer.stdout.splitlines()[-5:])
    raise UnavailableError(f"apt-get {action} {' '.join(arguments)} failed:\n{told}")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let no other testbed of this user install at the same time."""
    root().mkdir(parents=True, exist_ok=True)
    with (root() / "software.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _no_daemons() -> Iterator[None]:
    """Let packages start nothing when they are installed; the machine's own rule stays."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
