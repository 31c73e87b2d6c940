"""Bugs that crew could have: planted one at a time, each must be found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from crew_core._controller import fleet
from crew_core._controller.brakes import Brakes
from crew_core._controller.budget import Budget
from crew_core._controller.fleet import Fleet
from crew_core._controller.roster import Roster, Row
from crew_core._controller.scaling import Plan, Snapshot, plan
from crew_core._controller.throttle import Throttle
from crew_core._dispatcher.dealer import Dealer
from crew_core._dispatcher.departures import Departures
from crew_core._dispatcher.holdings import Holdings
from crew_core._dispatcher.instances import Instance, Instances
from crew_core._dispatcher.ledger import Entry, Ledger
from crew_core._dispatcher.queue import TaskQueue
from crew_core._dispatcher.silence import Silence
from crew_core._dispatcher.state import DispatcherState
from crew_core._dispatcher.tasks import Tasks
from crew_core._model.states import InstanceState
from crew_core._wire import messages
from crew_core._wire.link import Link
from crew_core._worker.runner import Runner

Plant = Callable[[pytest.MonkeyPatch], None]


class Mutation(NamedTuple):
    """One bug.

    Attributes:
        seed: one that has found it, to begin with.
        what: what goes wrong, in words.
        plant: puts it in.
    """

    seed: int
    what: str
    plant: Plant


def _second_start_is_let_in(patch: pytest.MonkeyPatch) -> None:
    identify = Instances.identify

    def mutant(self: Instances, hello: messages.Hello) -> Instance:
        known = self.get(hello.instance)
        if known is not None and known.life is not None:
            known.life = hello.life
        return identify(self, hello)

    patch.setattr(Instances, "identify", mutant)


def _what_was_not_started_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    put_back = Tasks.put_back

    def mutant(self: Tasks, ids: Iterable[int], *, called_back: bool = False) -> None:
        kept = list(ids)
        put_back(self, kept if called_back else kept[:-1], called_back=called_back)

    patch.setattr(Tasks, "put_back", mutant)


def _crashes_are_retried_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "_may_retry", lambda self, entry, blameless: True)


def _lost_frames_are_not_sent_again(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: Link, acknowledged: int) -> None:
        self._drop_acknowledged(acknowledged)
        self._unacknowledged.clear()

    patch.setattr(Link, "restart", mutant)


def _frames_that_come_twice_count_twice(patch: pytest.MonkeyPatch) -> None:
    accept = Link.accept

    def mutant(self: Link, frame: bytes) -> list[bytes]:
        number = int.from_bytes(frame[1:9], "big")
        if frame[0] == 1 and number == self._received:
            self._received -= 1
        return accept(self, frame)

    patch.setattr(Link, "accept", mutant)


def _what_runs_is_given_back(patch: pytest.MonkeyPatch) -> None:
    give_back = Runner.give_back

    def mutant(self: Runner, ids: Collection[int] | None = None) -> list[int]:
        taken = give_back(self, ids)
        return taken + [i for i in self._sent if i < messages.WARM_UP_IDS]

    patch.setattr(Runner, "give_back", mutant)


def _what_is_coming_is_launched_again(patch: pytest.MonkeyPatch) -> None:
    def mutant(snapshot: Snapshot, workers: int, now: float, pending_max: float) -> Plan:
        return plan(replace(snapshot, coming=()), workers, now, pending_max)

    patch.setattr(fleet, "plan", mutant)


def _unwanted_jobs_are_not_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Fleet, "_terminate", lambda self, rows: None)


def _jobs_of_the_lost_are_not_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Fleet, "reap", lambda self, now: None)


def _a_launch_that_was_withdrawn_goes_on(patch: pytest.MonkeyPatch) -> None:
    launched = Roster.launched

    def mutant(self: Roster, row: Row, handle: Any, job: str) -> bool:
        if launched(self, row, handle, job):
            return True
        row.job_over = True
        return True

    patch.setattr(Roster, "launched", mutant)


def _cancelled_tasks_stay_in_the_queue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TaskQueue, "drop", lambda self, entry: None)


def _silence_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Silence, "lost", lambda self, find, now: [])
    patch.setattr(Silence, "next_time", lambda self: float("inf"))


def _nobody_is_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DispatcherState, "on_heard", lambda self, instance_id, now: None)


def _who_holds_tasks_may_leave(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: Departures, instance: Instance, ask: messages.AskLeave, now: float) -> None:
        self._agree(instance, ask.reason)

    patch.setattr(Departures, "note_asked", mutant)


def _a_new_task_process_is_not_warmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Runner, "_rewarm", lambda self, died_of: None)


def _what_came_back_is_held_still(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: Tasks, instance: Instance, ids: list[int], now: float) -> None:
        instance.recalling = False
        self.put_back([i for i in ids if i in instance.assigned], called_back=True)
        self._dealer.note_progress(instance, now)

    patch.setattr(Tasks, "returned", mutant)


def _news_is_told_twice(patch: pytest.MonkeyPatch) -> None:
    news = Ledger.news

    def mutant(self: Ledger, blobs: dict[bytes, bytes]) -> list[messages.ToClient]:
        told = news(self, blobs)
        return told * 2

    patch.setattr(Ledger, "news", mutant)


def _the_rest_of_an_entry_is_lost(patch: pytest.MonkeyPatch) -> None:
    split = Ledger.split

    def mutant(self: Ledger, entry: Entry, count: int) -> Entry:
        front = split(self, entry, count)
        if len(entry) > 1:
            entry.stop -= 1
        return front

    patch.setattr(Ledger, "split", mutant)


def _who_comes_back_is_passed_by(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Dealer, "note_back", lambda self, instance: None)
    patch.setattr(Dealer, "note_progress", _without_idle(Dealer.note_progress))


def _without_idle(note_progress: Callable[..., None]) -> Callable[..., None]:
    def mutant(self: Dealer, instance: Instance, now: float) -> None:
        if instance.cut_off_at is None:
            note_progress(self, instance, now)

    return mutant


def _overdue_tasks_run_on(patch: pytest.MonkeyPatch) -> None:
    waited_too_long = Tasks._waited_too_long

    def mutant(self: Tasks, task_id: int) -> None:
        entry = self._ledger.get(task_id)
        if entry is not None and entry.instance is not None:
            self._ledger.finish_overdue(task_id, entry)
        else:
            waited_too_long(self, task_id)

    patch.setattr(Tasks, "_waited_too_long", mutant)


def _cut_off_workers_are_lost_at_once(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: DispatcherState, pipe: int, now: float) -> None:
        instance = self._instances.cut_off(pipe, now)
        if instance is not None:
            self._gone(instance, InstanceState.LOST, "crash")

    patch.setattr(DispatcherState, "on_pipe_lost", mutant)


def _launches_go_on_without_budget(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Brakes, "error", property(lambda self: self.failures.error))


def _launches_go_on_after_failures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Brakes, "error", property(lambda self: self.budget.error))


def _a_budget_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Budget, "look", lambda self: False)


def _who_is_dismissed_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Departures, "let_go", lambda self, instance: None)


def _more_budget_employs_nobody(patch: pytest.MonkeyPatch) -> None:
    employ = Departures.employ

    def mutant(self: Departures, on: bool, now: float) -> None:
        if not on:
            employ(self, on, now)

    patch.setattr(Departures, "employ", mutant)


def _too_many_are_pending(patch: pytest.MonkeyPatch) -> None:
    def mutant(snapshot: Snapshot, workers: int, now: float, pending_max: float) -> Plan:
        return plan(snapshot, workers, now)

    patch.setattr(fleet, "plan", mutant)


def _launches_keep_no_distance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Throttle, "closed_for", lambda self, now: 0.0)


def _objects_are_never_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Holdings, "drop", lambda self, digests, living: [])


MUTATIONS: Sequence[Mutation] = [
    Mutation(32, "a launch that is run again is let in", _second_start_is_let_in),
    Mutation(4, "a task that was not started is forgotten", _what_was_not_started_is_forgotten),
    Mutation(1, "a task that kills is tried for ever", _crashes_are_retried_for_ever),
    Mutation(
        30, "what a broken connection lost is not sent again", _lost_frames_are_not_sent_again
    ),
    Mutation(1, "a frame that comes twice counts twice", _frames_that_come_twice_count_twice),
    Mutation(1, "a task that runs is given back", _what_runs_is_given_back),
    Mutation(1, "what is coming is launched again", _what_is_coming_is_launched_again),
    Mutation(3, "jobs that nobody wants are not ended", _unwanted_jobs_are_not_ended),
    Mutation(51, "jobs of lost workers are not ended", _jobs_of_the_lost_are_not_ended),
    Mutation(558, "a launch that was withdrawn goes on", _a_launch_that_was_withdrawn_goes_on),
    Mutation(1, "a cancelled task stays in the queue", _cancelled_tasks_stay_in_the_queue),
    Mutation(83, "a silent worker is not noticed", _silence_is_not_noticed),
    Mutation(12, "nobody is heard", _nobody_is_heard),
    Mutation(1, "a worker that holds tasks may leave", _who_holds_tasks_may_leave),
    Mutation(1, "a new task process is not warmed", _a_new_task_process_is_not_warmed),
    Mutation(1, "a task that came back is held still", _what_came_back_is_held_still),
    Mutation(0, "the client is told twice", _news_is_told_twice),
    Mutation(1, "the rest of an entry is lost", _the_rest_of_an_entry_is_lost),
    Mutation(1309, "a worker that comes back is passed by", _who_comes_back_is_passed_by),
    Mutation(2, "a task that waited too long runs all the same", _overdue_tasks_run_on),
    Mutation(1, "a worker that is cut off is lost at once", _cut_off_workers_are_lost_at_once),
    Mutation(1, "launches go on when the budget is used up", _launches_go_on_without_budget),
    Mutation(156, "launches go on after too many failures", _launches_go_on_after_failures),
    Mutation(1, "a budget is not looked at", _a_budget_is_not_looked_at),
    Mutation(1, "a worker that is dismissed stays", _who_is_dismissed_stays),
    Mutation(1, "more budget employs nobody", _more_budget_employs_nobody),
    Mutation(2, "more launches are pending than may be", _too_many_are_pending),
    Mutation(2, "launches follow one another at once", _launches_keep_no_distance),
    Mutation(0, "commands and objects are kept for ever", _objects_are_never_dropped),
]
