"""Checks which packages CI tests for which change."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ALL = ["crew-aws-batch", "crew-cluster", "crew-core", "crew-rush", "crew-ssh"]
SCRIPT = Path(__file__).parents[2] / "scripts" / "changed_packages.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    # scripts/ is no package, and should not become one for a test.
    spec = importlib.util.spec_from_file_location("changed_packages", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], []),
        (["docs/index.md", "README.md"], []),
        (["packages/crew-core/src/crew_core/plugins.py"], ALL),
        (["packages/crew-ssh/README.md"], ["crew-ssh"]),
        (
            ["packages/crew-ssh/src/crew_ssh/_plugin.py", "packages/crew-cluster/pyproject.toml"],
            ["crew-cluster", "crew-ssh"],
        ),
        (["testbeds/keeper.py"], ["crew-aws-batch", "crew-cluster"]),
        (["testbeds/aws_batch/bed.py"], ["crew-aws-batch"]),
        (["pyproject.toml"], ALL),
        (["noxfile.py"], ALL),
        (["constraints.txt"], ALL),
        ([".github/workflows/ci.yml"], ALL),
        (["packages/gone/src/gone.py"], []),
        (["docs/pyproject.toml"], []),
    ],
)
def test_selected(script: ModuleType, paths: list[str], expected: list[str]) -> None:
    assert script.selected(paths, ALL) == expected
