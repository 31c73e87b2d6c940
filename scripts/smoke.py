"""Tries an installed crew: its commands answer, tasks run, plugins are found, nothing is left.

Run by the Python of an environment, from anywhere but the repository. Arguments: the launchers that
must be listed besides those of crew-core; --loops: crew-rush must work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import crew_core as crew

NEEDED: dict[str, dict[str, Any]] = {
    "aws_batch": {"job_queue": "queue", "job_definition": "worker", "region": "us-east-1"},
    "ssh": {"hosts": ["node1"]},
}
"""The options without which a launcher cannot be."""


def square(x: int) -> int:
    """Something to do."""
    return x * x


def loop(rush: Any) -> None:
    """What a worker of crew-rush does."""
    while (task := rush.pop_task(timeout=1)) is not None:
        rush.finish_tasks([task.key], [{"y": square(task.xs["x"])}])


def try_loops() -> None:
    """Share tasks through a store."""
    import crew_rush

    with crew_rush.Rush() as rush:
        keys = rush.push_tasks([{"x": x} for x in range(4)])
        rush.start_local_workers(loop, n_workers=2)
        rush.wait_for_tasks(keys)
        found = sorted(rush.fetch_finished_tasks()["y"])
    assert found == [0, 1, 4, 9], found


def main(expected: list[str]) -> None:
    """Try everything once."""
    with crew.controller("local", workers=2) as controller:
        table = controller.map(square, {"x": [1, 2, 3]}, progress=False)
        assert list(table["result"]) == [1, 4, 9], table
        assert controller.submit(sum, [1, 2]).result(60) == 3
        assert "asked for" in controller.explain()
    command = [sys.executable, "-m", "crew_core", "launchers", "--json"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    names = {launcher["name"] for launcher in listed}
    assert names >= {"local", "sequential", *expected}, names
    assert not any(launcher.get("problem") for launcher in listed), listed
    for name in expected:
        made = crew.controller(name, **NEEDED.get(name, {}))
        assert made.launcher.name == name
    assert subprocess.run([*command[:3], "doctor", "local"], check=False).returncode == 0
    workers = crew.monitor("local").workers()
    assert controller.name not in set(workers["controller"]), workers


if __name__ == "__main__":
    if "--loops" in sys.argv:
        try_loops()
    main([argument for argument in sys.argv[1:] if argument != "--loops"])
