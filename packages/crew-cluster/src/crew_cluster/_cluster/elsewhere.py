"""A login node that only a command runner reaches: commands are run and files are kept there.

Each deed is one command of its shell. What a deed finds missing is no error.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from crew_cluster._cluster.commands import Answer, CommandError
from crew_cluster._cluster.folder import (
    OUTPUT_DAYS,
    OUTPUT_SUFFIX,
    RECORD,
    SCRIPT,
    TOLD_SUFFIX,
    Folder,
    record_of,
)
from crew_cluster._cluster.shelf import Shelf
from crew_core.plugins import (
    CommandAnswer,
    CommandRunner,
    ConfigError,
    LaunchError,
    LaunchRequest,
    WorkerLaunch,
)

_SECONDS = 60.0
_TAIL_BYTES = 64 * 1024
_SHOWN = 500

_WORKER = ("-m", "crew_core._worker")
_OF_THIS_DISK = ("CREW_SYS_PATH",)

_MAKE = """\
umask 077
mkdir -p -- "${1%/*}" && mkdir -- "$1" && cd -- "$1" && tar xf -"""
_KEEP = 'umask 077 && cat >"$1"'
_OUTPUT = f'[ -e "$1" ] && tail -c {_TAIL_BYTES} -- "$1"'
_WITHDRAW = 'cd -- "$1" 2>/dev/null || exit 0; shift; rm -f -- "$@"'
_TIDY = f"""\
cd -- "$1" 2>/dev/null || exit 0
rm -f -- "$2" "$2.taken"
[ -s "$2{OUTPUT_SUFFIX}" ] || rm -f -- "$2{OUTPUT_SUFFIX}"
for file in *; do
    case $file in {SCRIPT}|{RECORD}|*{TOLD_SUFFIX}) ;; *) exit 0 ;; esac
done
cd / && rm -rf -- "$1"
"""
_RECORDS = f"""\
cd -- "$1" 2>/dev/null || exit 0
set -- */{RECORD}
[ ! -e "$1" ] || tar cf - -- "$@"
"""
_TOLD = f"""\
cd -- "$1" 2>/dev/null || exit 3
set -- *{TOLD_SUFFIX}
[ ! -e "$1" ] || tar cf - -- "$@"
"""
_GONE = 3
_PRUNE = f"""\
[ ! -d "$1" ] ||
    find "$1" -mindepth 1 -maxdepth 1 -type d -mtime +{OUTPUT_DAYS} -exec rm -rf -- {{}} +"""


class RunElsewhere:
    """Runs a scheduler's commands on a login node. What `Runner` is here.

    Args:
        runner: reaches it.
        environment: which of its variables commands get.
        seconds: how long each may take.
        programs: what is to be run instead of programs of these names.
    """

    def __init__(
        self,
        runner: CommandRunner,
        environment: Callable[[Mapping[str, str]], dict[str, str]],
        seconds: float,
        programs: Mapping[str, str],
    ) -> None:
        self._runner = runner
        self._environment = environment
        self._seconds = seconds
        self._programs = dict(programs)

    def __call__(self, argv: Sequence[str], *, stdin: bytes | None = None) -> Answer:
        """Run a command there to its end."""
        argv = [self._programs.get(argv[0], argv[0]), *argv[1:]]
        try:
            env = self._environment(self._runner.environment())
            told = self._runner.run(argv, stdin=stdin or b"", env=env, seconds=self._seconds)
        except LaunchError as error:
            raise CommandError(str(error), argv, began=False, transient=error.transient) from error
        except OSError as error:
            raise CommandError(
                f"no answer from `{shlex.join(argv)}` on {self._runner.address}: {error}",
                argv,
                began=True,
            ) from error
        stdout, stderr = (text.decode(errors="replace") for text in (told.stdout, told.stderr))
        return Answer(tuple(argv), told.returncode, stdout, stderr)


class ShelfElsewhere(Shelf):
    """Folders of submissions on a login node.

    Args:
        runner: reaches it.
        given: where they are; None: under the user's state directory there.

    Raises:
        ConfigError: their path cannot stand in a script's directive.
    """

    def __init__(self, runner: CommandRunner, given: str | os.PathLike[str] | None) -> None:
        self._runner = runner
        self._given = None if given is None else os.fspath(given)
        if self._given is not None and not self._given.startswith(("/", "~/")):
            raise ConfigError(
                f"script_directory={self._given!r}: with via=, must begin with / or ~/, as it is a "
                "directory of the login node"
            )
        self._found: Path | None = None

    @property
    def directory(self) -> Path:
        """Where they are; the login node is asked where the user's home is.

        Raises:
            LaunchError: it was not reached.
        """
        if self._found is None:
            variables = self._runner.environment()
            home = variables.get("HOME", "/")
            if self._given is None:
                state = variables.get("XDG_STATE_HOME") or f"{home}/.local/state"
                self._found = Path(state, "crew", "scripts")
            else:
                rest = self._given.removeprefix("~/")
                self._found = Path(self._given if rest == self._given else f"{home}/{rest}")
        return self._found

    def folder(self, path: Path) -> Folder:
        """One of them, there or not."""
        return _FolderElsewhere(path, self._shell)

    def record(self, folder: Path) -> dict[str, Any]:
        """What was written down of a submission; empty lists where nothing was."""
        return record_of(self._shell('[ ! -e "$1" ] || cat -- "$1"', folder / RECORD).stdout)

    def records(self) -> list[tuple[Path, dict[str, Any]]]:
        """What was written down of all submissions, by their folders."""
        packed = self._shell(_RECORDS, self.directory).stdout
        return [
            (self.directory / PurePosixPath(name).parent, record_of(text))
            for name, text in sorted(_unpacked(packed).items())
        ]

    def told(self, folder: Path) -> dict[int, str] | None:
        """What jobs of a submission tell of themselves, by place; None: its folder is gone."""
        answer = self._shell(_TOLD, folder)
        if answer.returncode == _GONE:
            return None
        found = {}
        for name, text in _unpacked(answer.stdout).items():
            place = name.removesuffix(TOLD_SUFFIX)
            if place.isdecimal():
                found[int(place)] = text.decode(errors="replace")
        return found

    def prune(self) -> None:
        """Remove folders that nobody has touched for long."""
        self._shell(_PRUNE, self.directory)

    def make_directory(self, path: Path) -> None:
        """Make a directory, and those above it, unless they are there."""
        told = self._shell('mkdir -p -- "$1"', path)
        if told.returncode != 0:
            raise OSError(None, _said(told))

    def _shell(self, script: str, *words: str | Path, stdin: bytes = b"") -> CommandAnswer:
        """Run lines of the shell there, with these words.

        Raises:
            LaunchError: they were not run, or not to their end.
        """
        argv = ["sh", "-c", script, "crew", *(os.fspath(word) for word in words)]
        try:
            return self._runner.run(argv, stdin=stdin, seconds=_SECONDS)
        except OSError as error:
            raise LaunchError(f"{self._runner.address}: {error}", transient=True) from error


class _FolderElsewhere(Folder):
    """The files of one submission, on a login node.

    Args:
        path: where they are there, or will be.
        shell: runs lines of its shell.
    """

    def __init__(self, path: Path, shell: Callable[..., CommandAnswer]) -> None:
        super().__init__(path)
        self._shell = shell

    def make(self, starts: Sequence[str]) -> None:
        """Make the folder, with a private file for each worker, which holds one of these texts."""
        files = {str(place): text for place, text in enumerate(starts, start=1)}
        self._check(self._shell(_MAKE, self.path, stdin=_packed(files)))

    def output(self, place: int) -> str | None:
        """The last output of a job, as far as it is kept here; None when there is none."""
        told = self._shell(_OUTPUT, self.path / f"{place}{OUTPUT_SUFFIX}")
        return None if told.returncode != 0 else told.stdout.decode(errors="replace")

    def withdraw(self, places: Iterable[int]) -> None:
        """Take back these workers' files: those that have not started never will."""
        names = [name for place in places for name in (str(place), f"{place}.taken")]
        self._shell(_WITHDRAW, self.path, *names)

    def tidy(self, place: int) -> None:
        """A job is over: what nobody will read goes, and the folder with the last of it."""
        self._shell(_TIDY, self.path, str(place))

    def remove(self) -> None:
        """Remove all of it."""
        self._shell('rm -rf -- "$1"', self.path)

    def _keep(self, name: str, text: str) -> None:
        data = text.encode(errors="surrogateescape")
        self._check(self._shell(_KEEP, self.path / name, stdin=data))

    def _check(self, told: CommandAnswer) -> None:
        if told.returncode != 0:
            raise self._cannot_write(OSError(None, _said(told)))


def beyond(request: LaunchRequest, runner: CommandRunner) -> LaunchRequest:
    """The workers as they are to start where this computer's disk is not.

    Raises:
        LaunchError: there is no way back for them.
    """
    return replace(request, workers=tuple(_beyond(each, runner) for each in request.workers))


def _beyond(worker: WorkerLaunch, runner: CommandRunner) -> WorkerLaunch:
    if worker.argv[1:3] != _WORKER:
        return worker
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    argv = [python, *worker.argv[1:]]
    if "--url" in argv:
        at = argv.index("--url") + 1
        argv[at] = runner.way_back(argv[at])
    if "--log" in argv:  # what they print goes where the job's output goes
        at = argv.index("--log")
        del argv[at : at + 2]
    env = {name: value for name, value in worker.env.items() if name not in _OF_THIS_DISK}
    return replace(worker, argv=tuple(argv), env=env, log=None)


def _packed(files: Mapping[str, str]) -> bytes:
    """An archive of private files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            data = text.encode(errors="surrogateescape")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _unpacked(packed: bytes) -> dict[str, bytes]:
    """The files of an archive, by name; nothing of none."""
    found: dict[str, bytes] = {}
    if packed:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None:
                    found[member.name] = file.read()
    return found


def _said(told: CommandAnswer) -> str:
    return told.stderr.decode(errors="replace").strip()[-_SHOWN:] or f"exit {told.returncode}"
