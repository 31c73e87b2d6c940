"""What workers logged, as a table and as lines."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crew_rush._model.facts import LogEvent

if TYPE_CHECKING:
    import pandas as pd


def log_table(events: Sequence[LogEvent], worker_ids: Sequence[str] | None) -> pd.DataFrame:
    """Records by time, of these workers or of all."""
    import pandas as pd

    chosen = [e for e in events if worker_ids is None or e.worker_id in worker_ids]
    chosen.sort(key=lambda event: event.time)
    table = pd.DataFrame(
        {
            "worker_id": [event.worker_id for event in chosen],
            "time": [event.time for event in chosen],
            "level": [logging.getLevelName(event.level) for event in chosen],
            "logger": [event.logger for event in chosen],
            "message": [event.text for event in chosen],
        }
    )
    table["time"] = pd.to_datetime(table["time"], unit="s", utc=True)
    return table


def log_line(event: LogEvent) -> str:
    """A record as a line for people."""
    when = datetime.datetime.fromtimestamp(event.time, datetime.timezone.utc)
    level = logging.getLevelName(event.level)
    return f"{when:%H:%M:%S} {level} {event.worker_id} {event.logger}: {event.text}"
