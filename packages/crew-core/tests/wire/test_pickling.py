"""What is pickled by address, what by value, and what an error says."""

from __future__ import annotations

import functools
import math
import operator
import os
import pickle
import subprocess
import sys
import threading
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest

from crew_core._model.errors import SerializationError
from crew_core._wire import foreign_modules
from crew_core._wire.pickling import (
    as_rows,
    dump,
    dump_arguments,
    dump_command,
    dump_plain,
    dump_rows,
    load,
    load_all,
    load_arguments,
)


@dataclass
class Model:
    name: str = "m"
    parts: list[Any] = field(default_factory=list)


def by_this_module() -> str:
    return "here"


def load_elsewhere(data: bytes, tmp_path: Path, expression: str) -> str:
    """What an expression on the loaded ``x`` prints in a fresh process."""
    (tmp_path / "pickled").write_bytes(data)
    program = f"import pickle; x = pickle.load(open('pickled', 'rb')); print({expression})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    "value", [None, 1, "text", [1, {"a": (2, 3)}], {"x": b"y"}, os.getcwd, Path]
)
def test_what_goes_in_comes_out(value: object) -> None:
    assert load(dump(value, "it")) == value


def test_an_importable_function_is_a_small_address() -> None:
    assert dump_command(os.path.join) == pickle.dumps(os.path.join, 5)
    assert dump_command(operator.add) == pickle.dumps(operator.add, 5)


def test_a_test_modules_function_goes_by_value(tmp_path: Path) -> None:
    assert load_elsewhere(dump_command(by_this_module), tmp_path, "x()") == "here"


def test_a_test_modules_objects_go_by_value(tmp_path: Path) -> None:
    data = dump(Model("name", [Model()]), "the model")
    assert load_elsewhere(data, tmp_path, "x.name, len(x.parts)") == "name 1"


@pytest.mark.parametrize("make", [lambda: 3, functools.partial(lambda a: a, 3)])
def test_lambdas_and_partials_of_them_go_by_value(make: Any, tmp_path: Path) -> None:
    assert load_elsewhere(dump_command(make), tmp_path, "x()") == "3"


def test_what_came_by_value_returns_as_the_same_class() -> None:
    assert type(load(dump(Model(), "it"))) is Model


def test_a_module_made_on_the_fly_goes_by_value(tmp_path: Path) -> None:
    module = types.ModuleType("made_on_the_fly")
    exec("K = 4\ndef f(): return K", module.__dict__)
    sys.modules["made_on_the_fly"] = module
    try:
        data = dump_command(module.f)
        listed = dump([module.f], "it")
    finally:
        del sys.modules["made_on_the_fly"]
    assert load_elsewhere(data, tmp_path, "x()") == "4"
    assert load_elsewhere(listed, tmp_path, "x[0]()") == "4"


def test_a_module_from_a_directory_that_is_not_on_the_path_goes_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "crew_test_helper.py").write_text("def f(): return 5\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "lib")
        import crew_test_helper  # type: ignore[import-not-found]
    try:
        data = dump_command(crew_test_helper.f)
    finally:
        del sys.modules["crew_test_helper"]
    assert load_elsewhere(data, tmp_path, "x()") == "5"


def test_a_module_on_the_path_goes_by_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crew_test_found.py").write_text("def f(): return 5\n")
    monkeypatch.syspath_prepend(tmp_path)
    import crew_test_found  # type: ignore[import-not-found]

    try:
        assert dump_command(crew_test_found.f) == pickle.dumps(crew_test_found.f, 5)
    finally:
        del sys.modules["crew_test_found"]


def test_registered_modules_go_by_value_and_stay_registered() -> None:
    import colorsys

    cloudpickle.register_pickle_by_value(colorsys)
    try:
        assert len(dump_command(colorsys.rgb_to_hsv)) > 200
        assert cloudpickle.list_registry_pickle_by_value() == {"colorsys"}
    finally:
        cloudpickle.unregister_pickle_by_value(colorsys)
    assert len(dump_command(colorsys.rgb_to_hsv)) < 50


def test_nothing_stays_registered() -> None:
    dump_command(by_this_module)
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_no_installed_package_counts_as_foreign() -> None:
    import hypothesis
    import msgspec
    import numpy.linalg

    for function in (hypothesis.given, msgspec.to_builtins, numpy.linalg.norm):
        assert not foreign_modules.mentioned_in(pickle.dumps(function, 5))


@pytest.mark.parametrize(
    ("args", "data", "message"),
    [
        ((1, {"model": {"lock": 0}}), {}, "argument 2, ['model']['lock']: a _thread.lock object"),
        (([1, (2, 0)],), {}, "argument 1, [1][1]: a _thread.lock object"),
        ((), {"x": [0]}, "data['x'], [0]: a _thread.lock object"),
        ((Model(parts=[0]),), {}, "argument 1, .parts[0]: a _thread.lock object"),
        ((0,), {}, "argument 1: a _thread.lock object"),
        (([*range(1, 1000), 0],), {}, "argument 1, [999]: a _thread.lock object"),
    ],
)
def test_the_error_says_where_the_trouble_is(
    args: tuple[Any, ...], data: dict[str, Any], message: str
) -> None:
    with pytest.raises(SerializationError) as caught:
        dump_arguments(_with_lock(args), _with_lock(data))
    assert message in str(caught.value)


# ── Arguments ──────────────────────────────────────────────────────────────────────────────────


class Text(str):
    """Has attributes, unlike its like."""

    __slots__ = ("note",)


PLAIN = [
    *(None, True, False, 0, 1, -1, 2**63, -(2**63), 2**64 - 1),
    *(0.0, -0.0, 1.5, 1e308, float("inf"), "", "text", "\0", "\N{SNOWMAN}"),
]
OTHERS = [2**64, -(2**63) - 1, 10**100, 1j, b"bytes", b"", "\ud800", Text("text"), (1,), [1], {}]


def check_same(found: object, given: object) -> None:
    assert type(found) is type(given)
    assert repr(found) == repr(given)


@pytest.mark.parametrize("value", PLAIN)
def test_plain_arguments_come_out_as_they_went_in(value: object) -> None:
    data = dump_plain((value, "x"), {"b": value, "a": 1})
    assert data is not None
    args, named = load_arguments(data)
    check_same([*args], [value, "x"])
    check_same(named, {"b": value, "a": 1})


def test_not_a_number_is_plain_too() -> None:
    data = dump_plain((float("nan"),), {})
    assert data is not None
    ((value,), _) = load_arguments(data)
    assert math.isnan(value)


@pytest.mark.parametrize("value", OTHERS)
def test_all_others_are_pickled(value: object) -> None:
    for args, data in (((1, value), {}), ((), {"x": value})):
        assert dump_plain(args, data) is None
        found, named = load_arguments(dump_arguments(args, data))
        check_same(tuple(found), args)
        check_same(named, data)


@pytest.mark.parametrize("value", [*PLAIN, *OTHERS])
@pytest.mark.parametrize("names", [("x",), ("x", "y")])
def test_rows_come_out_as_they_went_in(value: object, names: tuple[str, ...]) -> None:
    columns = {name: [1, value, name] for name in names}
    dumped = dump_rows(columns)
    assert (dumped is None) == isinstance(value, Text), "its class is to be looked at"
    dumped = dumped or [dump_arguments((), row) for row in as_rows(columns)]
    rows = [load_arguments(data) for data in dumped]
    assert [[*args] for args, _ in rows] == [[], [], []]
    for at, (_, row) in enumerate(rows):
        check_same(row, {name: columns[name][at] for name in names})


def test_equal_results_are_each_ones_own_unless_nothing_can_change_them() -> None:
    lists = load_all([dump([], "it")] * 20)
    assert lists == [[]] * 20
    assert len({id(found) for found in lists}) == 20
    numbers = load_all([dump(n % 2, "it") for n in range(20)] + [None])
    assert numbers == [0, 1] * 10 + [None]
    kinds = load_all([dump(n, "it") for n in (1, True, 1.0)] * 10)
    assert list(map(type, kinds)) == [int, bool, float] * 10


def _with_lock(value: Any) -> Any:
    """The value with a lock in place of each 0."""
    if value == 0:
        return threading.Lock()
    if isinstance(value, dict):
        return {key: _with_lock(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_with_lock(part) for part in value)
    if isinstance(value, Model):
        return Model(value.name, _with_lock(value.parts))
    return value


def test_the_error_names_the_variable_of_a_function() -> None:
    lock = threading.Lock()
    with pytest.raises(SerializationError, match="the task's function, its variable 'lock'"):
        dump_command(lambda: lock)


def test_an_object_that_raises_when_pickled_is_named() -> None:
    class Rude:
        def __reduce__(self) -> Any:
            raise ZeroDivisionError("no")

    with pytest.raises(SerializationError, match=r"the result, \[0\].*Rude.*ZeroDivisionError"):
        dump([Rude()], "the result")


def test_a_structure_that_is_too_deep_is_refused_politely() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="recursion"):
        dump(deep, "the result")


def test_what_cannot_be_loaded_says_so() -> None:
    with pytest.raises(SerializationError, match=r"the value could not be loaded here: .*Error"):
        load(b"garbage", "the value")


def test_the_error_itself_can_be_pickled() -> None:
    with pytest.raises(SerializationError) as caught:
        dump(threading.Lock(), "it")
    assert str(load(dump(caught.value, "the error"))) == str(caught.value)


def test_threads_may_pickle_at_once() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(200):
                assert load(dump_command(by_this_module))() == "here"
        except BaseException as error:  # noqa: BLE001  (handed to the main thread)
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
