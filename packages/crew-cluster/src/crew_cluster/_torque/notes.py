"""What jobs tell of themselves: their numbers, and how their workers ended.

SLURM's commands for users of TORQUE name an array by a number, and each of its jobs by another
one, which they tell to nobody but the job; nor do they tell how it ended. So each job writes both
into the folder of its submission. Until it starts, it is part of the array and goes by the array's
number; at last the array's last job takes that number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from crew_cluster._cluster.folder import TOLD_SUFFIX
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.shelf import Shelf
from crew_cluster._pbs.answers import core
from crew_cluster._pbs.states import Attributes, whole

_FILE = f'"$crew_folder/$crew_place{TOLD_SUFFIX}"'

AT_START = (f'[ ! -d "$crew_folder" ] || echo "$PBS_JOBID" >{_FILE} || :',)
AT_END = (f'[ ! -e {_FILE} ] || echo "$crew_status" >>{_FILE} || :',)

_NUMBER = re.compile(r"\d{1,18}(\[\d+\])?(\.[\w.-]+)?", re.ASCII)


class Note(NamedTuple):
    """What one job has written.

    Attributes:
        number: its id.
        code: the exit code of its worker, when that has ended.
    """

    number: str
    code: int | None = None


def read(text: str) -> Note | None:
    """A job's note; None when it is not written yet. Pure."""
    lines = text.split()
    if not lines or not _NUMBER.fullmatch(lines[0]):
        return None
    return Note(lines[0], whole(lines[1]) if len(lines) > 1 else None)


def read_all(handle: Handle, shelf: Shelf) -> dict[int, Note]:
    """The notes of all jobs of a submission, by their places."""
    return _notes(shelf.told(Path(handle.folder)) or {}, handle.count)


def code_of(handle: Handle, shelf: Shelf) -> int | None:
    """The exit code of a job's worker; None when it has written none.

    0 when the folder is gone: somebody has seen how all of its jobs ended, and tidied up.
    """
    told = shelf.told(Path(handle.folder))
    if told is None:
        return 0
    note = _notes(told, handle.count).get(handle.place)
    return None if note is None else note.code


def place_of(number: str, folder: Path, shelf: Shelf) -> tuple[str, int] | None:
    """The array that a job with this number belongs to, and its place there; None: to none."""
    record = shelf.record(folder)
    if not record["job"] or len(record["names"]) < 2:
        return None
    for place, note in _notes(shelf.told(folder) or {}, len(record["names"])).items():
        if note.number == number:
            return str(record["job"]), place
    return None


def attributes_of(
    place: int, array: str, notes: Mapping[int, Note], jobs: Mapping[str, Attributes]
) -> Attributes | None:
    """What the server tells of one job of a submission; None when that is nothing. Pure.

    Args:
        place: the job's.
        array: the id of the submission.
        notes: what its jobs have written.
        jobs: what the server tells, by ids without the server's name.
    """
    if place in notes:
        return jobs.get(core(notes[place].number))
    is_taken = any(note.number == array for note in notes.values())
    return None if is_taken else jobs.get(core(array))


def _notes(told: Mapping[int, str], count: int) -> dict[int, Note]:
    found = {place: read(told[place]) for place in sorted(told) if 1 <= place <= count}
    return {place: note for place, note in found.items() if note is not None}
