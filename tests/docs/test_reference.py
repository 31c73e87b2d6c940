"""The pages that are made from the code are what the code says."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_pages_are_what_the_code_says() -> None:
    script = str(ROOT / "scripts" / "reference.py")
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "door",
    [
        "crew_core",
        "crew_core.plugins",
        "crew_core.services",
        "crew_core.testing",
        "crew_aws_batch",
        "crew_rush",
    ],
)
def test_everything_public_is_on_the_page_of_the_api(door: str) -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    errors = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
    missing = [
        name
        for name in import_module(door).__all__
        if f":: {door}.{name}\n" not in page and f"## {name}\n" not in errors
    ]
    # hookimpl is what hooks are marked with: the page of hooks has it. A version is no API.
    assert set(missing) <= {"hookimpl", "__version__"}
