"""``crew certify``: runs the conformance suite on a launcher and prints a certificate."""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crew_core._cli.names import complete_controllers
from crew_core._cli.tables import as_json, show_value
from crew_core._model.errors import ConfigError

if TYPE_CHECKING:
    from crew_core.testing.certificate import Certificate

_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)


@click.command()
@click.argument("name", shell_complete=complete_controllers)
@click.option(
    "--tests",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with conformance classes of your own, to be run instead of the plain one.",
)
@click.option("--seconds", type=float, default=30.0, help="What a worker may take to start or end.")
@click.option("--limit", type=click.IntRange(min=2), default=3, help="Most workers per submission.")
@click.option("--python", default=sys.executable, help="The interpreter where workers run.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="An empty folder that workers see, too, for the checks' files.",
)
@click.option("--badge", type=_FILE, help="Write a picture for a README (SVG).")
@as_json
@click.pass_context
def certify(
    ctx: click.Context,
    name: str,
    tests: Path | None,
    seconds: float,
    limit: int,
    python: str,
    folder: Path | None,
    badge: Path | None,
    as_json: bool,
) -> None:
    """Check a launcher, and print its certificate.

    The conformance suite is run on NAME, a launcher, or a controller of the configuration with its
    options. Needs pytest. Exit code 1: some check has failed.
    """
    if find_spec("pytest") is None:
        raise ConfigError("crew certify needs pytest: pip install pytest")
    from crew_core.testing.certificate import Plan, issue

    plan = Plan(name=name, tests=tests, seconds=seconds, limit=limit, python=python, folder=folder)
    certificate = issue(plan, _tell_failure)
    if badge is not None:
        badge.write_text(certificate.badge(), encoding="utf-8")
    if as_json:
        show_value(asdict(certificate))
    else:
        _print(certificate)
    if not certificate.certified:
        ctx.exit(1)


def _tell_failure(check: str, report: str) -> None:
    click.echo(f"FAILED {check}\n{report}\n", err=True)


def _print(certificate: Certificate) -> None:
    verdict = "does what every launcher must" if certificate.certified else "is NOT certified"
    click.echo(f"{certificate.launcher} of {certificate.package} {certificate.version} {verdict}")
    click.echo(f"{certificate.passed} checks passed, {len(certificate.failed)} failed")
    for check in certificate.failed:
        click.echo(f"  failed: {check}")
    for why, count in certificate.skipped.items():
        click.echo(f"  {count} skipped: {why}")
    click.echo(
        f"with crew-core {certificate.crew} (plugin interface {certificate.api_version}), "
        f"Python {certificate.python}, {certificate.system}, {certificate.date}"
    )
