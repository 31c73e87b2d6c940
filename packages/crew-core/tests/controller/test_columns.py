"""The table of many tasks, made column by column, is the table of their records."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pandas as pd
import pytest

import crew_core as crew
from crew_core._controller.columns import table
from crew_core._controller.ended import Unreadable
from crew_core._controller.tables import records_table

Make = Callable[..., crew.Controller]

SECONDS = 90


def warn_and_fail() -> None:
    warnings.warn("careful", UserWarning, stacklevel=1)
    raise ValueError("no")


class Unloadable:
    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise RuntimeError("not here")


def returns_unloadable() -> Unloadable:
    return Unloadable()


def both(controller: crew.Controller) -> tuple[pd.DataFrame | None, pd.DataFrame]:
    session = controller._running()
    handles = session.book.finished()
    try:
        made = table(session.records.ended(handles))
    except Unreadable:
        made = None
    return made, records_table([handle._settled_record() for handle in handles])


def check_equal(controller: crew.Controller) -> pd.DataFrame:
    made, expected = both(controller)
    assert made is not None
    pd.testing.assert_frame_equal(made, expected)
    assert made.attrs == expected.attrs
    return made


def test_tasks_of_every_fate_have_the_rows_of_their_records(make: Make, gate: Any) -> None:
    controller = make(workers=1, crashes_max=1)
    controller.push(np.arange, (3,), name="array", seed=2**60, save_command=True)
    controller.push("[1, [2]]", name="list", seed=5, algorithm="Philox")
    controller.push(warn_and_fail, name="error")
    controller.push("import os\nos._exit(3)", name="crash")
    controller.push(time.sleep, (60,), name="timeout", seconds_timeout=0.05)
    held = controller.push(gate.hold, name="held")
    gate.wait_for(1)
    cancelled = controller.push("1", name="cancelled")
    cancelled.cancel()
    with pytest.raises(CancelledError):
        cancelled.result(SECONDS)
    gate.open()
    held.result(SECONDS)
    assert controller.wait(seconds_timeout=SECONDS)
    table = check_equal(controller)
    assert set(table["status"]) == {"success", "error", "crash", "timeout", "cancel"}
    assert table.set_index("name")["result"]["array"].tolist() == [0, 1, 2]


def test_tasks_that_all_succeeded_have_the_rows_of_their_records(make: Make) -> None:
    controller = make()
    controller.walk("x", {"x": list(range(50))})
    assert controller.wait(seconds_timeout=SECONDS)
    table = check_equal(controller)
    assert sorted(table["result"]) == list(range(50))


def test_no_tasks_have_no_rows_and_the_same_columns(make: Make) -> None:
    controller = make()
    none, some = controller.map("x", {"x": []}), controller.map("x", {"x": [1]})
    assert (len(none), len(some)) == (0, 1)
    assert none.columns.tolist() == some.columns.tolist()
    assert none["started_at"].dtype == some["started_at"].dtype


def test_a_result_that_cannot_be_loaded_leaves_the_table_to_the_records(make: Make) -> None:
    controller = make()
    controller.push(returns_unloadable)
    controller.push("1")
    assert controller.wait(seconds_timeout=SECONDS)
    assert both(controller)[0] is None
    table = controller.collect(error="silent")
    assert table is not None
    assert sorted(table["status"]) == ["error", "success"]


@pytest.mark.parametrize("seconds", [0.0, 1e-7, 5e-7, 1.5e-6, 0.1, 1234567.1234565, 1e9 + 0.3])
def test_times_are_rounded_as_those_of_records(seconds: float) -> None:
    from datetime import datetime, timezone

    from crew_core._controller.columns import _moments

    expected = datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    assert _moments([seconds, None])[0].item() == expected
    assert np.isnat(_moments([None])[0])


def test_to_look_at_a_column_copies_no_streams(make: Make) -> None:
    table = make().map("x", {"x": [1, 2]})
    assert table["result"].attrs["streams"] is table.attrs["streams"]
