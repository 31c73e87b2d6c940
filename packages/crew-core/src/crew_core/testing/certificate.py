"""Runs the conformance suite on one launcher, and certifies what it found. Needs pytest."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from crew_core._launcher.base import API_VERSION, Launcher
from crew_core._model.errors import ConfigError
from crew_core.testing import LauncherConformance

_SUITE = "crew_core.testing.conformance"
_PLAIN = """
from crew_core.testing.named import NamedConformance


class TestLauncher(NamedConformance):
    name = {name!r}
    seconds = {seconds!r}
    limit = {limit!r}
    python = {python!r}
"""
_BADGE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{text}">
  <title>{text}</title>
  <rect width="{left}" height="20" fill="#555"/>
  <rect x="{left}" width="{right}" height="20" fill="{colour}"/>
  <g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
    <text x="6" y="14">{label}</text>
    <text x="{start}" y="14">{message}</text>
  </g>
</svg>
"""
_LETTER = 7


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be certified, and how.

    Attributes:
        name: a launcher's name, or that of a controller in the configuration.
        tests: a file with classes of the suite; None: the plain one for this name.
        seconds: how long the platform may take to start or to end a worker.
        limit: the most workers that the platform takes in one submission.
        python: the interpreter where workers run.
        folder: for the checks' files, which workers must see; None: a temporary one.
    """

    name: str
    tests: Path | None
    seconds: float
    limit: int
    python: str
    folder: Path | None


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What the suite found of one launcher.

    Attributes:
        launcher: its name.
        package: the distribution that brings it.
        version: of that.
        crew: the version of crew-core.
        api_version: the version of crew's plugin interface.
        python: Python's version.
        system: the operating system.
        date: the day, UTC.
        passed: how many checks did.
        failed: those that did not.
        skipped: how many were left out, by the reason.
        certified: every check of the suite passed, or may be left out.
    """

    launcher: str
    package: str
    version: str
    crew: str
    api_version: int
    python: str
    system: str
    date: str
    passed: int
    failed: list[str]
    skipped: dict[str, int]
    certified: bool

    def badge(self) -> str:
        """A picture for a README: an SVG."""
        label = f"crew {self.crew}"
        message = f"{self.launcher} {self.version}: " + (
            f"{self.passed} checks passed" if self.certified else "not certified"
        )
        left, right = _LETTER * len(label) + 12, _LETTER * len(message) + 12
        return _BADGE.format(
            width=left + right,
            left=left,
            right=right,
            start=left + 6,
            colour="#2e7d32" if self.certified else "#c62828",
            label=escape(label),
            message=escape(message),
            text=escape(f"{label}: {message}", {'"': "&quot;"}),
        )


def issue(plan: Plan, on_failure: Callable[[str, str], None]) -> Certificate:
    """Run the suite; blocks for a minute or so.

    Args:
        plan: what to certify.
        on_failure: called with each check that failed and what pytest says of it.

    Raises:
        ConfigError: there is no such launcher, or the file has no conformance class for it.
        PluginError: the launcher's plugin is broken.
    """
    from crew_core._controller.making import controller

    kind = type(controller(plan.name).launcher)
    recorder = _Recorder(kind, on_failure)
    with tempfile.TemporaryDirectory(prefix="crew-certify-") as place:
        _run(plan, Path(place), recorder)
    if recorder.refusal:
        raise ConfigError(recorder.refusal)
    if not recorder.passed and not recorder.failed:
        raise ConfigError(
            f"{plan.tests or 'the suite'} has no class of tests that derives from "
            "crew_core.testing.LauncherConformance"
        )
    missing = sorted(_required() - recorder.seen)
    return _certificate(plan.name, kind, recorder, missing)


class _Recorder:
    """Keeps what pytest says. Its hooks have the names that pytest knows.

    Args:
        kind: the class of launchers that is to be certified.
        on_failure: called with each check that failed.
    """

    def __init__(self, kind: type[Launcher], on_failure: Callable[[str, str], None]) -> None:
        self._kind = kind
        self._on_failure = on_failure
        self.refusal = ""
        self.seen: set[str] = set()
        self.passed = 0
        self.failed: list[str] = []
        self.skipped: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave what is no check of the suite; see that the right launcher is tested."""
        checks = [item for item in items if _is_check(item)]
        classes = {item.cls for item in checks if isinstance(item, pytest.Function)}
        for cls in classes:
            with tempfile.TemporaryDirectory() as folder:
                made = cls().launcher(Path(folder))
            if type(made) is not self._kind:
                self.refusal = (
                    f"{cls.__name__} tests {type(made).__name__}, not {self._kind.__name__}"
                )
                checks = []
        self.seen = {_plain_name(item) for item in checks}
        items[:] = checks

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be imported."""
        if report.failed:
            self.refusal = f"{report.nodeid} cannot be used: {report.longreprtext}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One part of a check is over: what goes before it, itself, or what comes after."""
        check = report.nodeid.rpartition("::")[2]
        if report.failed:
            if check not in self.failed:
                self.failed.append(check)
            self._on_failure(check, report.longreprtext)
        elif report.skipped:
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
            self.skipped[why.removeprefix("Skipped: ")] += 1
        elif report.when == "call":
            self.passed += 1


def _run(plan: Plan, place: Path, recorder: _Recorder) -> None:
    """Run pytest as if nobody had configured it."""
    tests = plan.tests
    if tests is None:
        tests = place / "test_launcher.py"
        facts = {"name": plan.name, "seconds": plan.seconds, "limit": plan.limit}
        tests.write_text(_PLAIN.format(**facts, python=plan.python), encoding="utf-8")
    settings = place / "pytest.ini"
    settings.write_text("[pytest]\naddopts = --import-mode=importlib\n", encoding="utf-8")
    arguments = ["-c", str(settings), "-p", "no:cacheprovider"]
    if plan.folder is not None:
        arguments += ["--basetemp", str(plan.folder)]
    before = os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the recorder knows it all
            pytest.main([*arguments, str(tests.absolute())], plugins=[recorder])
    finally:
        if before is not None:
            os.environ["PYTEST_ADDOPTS"] = before


def _certificate(
    name: str, kind: type[Launcher], recorder: _Recorder, missing: list[str]
) -> Certificate:
    from crew_core._plugins.findings import own_version
    from crew_core._plugins.registry import launchers

    path = f"{kind.__module__}:{kind.__qualname__}"
    infos = [info for info in launchers() if info.path == path]
    failed = [*recorder.failed, *(f"{check} (was not run)" for check in missing)]
    return Certificate(
        launcher=infos[0].name if infos else name,
        package=infos[0].package if infos else kind.__module__.partition(".")[0],
        version=infos[0].version if infos else "unknown",
        crew=own_version(),
        api_version=API_VERSION,
        python=platform.python_version(),
        system=platform.platform(terse=True),
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        passed=recorder.passed,
        failed=failed,
        skipped=dict(recorder.skipped),
        certified=recorder.passed > 0 and not failed,
    )


def _is_check(item: pytest.Item) -> bool:
    """A check as the suite has it: one that a class has overridden certifies nothing."""
    if not isinstance(item, pytest.Function) or item.cls is None:
        return False
    ours = issubclass(item.cls, LauncherConformance)
    return ours and item.function.__module__.startswith(_SUITE)


def _required() -> set[str]:
    return {name for name in dir(LauncherConformance) if name.startswith("test_")}


def _plain_name(item: pytest.Item) -> str:
    return item.name.partition("[")[0]
