"""``crew new-launcher`` makes a project that works, and ``crew certify`` says so."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crew_core._cli.app import app

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.timeout(300)


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def program(path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own: pytest has one run per process."""
    python_path = os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "crew_core", *args],
        env={**os.environ, "PYTHONPATH": python_path.rstrip(os.pathsep)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def made(project: Path) -> Path:
    """A project that was just made."""
    result = run("new-launcher", "my_cloud")
    assert result.exit_code == 0, result.output
    return project / "crew-my-cloud"


@pytest.fixture
def installed(made: Path, site: Path, install: Callable[..., Path]) -> Iterator[Path]:
    """A folder for Python's path, where the project is as if pip had installed it."""
    shutil.copytree(made / "src" / "crew_my_cloud", site / "crew_my_cloud")
    install("crew-my-cloud", {"my_cloud": "crew_my_cloud.plugin"}, {}, version="0.1.0")
    yield site
    for name in [name for name in sys.modules if name.startswith("crew_my_cloud")]:
        del sys.modules[name]


def test_the_project_has_what_it_takes_to_publish_it(made: Path) -> None:
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert files == {
        ".github/workflows/ci.yml",
        ".gitignore",
        "README.md",
        "docs/my_cloud.md",
        "pyproject.toml",
        "src/crew_my_cloud/__init__.py",
        "src/crew_my_cloud/launcher.py",
        "src/crew_my_cloud/plugin.py",
        "src/crew_my_cloud/py.typed",
        "tests/test_conformance.py",
        "tests/test_use.py",
    }
    text = "".join(path.read_text() for path in made.rglob("*") if path.is_file())
    for word in ("%NAME%", "%PACKAGE%", "%CLASS%", "%CREW%", "%API%", "PACKAGE"):
        assert word not in text


def test_the_project_says_what_it_brings_and_needs(made: Path) -> None:
    settings = tomllib.loads((made / "pyproject.toml").read_text())
    assert settings["project"]["name"] == "crew-my-cloud"
    assert settings["project"]["entry-points"]["crew"] == {"my_cloud": "crew_my_cloud.plugin"}
    (needed,) = settings["project"]["dependencies"]
    assert needed.startswith("crew-core>=")
    assert ",<" in needed


def test_its_launcher_is_short(made: Path) -> None:
    (kind,) = [
        node
        for node in ast.parse((made / "src/crew_my_cloud/launcher.py").read_text()).body
        if isinstance(node, ast.ClassDef)
    ]
    assert kind.name == "MyCloudLauncher"
    (launch,) = [node for node in kind.body if isinstance(node, ast.FunctionDef)]
    assert (launch.end_lineno or 0) - launch.lineno < 20


def test_it_is_made_where_it_is_wanted(project: Path) -> None:
    answer = json.loads(run("new-launcher", "mine", "some/where", "--json").stdout)
    assert answer["path"] == "some/where"
    assert all((project / "some" / "where" / file).is_file() for file in answer["files"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["My Cloud"], "small letters"),
        (["2fast"], "begins with a letter"),
        (["local"], "another launcher already"),
        (["slurm"], "another launcher already"),
        (["mine", "."], "not empty"),
    ],
)
def test_what_cannot_be_made_is_said(project: Path, args: list[str], said: str) -> None:
    (project / "something").write_text("")
    result = run("new-launcher", *args)
    assert result.exit_code == 2
    assert said in result.stderr


def test_its_launcher_runs_tasks_and_is_certified(installed: Path) -> None:
    doctor = program(installed, "doctor", "my_cloud")
    assert doctor.returncode == 0, doctor.stdout
    badge = installed / "certificate.svg"
    result = program(installed, "certify", "my_cloud", "--badge", str(badge), "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    certificate = json.loads(result.stdout)
    assert certificate["certified"]
    assert (certificate["launcher"], certificate["package"]) == ("my_cloud", "crew-my-cloud")
    assert certificate["version"] == "0.1.0"
    assert certificate["passed"] > 90
    assert "checks passed" in badge.read_text()


# ── What is not certified ──────────────────────────────────────────────────────────────────────

SHORT = """
from crew_core.plugins import Launcher

class Short(Launcher):
    local = True

    def launch(self, request):
        return []
"""

CHEATS = """
import pytest
from crew_core.testing import LauncherConformance
from plugin_short import Short

class TestShort(LauncherConformance):
    seconds = 0.2

    def launcher(self, folder):
        return Short()

for name in [name for name in dir(LauncherConformance) if name.startswith("test_")]:
    setattr(TestShort, name, lambda self: None)
"""

OTHER = """
from crew_core.testing import FakeLauncher, LauncherConformance

class TestOther(LauncherConformance):
    def launcher(self, folder):
        return FakeLauncher()
"""


@pytest.fixture
def short(install: Callable[..., Path], registering: Callable[[dict[str, str]], str]) -> None:
    """A launcher that launches nothing."""
    hook = registering({"short": "plugin_short:Short"})
    install("crew-short", {"short": "plugin_hook"}, {"plugin_short": SHORT, "plugin_hook": hook})


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("tests", "said"),
    [
        (CHEATS, "no class of tests that derives"),
        (OTHER, "tests FakeLauncher, not Short"),
        ("import no_such_module_at_all", "cannot be used"),
        ("", "no class of tests that derives"),
    ],
)
def test_tests_that_prove_nothing_certify_nothing(tests: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "test_own.py"
    file.write_text(tests)
    result = program(tmp_path, "certify", "short", "--tests", str(file))
    assert result.returncode == 2, result.stdout + result.stderr
    assert said in result.stderr


@pytest.mark.usefixtures("short")
def test_a_launcher_that_fails_a_check_is_not_certified(tmp_path: Path) -> None:
    result = program(tmp_path, "certify", "short", "--seconds", "0.2", "--json")
    assert result.returncode == 1, result.stdout + result.stderr
    certificate = json.loads(result.stdout)
    assert not certificate["certified"]
    assert certificate["failed"]
