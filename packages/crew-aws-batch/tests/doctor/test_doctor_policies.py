"""The policies that are there to copy permit what crew needs, and little else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crew_aws_batch._bootstrap import SECRETS_MANAGER
from crew_aws_batch._doctor.permissions import EXAMINING, SHOWING, of_job, of_user

PAGES = Path(__file__).parents[4] / "docs" / "how-to" / "aws-batch"
POLICIES = ("user-policy.json", "register-policy.json", "job-role-policy.json")

# Whose resources AWS cannot tell apart.
OVER_ALL = ("Describe", "List", "Simulate")


def permitted(*names: str) -> dict[str, set[str]]:
    """The resources of each action."""
    found: dict[str, set[str]] = {}
    for name in names:
        for statement in json.loads((PAGES / name).read_text(encoding="utf-8"))["Statement"]:
            assert statement["Effect"] == "Allow"
            actions, resources = statement["Action"], statement["Resource"]
            for action in [actions] if isinstance(actions, str) else actions:
                own = {resources} if isinstance(resources, str) else set(resources)
                found.setdefault(action, set()).update(own)
    return found


def test_whoever_launches_may_do_what_crew_needs() -> None:
    assert {*of_user(SECRETS_MANAGER), *SHOWING} <= set(permitted("user-policy.json"))


def test_whoever_examines_may_look_at_everything() -> None:
    assert set(EXAMINING) <= set(permitted("user-policy.json", "register-policy.json"))


def test_a_job_may_do_what_its_worker_needs_and_nothing_else() -> None:
    assert set(permitted("job-role-policy.json")) == set(of_job(SECRETS_MANAGER))


@pytest.mark.parametrize("name", POLICIES)
def test_only_looking_is_permitted_everywhere(name: str) -> None:
    for action, resources in permitted(name).items():
        verb = action.partition(":")[2]
        assert "*" not in action
        if not verb.startswith(OVER_ALL):
            assert "*" not in resources, action


def test_the_templates_permit_the_same() -> None:
    text = (PAGES / "template.yaml").read_text(encoding="utf-8")
    for action in permitted("user-policy.json", "job-role-policy.json"):
        assert action in text, action
