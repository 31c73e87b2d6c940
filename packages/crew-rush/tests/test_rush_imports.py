"""What a worker's processes import, as each start pays for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"pandas", "numpy", "pluggy", "cryptography", "boto3", "paramiko", "redis", "psutil"}


@pytest.mark.parametrize(
    "module", ["crew_rush._worker.__main__", "crew_rush._loop.__main__"], ids=["worker", "loop"]
)
def test_start_of_a_worker_imports_nothing_heavy(module: str) -> None:
    listing = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", listing], check=True, capture_output=True, text=True
    )
    loaded = set(answer.stdout.split())
    assert not HEAVY & loaded
    assert not {name for name in loaded if name.startswith("crew_rush._manager")}


def test_store_process_imports_no_pandas() -> None:
    listing = "import sys, crew_rush._store.embedded.server; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", listing], check=True, capture_output=True, text=True
    )
    assert not {"pandas", "numpy", "pluggy", "redis"} & set(answer.stdout.split())
