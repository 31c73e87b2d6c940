"""What is put back between tasks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from crew_core._worker.between import Namespace


def test_names_of_main_go_by_default(process: Any) -> None:
    process.value("global x\nx = 1")
    assert process.run("x").error.startswith("NameError")


def test_changed_names_of_main_get_their_value_back(process: Any) -> None:
    process.value("global __name__\n__name__ = 'else'")
    assert process.value("__name__") == "__main__"


def test_a_name_that_takes_anothers_place_and_value_goes() -> None:
    names = {"kept": 1, "gone": None}
    namespace = Namespace(names)
    del names["gone"]
    names["new"] = None
    namespace.restore()
    assert names == {"kept": 1, "gone": None}


def test_an_equal_value_is_not_the_value_that_was() -> None:
    names: dict[str, object] = {"one": 1}
    namespace = Namespace(names)
    names["one"] = True
    namespace.restore()
    assert names["one"] is not True


def test_names_of_main_stay_on_request(start: Any) -> None:
    process = start(reset_globals=False)
    process.value("import __main__\n__main__.x = 1")
    assert process.value("x") == 1
    process.value("1", globals={"y": 2})
    assert process.value("y") == 2


def test_star_imports_go_too(process: Any) -> None:
    process.value("from math import *\nfloor(1.5)")
    assert process.run("floor(1.5)").error.startswith("NameError")


@pytest.fixture
def module(tmp_path: Path) -> str:
    """The directory of a module ``counting`` that counts how often it was imported."""
    (tmp_path / "counting.py").write_text(
        "import os\nos.environ['COUNT'] = COUNT = '1' + os.environ.get('COUNT', '')\n"
    )
    return str(tmp_path)


IMPORT = "import sys\nsys.path[:0] = [path]\nimport counting\ncounting.COUNT"


def test_modules_stay_by_default(process: Any, module: str) -> None:
    values = [process.value(IMPORT, data={"path": module}) for _ in range(2)]
    assert values == ["1", "1"]


def test_modules_are_imported_afresh_on_request(start: Any, module: str) -> None:
    process = start(reset_packages=True)
    values = [process.value(IMPORT, data={"path": module}) for _ in range(2)]
    assert values == ["1", "11"]


def test_compiled_and_standard_modules_stay_in_any_case(start: Any) -> None:
    process = start(reset_packages=True)
    process.value("import numpy, wave; numpy.zeros(2).sum()")
    assert (
        process.value("import sys; ['numpy' in sys.modules, 'wave' in sys.modules]") == [True] * 2
    )
    assert process.value("import numpy; float(numpy.ones(2).sum())") == 2.0


def test_functions_are_loaded_afresh_when_modules_are(start: Any, module: str) -> None:
    process = start(reset_packages=True)
    process.value("import sys; sys.path[:0] = [path]", data={"path": module})

    def identity() -> bool:
        import sys

        import counting  # type: ignore[import-not-found]

        return sys.modules["counting"] is counting

    assert process.value(identity)
    assert process.value(identity)


CHANGE = """
import locale, logging, os, warnings
os.environ["CREW_TEST"] = "1"
del os.environ["HOME"]
os.chdir(path)
warnings.simplefilter("ignore")
logging.getLogger().setLevel(5)
logging.disable(50)
"""
LOOK = """
import logging, os, warnings
[
    os.environ.get("CREW_TEST"), "HOME" in os.environ, os.getcwd(), len(warnings.filters),
    logging.getLogger().level, logging.root.manager.disable,
]
"""


def test_options_stay_by_default(process: Any, tmp_path: Path) -> None:
    process.value(CHANGE, data={"path": str(tmp_path)})
    seen = process.value(LOOK)
    assert seen[:3] == ["1", False, str(tmp_path)]
    assert seen[4:] == [5, 50]


def test_options_are_put_back_on_request(start: Any, tmp_path: Path) -> None:
    process = start(reset_options=True)
    before = process.value(LOOK)
    process.value(CHANGE, data={"path": str(tmp_path)})
    assert process.value(LOOK) == before
    assert before[2] == os.getcwd()
    assert process.run("import warnings; warnings.warn('careful')").warnings == "careful"


def test_garbage_is_collected_on_request(start: Any) -> None:
    text = """
import gc
gc.disable()
class Knot:
    def __del__(self):
        print('collected', flush=True)
knot = Knot()
knot.itself = knot
"""
    process = start(garbage_collection=True)
    process.value(text)
    assert process.line() == "collected"
