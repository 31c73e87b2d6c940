"""One run: a long session beside short ones, struck by one fault after the other."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from chaos import checks, flatness
from chaos.faults.base import Fault
from chaos.report import Report, Row
from chaos.room import Room
from chaos.session import NobodyError, Session

_STEADY_SHARE = 0.7  # of the tasks, for the long session
_HASTE = 1.2  # so that a session has pushed all before its time is over
_SLOW = 6  # times as long as it should take: each fault must have its turn
_PAUSE_SECONDS = (0.1, 0.6)
_BRIEF_PER_SECOND = 15
_SECONDS_TO_GO_ON = 120.0
_SECONDS_TO_END = 400.0
_LOOK_SECONDS = 0.25
_MEASURE_SECONDS = 2.0


class Runner:
    """Runs sessions and strikes them.

    Args:
        faults: what may be done.
        minutes: how long.
        tasks: how many, in all sessions.
        seed: of what is drawn. Processes run as they like, whatever it is.
        once: True to do each fault once, and end when all are done.
        say: prints a line.

    Attributes:
        report: what was found so far.
        name: what the names of all controllers and folders begin with.
    """

    def __init__(
        self,
        faults: Sequence[type[Fault]],
        *,
        minutes: float,
        tasks: int,
        seed: int,
        once: bool,
        say: Callable[[str], None],
    ) -> None:
        self._dice = random.Random(seed)
        self._seconds = 60 * minutes
        self._once = once
        self._say = say
        self.report = Report([Row(fault, fault.lacks()) for fault in faults])
        self._rows = {row.fault: row for row in self.report.rows}
        self._apart = Room.lacks() is None
        self._base = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
        self.name = self._base.name
        self._began = time.monotonic()
        self._measured_at = 0.0
        self._made = 0
        self._sessions: list[Session] = []
        self._cards: list[type[Fault]] = []  # faults that are to be done before others are dealt
        steady = int(tasks * _STEADY_SHARE)
        self._steady = iter([(0, steady)])
        parts = max(2, round(minutes))
        self._brief = _chunks(steady, tasks, parts)
        self._brief_seconds = self._seconds / parts
        self._next_number = tasks

    def run(self) -> Report:
        """Do it all; whatever happens, nothing of it is left."""
        try:
            self._next_steady()
            self._next_brief()
            patience = _SLOW if self._once else 1
            self._strike_until(self._began + patience * self._seconds)
            self._finish(time.monotonic() + _SECONDS_TO_END + self._seconds / 2)
        finally:
            for session in self._sessions:
                session.close()
            shutil.rmtree(self._base, ignore_errors=True)
        return self.report

    # ── Faults ─────────────────────────────────────────────────────────────────────────────────

    def _strike_until(self, deadline: float) -> None:
        cards = self._cards
        while time.monotonic() < deadline and self._sessions:
            self._wait(self._dice.uniform(*_PAUSE_SECONDS))
            if not cards:
                if self._once and self.report.faults:
                    return
                cards += self._deal()
            dealt = self._draw(cards)
            if dealt is None and not self._once:
                cards.clear()  # nobody is left whom these fit
            elif dealt is not None and not self._strike(*dealt) and self._once:
                cards.insert(0, dealt[0])  # there will be somebody later

    def _deal(self) -> list[type[Fault]]:
        able = [row.fault for row in self.report.rows if row.lacks is None]
        cards = [fault for fault in able for _ in range(1 if self._once else fault.often)]
        self._dice.shuffle(cards)
        return cards

    def _draw(self, cards: list[type[Fault]]) -> tuple[type[Fault], Session] | None:
        """The first card that fits somebody."""
        for fault in cards:
            fitting = [s for s in self._sessions if not s.over and fault.fits(s)]
            if fitting:
                cards.remove(fault)
                return fault, self._dice.choice(fitting)
        return None

    def _strike(self, kind: type[Fault], session: Session) -> bool:
        """Do it, and look what comes of it; False when there was nobody to strike."""
        fault = kind()
        row = self._rows[kind]
        try:
            fault.apply(session)
        except (NobodyError, psutil.Error) as error:
            fault.heal(session)
            self._say(f"{self._clock()}  {session.name}  {kind.name}: nobody there ({error})")
            return False
        row.tried += 1
        self._say(f"{self._clock()}  {session.name}  {kind.name}")
        problems: list[str] = []
        try:
            self._wait(self._dice.uniform(*kind.seconds), settle=False)
        finally:
            problems += fault.heal(session)
        if not session.goes_on(session.progress(), _SECONDS_TO_GO_ON):
            problems.append(f"no task came back for {_SECONDS_TO_GO_ON:g} s afterwards")
        for problem in problems:
            self._say(f"    ! {problem}")
        row.problems += problems
        return True

    # ── Sessions ───────────────────────────────────────────────────────────────────────────────

    def _next_steady(self) -> None:
        for numbers in self._steady:
            self._begin(numbers, self._seconds, workers=3, processes=2, may_die=False)
            return

    def _next_brief(self) -> None:
        numbers = next(self._brief, None)
        if numbers is None and self._once and self._cards:  # whom else should they strike?
            more = int(_BRIEF_PER_SECOND * self._brief_seconds)
            numbers = self._next_number, self._next_number + more
            self._next_number += more
        if numbers is not None:
            network = self._apart and self._made % 2 == 0  # the first session is the long one
            processes = None if network else 1
            self._begin(
                numbers, self._brief_seconds, workers=2, network=network, processes=processes
            )

    def _begin(
        self,
        numbers: tuple[int, int],
        seconds: float,
        *,
        workers: int,
        network: bool = False,
        processes: int | None = None,
        may_die: bool = True,
    ) -> None:
        self._made += 1
        folder = self._base / str(self._made)
        folder.mkdir()
        session = Session(
            f"{self.name}-{self._made}",
            folder,
            numbers,
            network=network,
            apart=self._apart,
            workers=workers,
            per_second=_HASTE * (numbers[1] - numbers[0]) / seconds,
            processes=processes,
            may_die=may_die,
            dice=self._dice,
        )
        self._sessions.append(session)
        self.report.sessions += 1

    def _wait(self, seconds: float, *, settle: bool = True) -> None:
        deadline = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if now >= self._measured_at + _MEASURE_SECONDS:
                self._measured_at = now
                for session in self._sessions:
                    session.measure()
            if settle:
                self._settle_those_over()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_SECONDS))

    def _settle_those_over(self) -> None:
        for session in [session for session in self._sessions if session.over]:
            self._sessions.remove(session)
            try:
                self._settle(session)
            finally:
                session.close()
            shutil.rmtree(session.folder, ignore_errors=True)
            if session.may_die:
                self._next_brief()

    def _finish(self, deadline: float) -> None:
        """No more faults: let all tasks be done."""
        while self._sessions:
            self._wait(_LOOK_SECONDS)
            if time.monotonic() > deadline:
                for session in self._sessions:
                    done = self._settle(session)
                    left = len(session.numbers) - done
                    self.report.problems.append(f"{session.name}: {left} tasks had not ended")
                return

    def _settle(self, session: Session) -> int:
        """Hold what a session did against what it should; how many tasks came back."""
        problems = [f"left: {one}" for one in session.left_over()] if session.over else []
        if session.over and session.client.returncode:
            problems.append(
                f"the client ended with {session.client.returncode}: {session.last_words()}"
            )
        found = checks.account(
            session.numbers,
            checks.read_records(session.folder),
            checks.read_effects(session.folder),
            session.struck,
        )
        problems += found.problems
        for (kind, pid), samples in session.memory.items():
            grown = flatness.growth(samples)
            if grown is None:
                continue
            early, late = (size >> 20 for size in grown)
            text = f"{session.name}: {kind} {pid} took {early} MiB early and {late} MiB late"
            if not flatness.is_flat(samples):
                problems.append(text)
            elif not session.may_die:
                self.report.memory.append(text)
        self.report.tasks += len(found.done)
        self.report.repeated += found.repeated
        self.report.problems += [f"{session.name}: {problem}" for problem in problems]
        self._say(f"{self._clock()}  {session.name}  over: {len(found.done)} tasks")
        for problem in problems:
            self._say(f"    ! {problem}")
        return len(found.done)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._began)
        return f"{seconds // 60:3}:{seconds % 60:02}"


def _chunks(first: int, stop: int, count: int) -> Iterator[tuple[int, int]]:
    """So many parts, about alike."""
    for i in range(count):
        part = (stop - first) * i // count + first, (stop - first) * (i + 1) // count + first
        if part[0] < part[1]:
            yield part
