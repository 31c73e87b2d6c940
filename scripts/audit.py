"""Asks pip-audit for known vulnerabilities of what is installed, and says in words what it learned.

::

    pip-audit ─► report ─► Verdict ─► words, exit code
        │ none

Exit codes: 0 none are known; 1 there are some, or not all could be asked about. Where nothing could
be asked at all it says so: 0 at a person's desk, 1 in CI, where nobody reads what has passed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_OURS = "distribution marked as editable"
_ADVICE = (
    "Run it where the package index is no mirror, which tells nothing of vulnerabilities, or try "
    "`nox -s audit -- --vulnerability-service osv`. CI does so weekly: .github/workflows/audit.yml."
)


class Verdict(NamedTuple):
    """What is known of some distributions.

    Attributes:
        asked: how many could be asked about.
        unknown: those that could not, each with the reason.
        flaws: known vulnerabilities.
    """

    asked: int
    unknown: Sequence[str]
    flaws: Sequence[str]


def judge(report: Mapping[str, Any]) -> Verdict:
    """Read a report of pip-audit's in JSON; what is installed in place is ours, and left out."""
    asked = 0
    unknown, flaws = [], []
    for package in report["dependencies"]:
        if package.get("skip_reason") == _OURS:
            continue
        if "skip_reason" in package:
            unknown.append(f"{package['name']}: {package['skip_reason']}")
            continue
        asked += 1
        for flaw in package["vulns"]:
            fixed = ", ".join(flaw["fix_versions"]) or "no version"
            flaws.append(f"{package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    return Verdict(asked, unknown, flaws)


def tell(verdict: Verdict) -> str:
    """Put a verdict into words."""
    if not verdict.asked:
        reason = verdict.unknown[0] if verdict.unknown else "it was told of nothing to ask about"
        return f"AUDIT NOT DONE: pip-audit could not ask for vulnerabilities. {reason}\n{_ADVICE}"
    lines = [f"asked about {verdict.asked} distributions"]
    lines += [f"not asked about {reason}" for reason in verdict.unknown]
    lines += verdict.flaws or ["no known vulnerabilities"]
    return "\n".join(lines)


def exit_code(verdict: Verdict, *, in_ci: bool) -> int:
    """Tell whether this may pass."""
    if not verdict.asked:
        return int(in_ci)
    return int(bool(verdict.flaws or verdict.unknown))


def ask(options: Sequence[str]) -> Verdict:
    """Have pip-audit look at the environment of this Python."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable"]
        command += ["--progress-spinner", "off", "--format", "json", "--output", str(report)]
        done = subprocess.run([*command, *options], check=False, capture_output=True, text=True)
        if report.exists():
            return judge(json.loads(report.read_text()))
    said = (done.stderr or done.stdout).strip().splitlines() or ["It did not say why."]
    return Verdict(0, [said[-1]], [])


def main() -> int:
    """Ask, tell."""
    verdict = ask(sys.argv[1:])
    print(tell(verdict))
    return exit_code(verdict, in_ci=bool(os.environ.get("CI")))


if __name__ == "__main__":
    sys.exit(main())
