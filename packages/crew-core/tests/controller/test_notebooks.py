"""In a notebook objects show themselves as tables, and nothing minds the loop that runs there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew

SECONDS = 60.0
EXAMPLE = Path(__file__).parents[4] / "examples" / "notebook" / "first_steps.ipynb"


def shown(thing: Any) -> str:
    html: str = thing._repr_html_()
    assert html.startswith("<table>")
    return html


def test_a_controller_shows_its_workers_and_tasks(make: Any) -> None:
    controller = make(workers=3)
    assert "not started" in shown(controller)
    assert not controller.started
    controller.push("1").result(SECONDS)
    assert "1 online, 0 on their way, up to 3" in shown(controller)
    assert "0 unfinished, 1 not popped" in shown(controller)


def test_a_group_shows_each_member(make: Any) -> None:
    group = crew.ControllerGroup(make(name="first-one"), make(name="second-one"))
    assert shown(group).count("not started") == 2
    assert "second-one" in shown(group)


def test_a_record_shows_what_applies(controller: crew.Controller) -> None:
    controller.push("6 * 7", name="fine")
    controller.push("1 / 0", name="broken")
    assert controller.wait(seconds_timeout=SECONDS)
    html = {record.name: shown(record) for record in controller.results()}
    assert ">42<" in html["fine"]
    assert "trace" not in html["fine"]
    assert "ZeroDivisionError" in html["broken"]
    assert "<pre" in html["broken"]


def test_what_a_task_returns_is_text_and_not_markup(controller: crew.Controller) -> None:
    controller.push("'<script>alert(1)</script>'", name="<b>")
    assert controller.wait(seconds_timeout=SECONDS)
    (record,) = controller.results()
    assert "<script>" not in shown(record)
    assert "<b>" not in shown(record)


def test_a_large_result_is_cut_short(controller: crew.Controller) -> None:
    controller.push("'x' * 1_000_000")
    assert controller.wait(seconds_timeout=SECONDS)
    (record,) = controller.results()
    assert len(shown(record)) < 10_000


@pytest.fixture
def execute(
    tmp_path: Path, state_home: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], Any]:
    """Runs a notebook in a kernel of its own; the notebook with what it shows."""
    # Nothing is shared with other kernels: no history, and no ports that another takes meanwhile.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = pytest.importorskip("traitlets.config").Config()
    config.KernelManager.update(transport="ipc", ip=str(runtime / "kernel"))
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")

    def execute(path: Path) -> Any:
        notebook = nbformat.read(path, as_version=4)
        nbclient.NotebookClient(
            notebook,
            timeout=100,
            startup_timeout=100,
            kernel_name="python3",
            config=config,
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()
        return notebook

    return execute


@pytest.mark.timeout(300)
@pytest.mark.skipif(not EXAMPLE.is_file(), reason="only in a clone")
def test_the_example_notebook_runs(execute: Callable[[Path], Any]) -> None:
    notebook = execute(EXAMPLE)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    text = json.dumps(outputs)
    assert "already running" not in text
    html = "".join(output["data"].get("text/html", "") for output in outputs if "data" in output)
    assert "crew controller" in html
    assert "32/32" in text  # a bar
