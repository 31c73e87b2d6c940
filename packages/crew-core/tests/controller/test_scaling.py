"""How many workers are launched and which launches are cancelled; which slot a worker gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crew_core._controller.roster import Roster
from crew_core._controller.scaling import PATIENCE_SECONDS, Snapshot, backoff, plan
from crew_core._model.states import InstanceState

NOW = 1000.0

counts = st.integers(0, 50)
times = st.floats(NOW - 100, NOW)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    coming = [f"instance {i}" for i in range(draw(counts))]
    by_hand = draw(st.sets(st.sampled_from(coming))) if coming else set()
    return Snapshot(
        demand=draw(counts),
        online=draw(counts),
        coming=coming,
        cancellable=[instance for instance in coming if instance not in by_hand],
        superfluous_since=draw(st.none() | times),
        failures=draw(st.integers(0, 10)),
        failed_at=draw(times),
    )


def supply(snapshot: Snapshot) -> int:
    return snapshot.online + len(snapshot.coming)


# ── Launching ──────────────────────────────────────────────────────────────────────────────────


@given(snapshots(), st.integers(1, 50))
def test_the_cap_is_never_exceeded(snapshot: Snapshot, workers: int) -> None:
    decision = plan(snapshot, workers, NOW)
    assert decision.launch >= 0
    assert decision.launch == 0 or supply(snapshot) + decision.launch <= workers


@given(snapshots(), st.integers(1, 50))
def test_nothing_is_launched_without_demand(snapshot: Snapshot, workers: int) -> None:
    assert plan(replace(snapshot, demand=0), workers, NOW).launch == 0


@given(snapshots(), st.integers(1, 50))
def test_only_the_shortfall_is_launched_and_all_of_it_at_once(
    snapshot: Snapshot, workers: int
) -> None:
    decision = plan(replace(snapshot, failures=0), workers, NOW)
    assert decision.launch == max(0, min(workers, snapshot.demand) - supply(snapshot))


@given(snapshots(), st.integers(1, 50))
def test_what_was_launched_is_not_launched_again(snapshot: Snapshot, workers: int) -> None:
    decision = plan(snapshot, workers, NOW)
    new = [f"new {i}" for i in range(decision.launch)]
    after = replace(snapshot, coming=[*snapshot.coming, *new])
    assert not new or plan(after, workers, NOW).launch == 0


@given(snapshots(), st.integers(1, 50))
def test_a_plan_says_why(snapshot: Snapshot, workers: int) -> None:
    assert plan(snapshot, workers, NOW).reason


def test_ten_tasks_want_all_of_four_workers() -> None:
    decision = plan(Snapshot(demand=10, online=1, coming=["a"]), 4, NOW)
    assert (decision.launch, decision.cancel) == (2, ())
    assert decision.reason == "10 tasks want 4 workers; 2 are there"


# ── Cancelling ─────────────────────────────────────────────────────────────────────────────────


@given(snapshots(), st.integers(1, 50))
def test_only_superfluous_pending_launches_are_cancelled(snapshot: Snapshot, workers: int) -> None:
    decision = plan(snapshot, workers, NOW)
    assert set(decision.cancel) <= set(snapshot.cancellable)
    assert len(set(decision.cancel)) == len(decision.cancel)
    wanted = min(workers, snapshot.demand)
    assert not decision.cancel or supply(snapshot) - len(decision.cancel) >= wanted


@given(snapshots(), st.integers(1, 50))
def test_nothing_is_cancelled_before_patience_is_at_an_end(
    snapshot: Snapshot, workers: int
) -> None:
    decision = plan(snapshot, workers, NOW)
    since = snapshot.superfluous_since
    assert not decision.cancel or (since is not None and NOW - since >= PATIENCE_SECONDS)


@given(snapshots(), st.integers(1, 50))
def test_a_plan_never_launches_and_cancels(snapshot: Snapshot, workers: int) -> None:
    decision = plan(snapshot, workers, NOW)
    assert not (decision.launch and decision.cancel)


def test_the_youngest_launches_are_cancelled_first_and_those_by_hand_never() -> None:
    snapshot = Snapshot(
        demand=1,
        online=0,
        coming=["old", "by hand", "young"],
        cancellable=["old", "young"],
        superfluous_since=NOW - PATIENCE_SECONDS,
    )
    assert plan(snapshot, 2, NOW).cancel == ("young", "old")
    assert plan(replace(snapshot, demand=2), 2, NOW).cancel == ("young",)
    assert plan(replace(snapshot, superfluous_since=NOW - 1), 2, NOW).cancel == ()
    assert plan(replace(snapshot, superfluous_since=None), 2, NOW).cancel == ()


# ── Backing off ────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 2000))
def test_the_pause_after_failures_never_shrinks_and_has_a_limit(failures: int) -> None:
    assert 0 <= backoff(failures) <= backoff(failures + 1) <= 60


def test_the_first_pauses() -> None:
    assert [backoff(n) for n in range(5)] == [0, 0.5, 1, 2, 4]


@given(snapshots(), st.integers(1, 50))
def test_failures_delay_launches_but_do_not_change_how_many(
    snapshot: Snapshot, workers: int
) -> None:
    pause = backoff(snapshot.failures)
    before = plan(snapshot, workers, snapshot.failed_at + pause * 0.99)
    after = plan(snapshot, workers, snapshot.failed_at + pause)
    assert snapshot.failures == 0 or before.launch == 0
    assert after.launch == plan(replace(snapshot, failures=0), workers, NOW).launch


# ── Slots ──────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(1, 4) | st.integers(-20, -1), max_size=30))
def test_a_launch_takes_the_smallest_free_slots(steps: list[int]) -> None:
    roster = Roster()
    live: dict[int, str] = {}
    for step in steps:
        if step > 0:
            free = [slot for slot in range(1, len(live) + step + 1) if slot not in live][:step]
            rows = roster.reserve(step, manual=False)
            assert [row.worker for row in rows] == free
            live.update((row.worker, row.instance) for row in rows)
        elif live:
            slot = sorted(live)[-step % len(live)]
            assert roster.end(live.pop(slot), InstanceState.EXITED, "idle") is not None
        assert roster.supply() == len(live)
    assert len({row.instance for row in roster.rows()}) == sum(step for step in steps if step > 0)


def test_a_slot_counts_its_launches_and_shows_the_latest() -> None:
    roster = Roster()
    first, second = roster.reserve(2, manual=False)
    roster.end(first.instance, InstanceState.LOST, "crash")
    again = roster.reserve(1, manual=False)[0]
    assert roster.latest() == [(1, 2, again), (2, 1, second)]
    assert roster.rows() == [first, second, again]


def test_a_launch_is_coming_until_it_connects_and_then_online() -> None:
    roster = Roster()
    row = roster.reserve(1, manual=False)[0]
    assert roster.coming() == [row]
    roster.launched(row, "handle", "job 7")
    assert (roster.coming(), roster.online(), row.job) == ([row], 0, "job 7")
    roster.came_online(row.instance, 4321, "host")
    assert (roster.coming(), roster.online()) == ([], 1)
    assert (row.pid, row.host, row.discovered) == (4321, "host", True)


def test_a_worker_may_connect_before_its_launcher_returns() -> None:
    roster = Roster()
    row = roster.reserve(1, manual=False)[0]
    roster.came_online(row.instance, 4321, "host")
    roster.launched(row, "handle", "job 7")
    assert row.state is InstanceState.ONLINE
    assert row.job == "job 7"


@pytest.mark.parametrize("state", [InstanceState.EXITED, InstanceState.LAUNCH_FAILED])
def test_an_end_is_final(state: InstanceState) -> None:
    roster = Roster()
    row = roster.reserve(1, manual=False)[0]
    assert roster.end(row.instance, state, "first") is row
    assert roster.end(row.instance, InstanceState.LOST, "second") is None
    assert roster.came_online(row.instance, 4321, "host") is None
    assert (row.state, row.reason) == (state, "first")
    assert roster.end("nobody", InstanceState.LOST, "") is None
