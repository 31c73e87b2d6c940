"""Where crew keeps files on this computer: private sockets, state and logs, and how old ones go."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from pathlib import Path

from crew_core._model.errors import CrewError
from crew_core._model.names import token

BASE_BYTES = 64
"""The longest base directory. Paths of unix sockets are limited to about 100 bytes in all; below
the base come a controller's directory (at most 17) and a socket's name."""


def runtime_directory() -> Path:
    """The user's directory for sockets, private to the user; made when it is not there.

    Raises:
        CrewError: when the directory belongs to somebody else or is open to others.

    Example::

        >>> from crew_core.services import runtime_directory
        >>> runtime_directory().is_dir()
        True
    """
    base = _runtime_base()
    try:
        make_private(base)
    except OSError as error:
        raise CrewError(
            f"cannot make the directory for sockets, {base}: {error.strerror}. "
            "Set TMPDIR to a directory that you may write to."
        ) from error
    return base


def make_controller_directory() -> Path:
    """Make an empty private directory for one controller's sockets, with a short path.

    Its name begins with the id of this process, which is how ``crew clean`` knows that it is
    still wanted.
    """
    base = runtime_directory()
    while True:
        directory = base / f"{os.getpid()}-{token(4)}"
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return directory


def object_directory(controller_directory: Path) -> Path:
    """Where a controller's dispatcher keeps objects that exceed its memory. Not made here.

    Not with the sockets, which may be in a directory that is itself kept in memory.
    """
    return _objects_base() / controller_directory.name


def object_directories() -> list[Path]:
    """Those of all controllers of this user on this computer, live or not."""
    base = _objects_base()
    try:
        # What somebody else's link leads to is not ours to remove.
        if not _is_own_directory(base):
            return []
    except OSError:
        return []
    return sorted(
        path for path in base.iterdir() if owner_pid(path) is not None and not path.is_symlink()
    )


def make_private(directory: Path) -> None:
    """Make a directory that is the user's alone, unless it is there.

    Raises:
        OSError: it cannot be made.
        CrewError: it belongs to somebody else or is open to others.

    Example::

        >>> import pathlib, tempfile
        >>> from crew_core.services import make_private
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     make_private(pathlib.Path(folder, "mine"))
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    _refuse_open(directory)


def make_directories(directory: Path) -> None:
    """Make a directory and those above it that are missing, for the user alone.

    Raises:
        OSError: it cannot be made.
    """
    for missing in [path for path in (directory, *directory.parents) if not path.is_dir()][::-1]:
        missing.mkdir(mode=0o700, exist_ok=True)


def owner_pid(directory: Path) -> int | None:
    """The process that made a controller's directory; None when the name is not of that form."""
    pid, hyphen, _ = directory.name.partition("-")
    return int(pid) if hyphen and pid.isdecimal() else None


def controller_directories() -> list[Path]:
    """The directories of all controllers of this user on this computer, live or not."""
    return sorted(
        path
        for path in runtime_directory().iterdir()
        if owner_pid(path) is not None and path.is_dir() and not path.is_symlink()
    )


def state_directory() -> Path:
    """The user's directory for what outlives a session. Not made here.

    ``$XDG_STATE_HOME/crew``, or ``~/.local/state/crew``. A plugin keeps its files in a directory of
    its own in it.

    Example::

        >>> from crew_core.plugins import state_directory
        >>> state_directory().name
        'crew'
    """
    return _from_environment("XDG_STATE_HOME", ".local/state")


def jobs_directory() -> Path:
    """Where sessions write down what they have on their platforms. Not made here."""
    return state_directory() / "jobs"


def configuration_directory() -> Path:
    """The user's directory for settings. Not made here."""
    return _from_environment("XDG_CONFIG_HOME", ".config")


def default_log_directory(controller: str) -> Path:
    """Where workers' output goes when the user does not say. Not made here."""
    return state_directory() / "logs" / controller


def prune_logs_daily(directory: Path) -> None:
    """Remove ``*.log`` files older than two weeks below a directory, once a day at the most.

    Never raises.

    Args:
        directory: such as ``state_directory() / "logs"``.

    Example::

        >>> import tempfile
        >>> from pathlib import Path
        >>> from crew_core.services import prune_logs_daily
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     prune_logs_daily(Path(folder))
    """
    stamp = directory / ".pruned"
    now = time.time()
    try:
        if 0 <= now - stamp.stat().st_mtime < 86400:
            return
    except OSError:
        if not directory.is_dir():
            return
    with contextlib.suppress(OSError):  # a full disk, or not ours: they are looked at each time
        stamp.touch(mode=0o600)
    prune_logs(directory)


def prune_logs(directory: Path, days: float = 14) -> None:
    """Remove ``*.log`` files older than this below a directory, and folders that are empty then.

    Never raises: other sessions of the user may do the same at the same time.
    """
    oldest = time.time() - days * 86400
    for folder, _, files in os.walk(directory, topdown=False):
        for file in files:
            if file.endswith(".log"):
                _remove_if_older(Path(folder, file), oldest)
        if Path(folder) != directory:
            _remove_if_empty_and_older(Path(folder), oldest)


def _runtime_base() -> Path:
    """The first of three places that exists, is the user's and leaves room for a socket's name."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and _is_usable(Path(given)) and _fits(Path(given, "crew")):
        return Path(given, "crew")
    # On macOS the default temporary directory is long, and TMPDIR may be anything.
    usual = Path(_safe_temporary(), f"crew-{user()}")
    return usual if _fits(usual) else Path("/tmp", usual.name)


def _objects_base() -> Path:
    return Path(_safe_temporary(), f"crew-{user()}-objects")


def _safe_temporary() -> str:
    """The temporary directory, unless everybody could replace what is ours in it."""
    given = _temporary()
    if _is_anybodys(Path(given)) and os.path.isdir("/tmp") and not _is_anybodys(Path("/tmp")):
        return "/tmp"
    return given


def _temporary() -> str:
    """What ``tempfile.gettempdir()`` says, without its import where the answer is plain."""
    given = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")
    usable = os.path.isabs(given) and os.path.isdir(given) and os.access(given, os.W_OK | os.X_OK)
    if usable and "tempfile" not in sys.modules:  # there it may have been set
        return os.path.normpath(given)
    import tempfile

    return tempfile.gettempdir()


def _is_usable(directory: Path) -> bool:
    return (
        directory.is_absolute()
        and directory.is_dir()
        and directory.stat().st_uid == user()
        and os.access(directory, os.W_OK | os.X_OK)
        and not _is_anybodys(directory)
    )


def _is_anybodys(directory: Path) -> bool:
    """True where everybody may rename what is in a directory, and put something else there."""
    if not hasattr(os, "getuid"):
        return False  # Windows' file modes say nothing about other users
    try:
        mode = directory.stat().st_mode
    except OSError:
        return False  # nor is it ours, as whoever makes something there is told
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _fits(base: Path) -> bool:
    return len(os.fsencode(base)) <= BASE_BYTES


def _refuse_open(base: Path) -> None:
    if not hasattr(os, "getuid"):
        return  # Windows' file modes say nothing about other users
    if not _is_own_directory(base):
        raise CrewError(
            f"{base} is not a directory of yours: crew keeps files there that must be private. "
            "Ask its owner to remove it, or set TMPDIR to a directory of yours."
        )
    mode = stat.S_IMODE(base.lstat().st_mode)
    if mode & 0o077:
        raise CrewError(
            f"{base} is open to other users (mode {mode:o}): crew keeps "
            f"files there that must be private. Look who changed it, then: chmod 700 {base}"
        )


def _is_own_directory(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == user()


def user() -> int:
    """The number of this user; 0 where users have none."""
    # Windows has no user numbers; its temporary directory is the user's own.
    return os.getuid() if hasattr(os, "getuid") else 0


def _from_environment(variable: str, default: str) -> Path:
    given = os.environ.get(variable, "")
    # The XDG specification says to ignore relative paths.
    base = Path(given) if os.path.isabs(given) else Path.home() / default
    return base / "crew"


def _remove_if_older(file: Path, oldest: float) -> None:
    try:
        if file.lstat().st_mtime < oldest:
            file.unlink()
    except OSError:
        return


def _remove_if_empty_and_older(folder: Path, oldest: float) -> None:
    try:
        # A folder changes when a file in it goes, so a younger one may be about to be used.
        if folder.lstat().st_mtime < oldest:
            folder.rmdir()
    except OSError:
        return
