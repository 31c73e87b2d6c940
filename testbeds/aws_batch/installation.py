"""Moto, in a virtual environment of its own, so that tests need not have it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from testbeds import places, software
from testbeds.errors import UnavailableError

_WANTED = ("moto[cloudformation]>=5.2,<6", "flask", "flask-cors", "docker")
_CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"


def lacks() -> str | None:
    """What is missing to have it; None when it is there or can be installed."""
    try:
        import ensurepip  # noqa: F401 - Debian leaves it out of its Python
        import venv  # noqa: F401
    except ImportError:
        return "Python's venv"
    return None


def prepare() -> Path:
    """Have it; its Python.

    Raises:
        UnavailableError: pip cannot install it.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = _CONSTRAINTS.read_bytes() if _CONSTRAINTS.exists() else b""
    name = hashlib.sha256(repr((_WANTED, version)).encode() + pins).hexdigest()[:8]
    folder = places.software() / f"moto-{version}-{name}"
    with software.alone():
        if not (folder / "ready").exists():
            _install(folder)
    return folder / "bin" / "python"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    constraints = ["-c", str(_CONSTRAINTS)] if _CONSTRAINTS.exists() else []
    _run([str(folder / "bin/python"), "-m", "pip", "install", "-q", *constraints, *_WANTED])
    (folder / "ready").touch()


def _run(command: list[str]) -> None:
    answer = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        told = "\n".join(answer.stdout.splitlines()[-5:])
        raise UnavailableError(f"{' '.join(command)} failed:\n{told}")
