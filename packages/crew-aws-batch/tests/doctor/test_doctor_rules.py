"""What security groups let through, where images are, and who is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from crew_aws_batch._doctor.images import EcrImage, in_ecr
from crew_aws_batch._doctor.permissions import role_arn
from crew_aws_batch._doctor.rules import ports_let_through

ALL = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
ITSELF = {
    "IpProtocol": "tcp",
    "FromPort": 57000,
    "ToPort": 57000,
    "UserIdGroupPairs": [{"GroupId": "sg-1"}],
}
BLOCK = {
    "IpProtocol": "tcp",
    "FromPort": 1024,
    "ToPort": 65535,
    "IpRanges": [{"CidrIp": "10.0.0.0/16"}],
}


@pytest.mark.parametrize(
    ("rules", "ports", "groups", "address", "expected"),
    [
        ([], (57000, 57000), ["sg-1"], "10.0.0.1", False),
        ([ALL], (1024, 65535), [], None, True),
        ([ITSELF], (57000, 57000), ["sg-1"], None, True),
        ([ITSELF], (57000, 57001), ["sg-1"], None, False),
        ([ITSELF], (57000, 57000), ["sg-2"], "10.0.0.1", False),
        ([BLOCK], (57000, 57000), [], "10.0.3.4", True),
        ([BLOCK], (57000, 57000), [], "10.1.0.1", False),
        ([BLOCK], (57000, 57000), [], None, False),
        ([{**BLOCK, "IpProtocol": "udp"}], (57000, 57000), [], "10.0.3.4", False),
        ([{**BLOCK, "FromPort": 80, "ToPort": 80}], (57000, 57000), [], "10.0.3.4", False),
    ],
)
def test_a_rule_lets_through_what_it_names(
    rules: list[dict[str, Any]],
    ports: tuple[int, int],
    groups: list[str],
    address: str | None,
    expected: bool,
) -> None:
    assert ports_let_through(rules, ports, groups, address) is expected


def test_an_image_in_ecr_is_known_by_its_name() -> None:
    home = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert in_ecr(f"{home}/a/b:1") == EcrImage("123456789012", "eu-west-1", "a/b", "1", None)
    assert in_ecr(f"{home}/a") == EcrImage("123456789012", "eu-west-1", "a", None, None)
    digest = in_ecr(f"{home}/a@sha256:0f")
    assert digest is not None
    assert digest.key == {"imageDigest": "sha256:0f"}
    assert in_ecr("python:3.12") is None


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:user/ann"),
        (
            "arn:aws-cn:sts::123456789012:assumed-role/runner/session",
            "arn:aws-cn:iam::123456789012:role/runner",
        ),
    ],
)
def test_iam_is_asked_about_a_role_and_not_about_its_session(identity: str, expected: str) -> None:
    assert role_arn(identity) == expected
