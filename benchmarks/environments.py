"""An environment of its own for each contender, made once and kept below `.nox`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.plan import Contender

ROOT = Path(__file__).resolve().parents[1]

_HOME = ROOT / ".nox" / "benchmarks"
_CONSTRAINTS = (ROOT / "constraints.txt", ROOT / "benchmarks" / "constraints.txt")
_FOR_ALL = ("numpy", "psutil")
_SECONDS_TO_INSTALL = 1800

PLOT = Contender("plot", "matplotlib", ("matplotlib",))


class NotInstalledError(Exception):
    """An environment could not be made; the text says why."""


def python_of(contender: Contender) -> Path:
    """Make a contender's environment unless it is there already; return its Python.

    Raises:
        NotInstalledError: pip could not do it.
    """
    home = _HOME / f"{contender.name}-{sys.version_info.major}.{sys.version_info.minor}"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp = home / "installed"
    wanted = _fingerprint(contender)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"installing {contender.title}", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([str(python), "-m", "pip", "install", *_FOR_ALL, *contender.requires])
        stamp.write_text(wanted, encoding="utf-8")
    return python


def _fingerprint(contender: Contender) -> str:
    manifests = [*_CONSTRAINTS, *sorted(ROOT.glob("packages/*/pyproject.toml"))]
    wanted = hashlib.sha256(repr((sys.version, contender.requires, _FOR_ALL)).encode())
    for manifest in manifests:
        wanted.update(manifest.read_bytes())
    return wanted.hexdigest()


def _run(command: list[str]) -> None:
    # A variable and not -c, so that isolated builds are bound as well.
    environment = {
        **os.environ,
        "PIP_CONSTRAINT": " ".join(map(str, _CONSTRAINTS)),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_INSTALL,
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"not installed within {_SECONDS_TO_INSTALL} s") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["pip said nothing"]
        raise NotInstalledError(f"could not be installed: {lines[-1]}")
