"""Asks bash about scripts."""

from __future__ import annotations

import shutil
import subprocess


def complaints(script: str) -> str:
    """What bash finds wrong with a script, without running any of it."""
    bash = shutil.which("bash")
    assert bash is not None, "these tests need bash"
    checked = subprocess.run(
        [bash, "-n"],
        input=script.encode(errors="surrogateescape"),
        capture_output=True,
        check=False,
    )
    return checked.stderr.decode(errors="replace")
