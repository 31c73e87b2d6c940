"""The scripts in ``examples`` run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="only in a clone")
def test_warm_up() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "warm_up.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("500 predictions")
    assert lines[1] == f"sum: {sum(n * n for n in range(500))}"
    assert lines[3] == "the next prediction: 900"
    assert all("loaded in process" in line for line in lines[4:])
