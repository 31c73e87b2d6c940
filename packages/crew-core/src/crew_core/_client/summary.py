"""The client's table of workers."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd

from crew_core._wire import messages

COLUMNS = ["worker", "online", "instances", "assigned", "complete", "socket"]


def summarize(inspection: messages.Inspection, url: str) -> pd.DataFrame:
    """A row per worker: whether it is online, how often it was launched, tasks it got and did."""
    by_worker: dict[int, list[messages.InspectedWorker]] = defaultdict(list)
    for row in inspection.workers:
        by_worker[row.worker].append(row)
    rows = [
        {
            "worker": worker,
            "online": any(r.online for r in lives),
            "instances": len(lives),
            "assigned": sum(r.assigned for r in lives),
            "complete": sum(r.complete for r in lives),
            "socket": url,
        }
        for worker, lives in sorted(by_worker.items())
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
