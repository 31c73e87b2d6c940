"""Dispatchers, workers and launch daemons load little: each start, each cluster job pays it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import crew_core as crew
from crew_core._plugins.presence import DISABLE_VARIABLE

ALL = {
    "pandas",
    "boto3",
    "paramiko",
    "pluggy",
    "click",
    "cryptography",
    "crew_core._controller",
    "crew_core._client",
    "crew_core._plugins",
}
"""What none of them may load."""

OTHERS = {"dispatcher": "crew_core._worker", "worker": "crew_core._dispatcher"}


def loaded_of(modules: set[str], forbidden: set[str]) -> list[str]:
    """Those of the forbidden that are loaded, or have a part that is."""
    return sorted(
        name
        for name in forbidden
        if any(module == name or module.startswith(f"{name}.") for module in modules)
    )


def test_a_real_task_process_loads_little(controller_name: str) -> None:
    with crew.controller("local", name=controller_name) as controller:
        # As text: a function would bring its module along.
        names = controller.submit(eval, "sorted(__import__('sys').modules)").result(30)
    modules = set(names)
    assert "crew_core._worker.task_process" in modules
    unused = {"psutil", "numpy", "ssl", "json", "logging", "crew_core._dispatcher"}
    if sys.version_info >= (3, 11):
        unused |= {"inspect", "typing_extensions"}
    assert loaded_of(modules, ALL | unused) == []
    assert loaded_of(modules, {"msgspec"}) == ["msgspec"]  # the look sees what is there


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_real_dispatcher_and_supervisor_load_no_compiled_part_of_these(
    controller_name: str,
) -> None:
    with crew.controller("local", name=controller_name) as controller:
        supervisor = controller.submit(os.getppid).result(30)
        for pid in (controller.client.pid, supervisor):
            assert "crew_core" in " ".join(psutil.Process(pid).cmdline())
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert "msgspec" in maps  # the look sees what is there
            assert "/pandas/" not in maps
            assert "/numpy/" not in maps
            assert "psutil" not in maps


@pytest.mark.parametrize("program", ["dispatcher", "worker"])
def test_programs_load_little(program: str) -> None:
    # The whole program, not only its entry: what it imports on the way as well.
    parts = {
        "dispatcher": (
            "import crew_core._dispatcher.__main__, crew_core._dispatcher.loop, "
            "crew_core._wire.local"
        ),
        "worker": (
            "import crew_core._worker.__main__, crew_core._worker.supervisor, "
            "crew_core._worker.conversation, crew_core._wire.local, crew_core._worker.process, "
            "crew_core._worker.descendants, crew_core._wire.capped_log"
        ),
    }
    first = "from crew_core._wire import bare_msgspec; bare_msgspec.load()"
    code = f"import sys; {first}; {parts[program]}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    modules = set(answer.stdout.split())
    assert "msgspec" in modules
    forbidden = ALL | {"psutil", "numpy", "cloudpickle", "ssl", "asyncio", OTHERS[program]}
    # Small ones of the standard library that cost as much together as all that is left.
    forbidden |= {"logging", "pathlib", "shutil", "subprocess", "tempfile", "argparse", "json"}
    # What users' code may need of msgspec and nothing of ours does.
    forbidden |= {"dataclasses", "inspect", "typing_extensions", "decimal", "uuid"}
    assert loaded_of(modules, forbidden - loaded_by("typing")) == []


def loaded_by(module: str) -> set[str]:
    """What is there anyway: on some Pythons it brings one of the small ones along."""
    code = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(answer.stdout.split())


@pytest.mark.parametrize("module", ["listener", "dialer"])
def test_a_network_costs_no_more_than_tls(module: str) -> None:
    code = (
        f"import sys, crew_core._wire.network.{module}, crew_core._wire.network.tls; "
        "print(*sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    modules = set(answer.stdout.split())
    assert "ssl" in modules
    assert loaded_of(modules, ALL | {"psutil", "numpy"}) == []


def test_launch_daemons_load_little() -> None:
    code = "import sys, crew_core._launcher.daemon; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    modules = set(answer.stdout.split())
    assert "crew_core._launcher.guarded" in modules
    others = {"crew_core._dispatcher", "crew_core._worker"}
    assert loaded_of(modules, ALL | others | {"psutil", "numpy", "cloudpickle"}) == []


def test_a_session_without_plugins_loads_little_and_late(controller_name: str) -> None:
    code = (
        "import sys, crew_core as crew\n"
        f"controller = crew.controller('local', name={controller_name!r})\n"
        # The dispatcher comes up while the session is imported, and so not before.
        "assert 'crew_core._controller.session' not in sys.modules\n"
        "with controller:\n"
        "    print(controller.push(len, ('four',)).result())\n"
        "    print(*sys.modules)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, DISABLE_VARIABLE: "all"},
    )
    result, names = answer.stdout.splitlines()
    assert result == "4"
    modules = set(names.split())
    assert "crew_core._controller.session" in modules
    unused = {"argparse", "asyncio", "json", "multiprocessing", "ssl"}
    unused |= {"importlib.metadata", "cloudpickle", "numpy"}
    if sys.platform == "linux":
        unused.add("psutil")
    assert loaded_of(modules, ALL - {f"crew_core.{part}" for part in OWN} | unused) == []


OWN = ("_controller", "_client", "_plugins")
