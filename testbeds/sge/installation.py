"""Grid Engine's programs, laid out as its daemons expect them, without installing the packages.

Installed, they would exclude SLURM's commands for TORQUE, bring a mail server and start daemons.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from testbeds import places, software

ARCHITECTURE = "lx-amd64"
LIBRARIES = (
    *("libjemalloc2", "libdb5.3", "libhwloc15", "libmunge2", "libtirpc3"),
    *("libssl3", "libpam0g"),
)
PACKAGES = ("gridengine-client", "gridengine-common", "gridengine-master", "gridengine-exec")

_CLIENTS = (
    *("qacct", "qalter", "qconf", "qdel", "qhold", "qhost", "qmod", "qresub", "qrls", "qrsh"),
    *("qselect", "qstat", "qsub"),
)

# Debian's programs look for their spooling library below this folder, by a path that may climb,
# but has to be shorter than 64 characters.
_LIBRARY_FOLDER = Path("/usr/lib/gridengine")


def prepare() -> Path:
    """Have them; the folder they are in."""
    software.install(LIBRARIES)
    unpacked = places.software() / "gridengine-packages"
    software.unpack(PACKAGES, unpacked)
    _LIBRARY_FOLDER.mkdir(parents=True, exist_ok=True)
    with places.locked():
        return _lay_out(unpacked, places.software() / "gridengine")


def spooling_library() -> str:
    """The name of the spooling library, for the file bootstrap."""
    return f"../../..{_short_name()}"


def _short_name() -> Path:
    return places.root() / "sge"


def _lay_out(unpacked: Path, installation: Path) -> Path:
    link = _short_name().with_suffix(".so")
    if not link.is_symlink():
        link.symlink_to(installation / "lib" / ARCHITECTURE / "libspoolc.so")
    if installation.exists():
        return installation
    new = installation.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    share = unpacked / "usr/share/gridengine"
    programs, libraries = new / "bin" / ARCHITECTURE, new / "lib" / ARCHITECTURE
    shutil.copytree(unpacked / "usr/lib/gridengine", programs, symlinks=True)
    libraries.mkdir(parents=True)
    for library in programs.glob("libspool*.so"):
        library.rename(libraries / library.name)
    for name in ("spooldefaults", "spooledit"):
        real = programs / f"{name}.bin"  # what bears the name itself is a wrapper
        if real.exists():
            real.replace(programs / name)
    shutil.copytree(share / "util", new / "util", symlinks=True)
    shutil.copy(share / "default-configuration", new)
    (new / "utilbin").symlink_to("bin")
    (new / "cmd").mkdir()
    for name in _CLIENTS:
        (new / "cmd" / name).symlink_to(f"../bin/{ARCHITECTURE}/{name}")
    new.rename(installation)
    return installation
