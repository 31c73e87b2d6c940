"""What is installed here, file by file, as it would lie in a directory of packages elsewhere."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from crew_ssh._bootstrap.fitting import Machine, fits
from crew_ssh._connection.errors import SshError

NEEDED = ("crew-core", "cloudpickle", "msgspec", "numpy", "psutil")
"""What a worker imports. What tasks need besides is the host's own business."""

_SECONDS = 300.0
_MODULES = {"crew-core": "crew_core"}

Piece = tuple[str, bytes]
"""A path in the directory of packages, and the file there."""


def pieces_of(name: str, machine: Machine) -> Iterator[Piece]:
    """The files of a distribution, in the version that is installed here, for a host.

    Raises:
        SshError: it is compiled for another kind of machine, and cannot be downloaded.
    """
    found = importlib.metadata.distribution(name)
    if not fits(_tags(found), machine):
        yield from _downloaded(name, found.version, machine)
    elif _is_editable(found):
        yield from _of_source(name, found)
    else:
        yield from _of_installation(found)


def _tags(found: importlib.metadata.Distribution) -> list[str]:
    lines = (found.read_text("WHEEL") or "").splitlines()
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Tag:")]


def _is_editable(found: importlib.metadata.Distribution) -> bool:
    told = json.loads(found.read_text("direct_url.json") or "{}")
    return bool(told.get("dir_info", {}).get("editable"))


def _of_installation(found: importlib.metadata.Distribution) -> Iterator[Piece]:
    for file in found.files or ():
        path = Path(str(file.locate()))
        # Programs are elsewhere, and belong to this interpreter.
        if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file():
            yield file.as_posix(), path.read_bytes()


def _of_source(name: str, found: importlib.metadata.Distribution) -> Iterator[Piece]:
    """A package that is run from where it is written, with the description of the installed."""
    module = importlib.import_module(_MODULES.get(name, name))
    package = Path(str(module.__file__)).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{package.name}/{path.relative_to(package).as_posix()}", path.read_bytes()
    for file in ("METADATA", "WHEEL", "entry_points.txt"):
        text = found.read_text(file)
        if text is not None:
            folder = f"{name.replace('-', '_')}-{found.version}.dist-info"
            yield f"{folder}/{file}", text.encode()


def _downloaded(name: str, version: str, machine: Machine) -> Iterator[Piece]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder]
        command += ["--python-version", ".".join(map(str, machine.python))]
        for platform in machine.platforms:
            command += ["--platform", platform]
        done = subprocess.run(
            [*command, f"{name}=={version}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise SshError(
                f"cannot bring {name} {version} to a host with {machine.system}, "
                f"{machine.architecture}: what is installed here is for another kind of machine, "
                f"and pip cannot download it ({said}). Install crew-core there by hand",
                transient=False,
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            for entry in wheel.namelist():
                if not entry.endswith("/"):
                    yield entry, wheel.read(entry)
