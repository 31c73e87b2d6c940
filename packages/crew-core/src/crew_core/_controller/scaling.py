"""How many workers to launch and which launches to cancel. Pure: a snapshot in, a plan out.

From the depth of the queue and from what is on its way, never from guesses of how long tasks take:
``wanted = min(workers, unfinished tasks)``, and only the shortfall is launched. Workers leave by
themselves when they are idle; only what has not arrived yet is cancelled, and only after nobody
has needed it for a while.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

PATIENCE_SECONDS = 5.0
"""A pending launch is cancelled after it was superfluous for this long."""

_BACKOFF_FIRST, _BACKOFF_MOST = 0.5, 60.0


class Snapshot(msgspec.Struct, frozen=True):
    """How things stand.

    Attributes:
        demand: tasks that have not ended.
        online: workers that are connected and not leaving.
        coming: launches that have not connected, oldest first.
        cancellable: those of ``coming`` that nobody asked for by hand.
        superfluous_since: when ``online`` and ``coming`` began to exceed the demand; None: they
            do not.
        unfit: how many of all these are too small for every task that is left without one.
        failures: failed or futile launches in a row.
        failed_at: when the last of them failed.
        jitter: 0 to 1: how much of half a pause to wait longer, so that many do not try at once.
    """

    demand: int
    online: int
    coming: Sequence[str] = ()
    cancellable: Sequence[str] = ()
    superfluous_since: float | None = None
    unfit: int = 0
    failures: int = 0
    failed_at: float = 0.0
    jitter: float = 0.0


class Plan(msgspec.Struct, frozen=True):
    """What to do, and why.

    Attributes:
        launch: how many workers to launch.
        cancel: launches to give up.
        reason: in words.
        make_room: how many workers that are too small should make room for others first.
        enough: no worker is missing.
    """

    launch: int
    cancel: tuple[str, ...]
    reason: str
    make_room: int = 0
    enough: bool = False


def plan(snapshot: Snapshot, workers: int, now: float, pending_max: float = float("inf")) -> Plan:
    """Decide.

    Args:
        snapshot: how things stand.
        workers: most workers at once.
        now: the time on the clock that the snapshot's times were read from.
        pending_max: most launches that have not connected at once.
    """
    supply = snapshot.online + len(snapshot.coming)
    wanted = min(workers, snapshot.demand)
    fit = supply - snapshot.unfit
    if wanted > fit:
        pause = backoff(snapshot.failures) * (1.0 + snapshot.jitter / 2.0)
        resume_at = snapshot.failed_at + pause
        if snapshot.failures and now < resume_at:
            return Plan(0, (), f"waits after {snapshot.failures} failed launches in a row")
        short = min(wanted - fit, max(0, workers - supply))
        if snapshot.unfit and not short:
            why = f"{snapshot.unfit} of {supply} workers are too small for what waits"
            return Plan(0, (), why, min(wanted - fit, snapshot.unfit))
        room = max(0, pending_max - len(snapshot.coming))
        if room < short:
            return Plan(int(room), (), f"{len(snapshot.coming)} of {pending_max:g} are pending")
        return Plan(short, (), f"{snapshot.demand} tasks want {wanted} workers; {supply} are there")
    excess = _to_cancel(snapshot, supply - wanted, now)
    why = f"{supply} workers suffice for {snapshot.demand} tasks"
    if snapshot.demand > workers and supply >= workers:
        why = f"{snapshot.demand} tasks share the workers={workers} there may be"
    return Plan(0, excess, why, enough=True)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 0.5, 1, 2, … up to 60."""
    if failures == 0:
        return 0.0
    doublings = min(failures - 1, 10)  # far more than reach the limit; a float has room for 1,023
    return min(_BACKOFF_FIRST * 2.0**doublings, _BACKOFF_MOST)


def _to_cancel(snapshot: Snapshot, excess: int, now: float) -> tuple[str, ...]:
    since = snapshot.superfluous_since
    if since is None or now - since < PATIENCE_SECONDS:
        return ()
    # The youngest have waited least in the platform's queue.
    return tuple(reversed(snapshot.cancellable))[:excess]
