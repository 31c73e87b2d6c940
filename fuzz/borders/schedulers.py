"""What the commands of job schedulers print, to all that crew asks them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from crew_cluster._cluster.commands import Answer, CommandError
from crew_cluster._cluster.job import Handle, Job, handles_of
from crew_cluster._cluster.scheduler import Scheduler, UnreadableError, Verdict
from crew_cluster._lsf.scheduler import Lsf
from crew_cluster._pbs.scheduler import Pbs
from crew_cluster._sge.scheduler import Sge
from crew_cluster._slurm.scheduler import Slurm
from crew_cluster._torque.scheduler import Torque
from crew_core.plugins import JobReport, JobState
from fuzz.draw import Draw

SCHEDULERS: tuple[type[Scheduler], ...] = (Slurm, Sge, Lsf, Pbs, Torque)
SILENT = -9
CODES = (0, 1, 2, 35, 153, 255, SILENT)
BETWEEN = b"\xfe"  # answers; no text has it
COMPLAINTS = b"\xff"  # are what follows, in one answer

_NOWHERE = Path("/dev/null/crew")
_PLAIN, _ARRAY = Job("crew-c-i1", 1, _NOWHERE), Job("crew-c-i2", 3, _NOWHERE)
_STATES = ("ending", *(state.value for state in JobState))
_COMMANDS_MAX = 12  # for one question


class _Commands:
    """Each answers with what comes next, all after the last with the same."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers
        self._asked = 0

    def __call__(self, argv: Sequence[str], *, stdin: bytes | None = None) -> Answer:
        assert not any("\0" in word for word in argv)
        self._asked += 1
        assert self._asked <= _COMMANDS_MAX, "it asks for ever"
        answer = self._answers[min(self._asked, len(self._answers)) - 1]
        if answer.returncode == SILENT:
            raise CommandError("no answer in time", argv, began=True)
        return answer._replace(argv=tuple(argv))


def check(data: bytes) -> None:
    """Whatever they print is understood, or refused with an error of ours."""
    draw = Draw(data)
    kind = draw.choice(SCHEDULERS)
    answers = [_answer(part) for part in draw.rest().split(BETWEEN)]
    scheduler = kind()
    assert scheduler.verdict(answers[0]) in Verdict
    scheduler.cause_in(answers[0].stdout)
    handles = [*_taken(scheduler, _PLAIN, answers[0]), *_taken(scheduler, _ARRAY, answers[-1])]
    for question in (_look, _find, _cancel, _list, _limit):
        # A new one each time: what it learns from nonsense would hide the rest of its questions.
        with contextlib.suppress(CommandError, UnreadableError):
            question(kind(), _Commands(answers), handles)


def _answer(data: bytes) -> Answer:
    code = CODES[data[0] % len(CODES)] if data else 0
    said, _, complaints = data[1:].partition(COMPLAINTS)
    return Answer(
        ("qsub",), code, said.decode("utf-8", "replace"), complaints.decode("utf-8", "replace")
    )


def _taken(scheduler: Scheduler, job: Job, answer: Answer) -> list[Handle]:
    """Workers of a submission that was answered so, or as it should be."""
    try:
        identity = scheduler.job_id(answer)
    except UnreadableError:
        identity = "7[].vm" if isinstance(scheduler, Pbs) and job.is_array else "7"
    _is_word(identity)
    handles = handles_of(job, identity)
    assert len({scheduler.element(handle) for handle in handles}) == len(handles)
    return handles


def _look(scheduler: Scheduler, run: _Commands, handles: Sequence[Handle]) -> None:
    found = scheduler.look(run, handles)
    for report in found.values():
        JobReport(report.state, report.cause, report.reason, report.hopeless)


def _find(scheduler: Scheduler, run: _Commands, handles: Sequence[Handle]) -> None:
    names = [handle.name for handle in handles]
    found = scheduler.find(run, names)
    for name in set(names) & set(found):
        _is_word(found[name])


def _cancel(scheduler: Scheduler, run: _Commands, handles: Sequence[Handle]) -> None:
    scheduler.cancel(run, handles)


def _list(scheduler: Scheduler, run: _Commands, handles: Sequence[Handle]) -> None:
    for row in scheduler.rows(run):
        times = (row.submitted, row.started, row.finished)
        assert all(time is None or _is_utc(time) for time in times)
        assert row.job
        assert row.state in _STATES
        scheduler.placed(row, _NOWHERE)


def _limit(scheduler: Scheduler, run: _Commands, handles: Sequence[Handle]) -> None:
    assert scheduler.array_limit(run) > 0


def _is_word(identity: str) -> None:
    """An id is a word of later commands, where it must not be taken for an option."""
    assert identity
    assert not identity.startswith("-")
    assert len(identity.split()) == 1


def _is_utc(time: datetime) -> bool:
    return time.utcoffset() == timedelta(0)
