"""What is read from jobs' names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.names import NARROW, is_ours, narrow, parse


def test_controllers_names_may_have_hyphens() -> None:
    assert parse("crew-my-night-run-1f0c") == ("my-night-run", "1f0c")


@pytest.mark.parametrize("name", ["", "crew", "screw-a-b", "my-crew-a", "crew-a/../../b"])
def test_other_peoples_jobs_are_not_ours(name: str) -> None:
    assert not is_ours(name)
    assert parse(name) == (None, None)


def test_a_narrow_name_has_the_beginning_of_the_id() -> None:
    assert narrow("crew-my-run-0123456789abcdef") == "crew-0123456789"
    assert parse("crew-0123456789") == (None, "0123456789")


@given(st.text())
def test_any_name_can_be_read(name: str) -> None:
    parse(name)
    assert len(narrow(name)) <= NARROW
