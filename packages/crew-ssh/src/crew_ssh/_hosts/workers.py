"""What is known of each worker: where it waits or runs, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NODE_LOST = "node_lost"

_SIGNALS = 128


@dataclass
class Worker:
    """One worker.

    Attributes:
        name: the job's name.
        order: what is to be started; empty for one that another process has started.
        controller: whose it is.
        host: where it was started; None while it waits.
        pid: its process group there.
        report: what is said of it.
        sizes: how much of each file of its log has been fetched.
    """

    name: str
    order: Mapping[str, Any] = field(default_factory=dict)
    controller: str = ""
    host: str | None = None
    pid: int | None = None
    report: dict[str, Any] = field(default_factory=lambda: {"state": "unknown"})
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """True when it has ended for good."""
        return self.report["state"] in ("finished", "failed", "cancelled")

    @property
    def is_live(self) -> bool:
        """True while it waits or runs, as far as is known."""
        return (
            self.report["state"] in ("pending", "running") or self.report.get("cause") == NODE_LOST
        )

    def hear(self, report: dict[str, Any]) -> None:
        """Take note of what its host says; what is heard late undoes no end."""
        if not self.is_over:
            self.report = report


def report_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """What to say of a worker of which its host says this."""
    if state["state"] == "running":
        return {"state": "running"}
    if state["state"] == "gone":
        return {"state": "unknown"}
    if state["told"]:
        return {"state": "cancelled", "reason": "told to end"}
    code = state["code"]
    if code is None:
        return {"state": "failed", "reason": "ended without a word: killed with its group"}
    if code == 0:
        return {"state": "finished"}
    # A shell tells of a signal by a larger number.
    cause = f"signal {code - _SIGNALS}" if _SIGNALS < code < _SIGNALS + 65 else f"exit {code}"
    return {"state": "failed", "cause": cause, "reason": cause}


def unreachable(error: str) -> dict[str, Any]:
    """What to say of a worker whose host does not answer: who is lost there, was lost with it."""
    return {"state": "unknown", "cause": NODE_LOST, "reason": error}


def waiting(errors: str = "", hopeless: bool = False) -> dict[str, Any]:
    """What to say of a worker that waits for a slot."""
    reason = errors or "all slots are taken"
    return {"state": "pending", "reason": reason, "hopeless": hopeless}


def by_host(workers: Iterable[Worker]) -> dict[str, list[Worker]]:
    """Those that were started, by where."""
    found: dict[str, list[Worker]] = {}
    for worker in workers:
        if worker.host is not None:
            found.setdefault(worker.host, []).append(worker)
    return found
