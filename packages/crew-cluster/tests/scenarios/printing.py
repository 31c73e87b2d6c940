"""Where output goes on schedulers that deliver it when a job has ended: derive a class of tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import crew_core as crew
from scenarios.site import until

MakeController = Callable[..., crew.Controller]


class LateOutputScenarios:
    """Nobody waits for the end of a job to read. Define ``make`` and ``own_options``."""

    def test_what_workers_print_can_be_read_at_once_wherever_output_goes(
        self, make: MakeController, own_options: dict[str, Any], tmp_path: Path
    ) -> None:
        output = tmp_path / "made_here" / "output.txt"
        lines = ("echo of the job", *own_options["script_lines"])
        controller = make(workers=1, log_output=output, script_lines=lines)
        task = controller.push("print('of the task')")
        task.result(120)
        assert "of the task" in controller.logs(task)
        controller.terminate()
        until(lambda: output.exists() and "of the job" in output.read_text(), "it is delivered")
