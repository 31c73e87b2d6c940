"""Permissions that a test takes away: what is denied then, and what IAM says of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qs

from testbeds.aws_batch.moto import ACCOUNT

_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([\w-]+)/aws4_request")
_ANSWER = (
    '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
    "<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>"
    "<EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult>"
    "<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata>"
    "</SimulatePrincipalPolicyResponse>"
)
_RESULT = (
    "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>"
    "<EvalResourceName>*</EvalResourceName></member>"
)


def action_of(operation: str, headers: Mapping[str, str]) -> str:
    """The permission that a request needs, in lower case: "batch:submitjob"."""
    found = _SERVICE.search(headers.get("authorization", ""))
    return f"{found.group(1) if found else ''}:{operation}"


def denial(action: str) -> str:
    """AWS's sentence for a request that is not permitted."""
    user = f"arn:aws:iam::{ACCOUNT}:user/moto"
    return (
        f"User: {user} is not authorized to perform: {action} on resource: * because no "
        "identity-based policy allows the action"
    )


def simulated(body: bytes, denied: Collection[str]) -> bytes:
    """What IAM answers to SimulatePrincipalPolicy; moto does not know it."""
    form = parse_qs(body.decode())
    asked = [values[0] for name, values in form.items() if name.startswith("ActionNames.")]
    lower = {action.lower() for action in denied}
    results = [
        _RESULT.format(
            action=action, decision="implicitDeny" if action.lower() in lower else "allowed"
        )
        for action in asked
    ]
    return _ANSWER.format(results="".join(results)).encode()
