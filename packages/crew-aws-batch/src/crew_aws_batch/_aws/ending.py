"""Ends jobs: many at a time where AWS can do that."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError, Trouble

log = logging.getLogger("crew")

AT_ONCE = 50
"""So many jobs TerminateJobs takes."""

_GONE = ("does not exist", "not found", "already", "no longer")


def end(clients: Clients, names: Sequence[str], reason: str) -> dict[str, AwsError]:
    """End these jobs, waiting or running; what went wrong, by name.

    Those that have ended, and that AWS does not know, are nothing wrong.

    Args:
        clients: how to ask.
        names: of jobs, of arrays as a whole, and of children: "id", "id:4".
        reason: what AWS shows to those who look at the jobs.

    Raises:
        ConfigError: there is no region.
    """
    failed: dict[str, AwsError] = {}
    for first in range(0, len(names), AT_ONCE):
        part = names[first : first + AT_ONCE]
        rest = part if len(part) == 1 else _end_together(clients, part, reason, failed)
        for name in rest:
            _end_one(clients, name, reason, failed)
    return failed


def _end_together(
    clients: Clients, names: Sequence[str], reason: str, failed: dict[str, AwsError]
) -> Sequence[str]:
    """End them by one request; those that are to be ended one by one."""
    if not clients.can("batch", "terminate_jobs"):
        return names
    try:
        answer = clients.call("batch", "terminate_jobs", jobs=list(names), reason=reason)
    except AwsError as error:
        if error.trouble in (Trouble.REFUSED, Trouble.DENIED, Trouble.BROKEN):
            # A region, a server or a policy that does not have it yet.
            log.debug("ending jobs one by one: %s", error)
            return names
        failed.update(dict.fromkeys(names, error))
        return ()
    return [str(entry.get("jobId")) for entry in answer.get("errors", ()) if entry.get("jobId")]


def _end_one(clients: Clients, name: str, reason: str, failed: dict[str, AwsError]) -> None:
    try:
        clients.call("batch", "terminate_job", jobId=name, reason=reason)
    except AwsError as error:
        gone = error.trouble is Trouble.REFUSED and any(w in error.words for w in _GONE)
        if not gone:
            failed[name] = error
