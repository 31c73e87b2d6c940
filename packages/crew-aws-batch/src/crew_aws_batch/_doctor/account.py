"""Looks at who asks, where, and what they are permitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError, Trouble
from crew_aws_batch._doctor.findings import bad, doubtful, good, unseen
from crew_aws_batch._doctor.permissions import SHOWING, of_job, of_user, role_arn
from crew_core.plugins import ConfigError, Finding

_AT_ONCE = 50


def identity(clients: Clients) -> tuple[str | None, Finding]:
    """Who asks, as an ARN; None when AWS knows nobody."""
    try:
        found = clients.call("sts", "get_caller_identity")
    except (AwsError, ConfigError) as error:
        return None, bad("identity", str(error), "AWS must know who asks, before anything else")
    arn = str(found["Arn"])
    return arn, good("identity", f"AWS takes you for {arn}, in account {found['Account']}")


def region(clients: Clients) -> Finding:
    """Whether AWS Batch is there."""
    name = clients.region
    try:
        clients.call("batch", "describe_job_queues", maxResults=1)
    except AwsError as error:
        if error.trouble is Trouble.DENIED:
            return unseen("region", error)
        return bad("region", f"{name}: {error}", "name a region that has AWS Batch: region=")
    return good("region", f"AWS Batch answers in {name}")


def permissions(clients: Clients, arn: str, secrets: str) -> Iterator[Finding]:
    """Whether whoever asks may launch, and may look.

    Args:
        clients: how to ask.
        arn: who asks.
        secrets: the launcher's option of this name.
    """
    try:
        missing = denied(clients, role_arn(arn), [*of_user(secrets), *SHOWING])
    except AwsError as error:
        needed = ", ".join(of_user(secrets))
        yield doubtful(
            "permissions",
            f"IAM does not say what you may do ({error.trouble.value})",
            f"these are needed: {needed}",
        )
        return
    vital = [name for name in missing if name not in SHOWING]
    if vital:
        yield bad(
            "permissions",
            f"you are not permitted: {', '.join(vital)}",
            "have them added to your policy; the how-to of AWS Batch has one to copy",
        )
    lesser = [name for name in missing if name in SHOWING]
    if lesser:
        yield doubtful(
            "permissions",
            f"you are not permitted: {', '.join(lesser)}",
            "without them crew runs, but shows less: no output of jobs, no reasons",
        )
    if not missing:
        yield good("permissions", "you may launch workers, end them, and see what they print")


def job_role(clients: Clients, arn: str | None, secrets: str) -> Finding | None:
    """Whether a worker may fetch what it proves itself with; None when it need not.

    Args:
        clients: how to ask.
        arn: the job definition's ``jobRoleArn``.
        secrets: the launcher's option of this name.
    """
    needed = of_job(secrets)
    if not needed:
        return None
    if arn is None:
        return bad(
            "job role",
            "the job definition has no job role, so workers cannot fetch what they prove "
            "themselves with",
            f"register it with job_role_arn=, a role that allows {', '.join(needed)}; or launch "
            'with secrets="environment", which everybody sees who may describe jobs',
        )
    try:
        missing = denied(clients, arn, needed)
    except AwsError as error:
        words = f"IAM does not say what {arn} may do ({error.trouble.value})"
        return doubtful("job role", words, f"it must allow {', '.join(needed)}")
    if missing:
        return bad("job role", f"{arn} does not allow {', '.join(missing)}", "add them to it")
    return good("job role", f"{arn} lets workers fetch what they prove themselves with")


def denied(clients: Clients, arn: str, actions: Sequence[str]) -> list[str]:
    """Those of these actions that are not permitted.

    Raises:
        AwsError: IAM does not say.
    """
    found: list[str] = []
    for first in range(0, len(actions), _AT_ONCE):
        answer = clients.call(
            "iam",
            "simulate_principal_policy",
            PolicySourceArn=arn,
            ActionNames=list(actions[first : first + _AT_ONCE]),
        )
        found += [
            str(one["EvalActionName"])
            for one in answer.get("EvaluationResults", ())
            if one["EvalDecision"] != "allowed"
        ]
    return found
