"""Jobs as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from crew_aws_batch._aws.states import reason_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("name", "id", "arn", "queue", "status", "reason", "created", "started", "stopped")
"""The columns of tables of jobs. Times are UTC."""

TIMES = ("created", "started", "stopped")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def row(job: Mapping[str, Any], queue: str) -> dict[str, Any]:
    """A row for an item of ListJobs or DescribeJobs.

    Args:
        job: the item.
        queue: the name of its queue.
    """
    return {
        "name": job.get("jobName"),
        "id": job.get("jobId"),
        "arn": job.get("jobArn"),
        "queue": queue,
        "status": str(job.get("status", "")).lower(),
        "reason": reason_of(job) or None,
        "created": moment(job.get("createdAt")),
        "started": moment(job.get("startedAt")),
        "stopped": moment(job.get("stoppedAt")),
    }


def moment(milliseconds: int | None) -> datetime | None:
    """A time as AWS says it; None for none."""
    return None if not milliseconds else _EPOCH + timedelta(milliseconds=milliseconds)


def queue_name(arn: str) -> str:
    """The name of a queue, of which DescribeJobs gives the ARN."""
    return arn.rpartition("job-queue/")[2]


def frame(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    times: Sequence[str] = TIMES,
) -> pd.DataFrame:
    """A table of these rows."""
    import pandas as pd

    table = pd.DataFrame([[one[name] for name in columns] for one in rows], columns=list(columns))
    for column in times:
        table[column] = pd.to_datetime(table[column], utc=True)
    return table
