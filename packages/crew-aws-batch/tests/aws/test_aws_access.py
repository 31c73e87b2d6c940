"""Options that say where AWS is asked, and as whom, are checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from crew_aws_batch._aws.access import Access, endpoint_of
from crew_core.plugins import ConfigError

KEYS = {"access_key_id": "AKIA", "secret_access_key": "very-secret"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"region": ""}, "region"),
        ({"role": "admin"}, "must be an ARN"),
        ({"endpoint": "localhost:5000"}, "https://"),
        ({"endpoint": {"batch": "localhost"}}, r"endpoint\['batch'\]"),
        ({"credentials": {"access_key_id": "AKIA"}}, "secret_access_key is missing"),
        ({"credentials": {**KEYS, "aws_secret": "x"}}, "unknown key 'aws_secret'"),
        ({"credentials": KEYS, "profile": "me"}, "only one"),
    ],
)
def test_impossible_values_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Access(**options)


def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match="region=1: must be text"):
        Access(region=1)  # type: ignore[arg-type]


def test_credentials_are_in_no_text() -> None:
    assert "very-secret" not in repr(Access(credentials=KEYS))
    with pytest.raises(ConfigError) as caught:
        Access(credentials={**KEYS, "aws": "very-secret"})
    assert "very-secret" not in str(caught.value)


def test_an_endpoint_is_for_all_services_or_for_some() -> None:
    everywhere = Access(endpoint="http://localhost:1")
    assert (
        endpoint_of(everywhere, "batch") == endpoint_of(everywhere, "ssm") == "http://localhost:1"
    )
    some = Access(endpoint={"batch": "https://vpce-1"})
    assert endpoint_of(some, "batch") == "https://vpce-1"
    assert endpoint_of(some, "ssm") is None
