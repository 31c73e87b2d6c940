"""Checks that an audit which asked about nothing is not taken for one that found nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.py"

GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "1.0", "vulns": [{"id": "X-1", "fix_versions": ["1.1", "2.0"]}]}
LOST = {"name": "bad", "version": "1.0", "vulns": [{"id": "X-2", "fix_versions": []}]}
NOT_FOUND = {"name": "hidden", "skip_reason": "not found"}
OURS = {"name": "crew-core", "skip_reason": "distribution marked as editable"}

REPORTS = """
import pathlib, sys

pathlib.Path(sys.argv[sys.argv.index("--output") + 1]).write_text({report!r})
sys.exit({code})
"""
FAILS = "raise OSError('no way to\\nthe database')"


def audit(tmp_path: Path, pip_audit: str, *, ci: bool = False) -> tuple[int, str]:
    """Exit code and words of the script, with another pip-audit."""
    (tmp_path / "pip_audit.py").write_text(pip_audit)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "CI": "true" if ci else ""}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, env=env, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def reports(*packages: dict[str, Any], code: int = 0) -> str:
    return REPORTS.format(report=json.dumps({"dependencies": packages, "fixes": []}), code=code)


def test_what_is_well_passes(tmp_path: Path) -> None:
    code, told = audit(tmp_path, reports(GOOD, OURS))
    assert code == 0
    assert told == "asked about 1 distributions\nno known vulnerabilities\n"


@pytest.mark.parametrize(
    ("package", "words"),
    [(BAD, "bad 1.0: X-1, fixed in 1.1, 2.0"), (LOST, "bad 1.0: X-2, fixed in no version")],
)
def test_a_vulnerability_fails_and_is_named(
    tmp_path: Path, package: dict[str, Any], words: str
) -> None:
    code, told = audit(tmp_path, reports(GOOD, package, code=1))
    assert code == 1
    assert words in told
    assert "no known" not in told


def test_what_could_not_be_asked_about_is_named_and_fails(tmp_path: Path) -> None:
    code, told = audit(tmp_path, reports(GOOD, NOT_FOUND))
    assert code == 1
    assert "not asked about hidden: not found" in told


@pytest.mark.parametrize(("ci", "code"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("pip_audit", [FAILS, reports(NOT_FOUND, OURS), reports()])
def test_an_audit_that_could_not_be_done_says_so_and_passes_where_somebody_reads_it(
    tmp_path: Path, pip_audit: str, ci: bool, code: int
) -> None:
    got, told = audit(tmp_path, pip_audit, ci=ci)
    assert got == code
    assert told.startswith("AUDIT NOT DONE: pip-audit could not ask for vulnerabilities. ")
    assert "Traceback" not in told
    assert "no known" not in told
