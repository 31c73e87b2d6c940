"""The page on failures has a row for each fault, word for word, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chaos.faults.base import Fault
from chaos.faults.catalog import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "failure-model.md"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_and_its_promise_are_on_the_page(fault: type[Fault]) -> None:
    assert f"| {fault.name} | {fault.promise} |" in PAGE.read_text(encoding="utf-8")


def test_all_links_of_the_page_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
