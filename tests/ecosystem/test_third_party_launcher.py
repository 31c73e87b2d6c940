"""A launcher that a third party publishes works in a fresh environment, by its name alone."""

from __future__ import annotations

import ast
import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "crew-example-launcher"
SECONDS = 900

CONFIGURATION = """
[controllers.NAME]
launcher = "example"
workers = 2
seconds_idle = 60
"""

SCRIPT = """
import os
import crew_core as crew

if __name__ == "__main__":
    with crew.controller("NAME") as controller:
        print(controller.name, controller.launcher.name)
        print(type(controller.launcher).__module__)
        table = controller.map(lambda x: x * x, iterate={"x": [1, 2, 3]})
        print(*table["result"])
        print(controller.submit(os.getpid).result() != os.getpid())
        summary = controller.launcher.summary()
        print(summary["launches"].sum() <= 2, set(table["launcher"]))

    def left():
        monitor = crew.monitor("local")
        return {"NAME"} & {*monitor.workers()["controller"], *monitor.dispatchers()["controller"]}

    print("nothing is left:", crew.retry(lambda: not left(), seconds_timeout=90))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment with crew-core and the example."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    run([sys.executable, "-m", "venv", str(folder)])
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    # As a variable and not as -c, so that isolated builds get the same hatchling.
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    run(
        [*pip, "--disable-pip-version-check", str(ROOT / "packages" / "crew-core"), str(EXAMPLE)],
        PIP_CONSTRAINT=str(ROOT / "constraints.txt"),
    )
    return programs


def run(command: list[str], cwd: Path | None = None, **variables: str) -> str:
    """Run a program without what this environment says of Python's paths; what it prints."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**kept, **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(2 * SECONDS)
def test_a_script_uses_it_by_a_name_in_the_configuration(environment: Path, tmp_path: Path) -> None:
    name = f"mine-{secrets.token_hex(4)}"
    (tmp_path / "crew.toml").write_text(CONFIGURATION.replace("NAME", name))
    (tmp_path / "script.py").write_text(SCRIPT.replace("NAME", name))
    places = {"XDG_STATE_HOME": str(tmp_path / "state")}
    printed = run([str(environment / "python"), "script.py"], tmp_path, **places)
    assert printed.splitlines() == [
        f"{name} example",
        "crew_example_launcher.launcher",
        "1 4 9",
        "True",
        "True {'example'}",
        "nothing is left: True",
    ]


@pytest.mark.timeout(2 * SECONDS)
def test_it_is_listed_beside_the_built_in_ones(environment: Path, tmp_path: Path) -> None:
    listed = json.loads(run([str(environment / "crew"), "launchers", "--json"], tmp_path))
    assert {entry["name"]: entry["package"] for entry in listed} == {
        "local": "crew-core",
        "sequential": "crew-core",
        "example": "crew-example-launcher",
    }
    assert [entry.get("problem") for entry in listed] == [None, None, None]


@pytest.mark.timeout(2 * SECONDS)
def test_it_does_what_every_launcher_must(environment: Path) -> None:
    pip = [str(environment / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    run(
        [*pip, "--disable-pip-version-check", "pytest", "pytest-timeout"],
        PIP_CONSTRAINT=str(ROOT / "constraints.txt"),
    )
    done = run([str(environment / "python"), "-m", "pytest", "-q", str(EXAMPLE / "tests")], ROOT)
    passed = re.search(r"(\d+) passed, \d+ skipped", done)
    assert passed is not None, done
    assert int(passed.group(1)) > 90


def test_it_takes_less_than_twenty_lines_of_code() -> None:
    source = EXAMPLE / "src" / "crew_example_launcher"
    lines = {file.name: code_lines(file.read_text()) for file in source.glob("*.py")}
    assert 0 < lines["launcher.py"] < 20
    assert 0 < lines["launcher.py"] + lines["plugin.py"] < 30


def code_lines(text: str) -> int:
    """Lines that are no docstring, comment or empty line."""
    tree = ast.parse(text)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            prose |= set(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in prose
        for number, line in enumerate(text.splitlines(), 1)
    )


def test_it_uses_the_door_for_plugins_only() -> None:
    imported = set()
    for file in (EXAMPLE / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module)
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
    assert {name for name in imported if name and name.startswith("crew_core")} == {
        "crew_core.plugins"
    }
