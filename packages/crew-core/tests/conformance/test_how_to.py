"""The page on testing a launcher shows what works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "test-a-launcher.md"


def test_the_example_on_the_page_passes(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    (tmp_path / "test_conformance.py").write_text(code.group(1))
    some = "quotes or lost_answer or impossible"
    command = [sys.executable, "-m", "pytest", "-q", "-k", some, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "test_conformance.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert re.search(r"^[56] passed", done.stdout, re.MULTILINE), done.stdout
