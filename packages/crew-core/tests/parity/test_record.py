"""What a task brings back: its result, how it ended, and what it said meanwhile."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crew_core as crew

Run = Callable[..., crew.Record]

# ── Success and error ──────────────────────────────────────────────────────────────────────────


def test_a_success_has_its_result_and_its_seconds(run: Run) -> None:
    record = run("1 + 1", name="sum")
    assert (record.name, record.result, record.status, record.code) == ("sum", 2, "success", 0)
    assert (record.error, record.trace, record.warnings) == (None, None, None)
    assert isinstance(record.seconds, float)
    assert record.seconds >= 0


def test_any_result_passes_as_it_is(run: Run) -> None:
    result = run("{'a': [1, None], 'b': (2, {3})}").result
    assert result == {"a": [1, None], "b": (2, {3})}


def test_nothing_as_a_result_is_told_from_failure_by_the_status(run: Run) -> None:
    assert (run("None").result, run("None").status) == (None, "success")
    failed = run("1 / 0")
    assert (failed.result, failed.status) == (None, "error")


def test_an_error_has_code_minus_one_its_message_and_its_trace(run: Run) -> None:
    record = run("def inner():\n    raise ValueError('this is an error')\ninner()")
    assert (record.status, record.code, record.result) == ("error", -1, None)
    assert record.error is not None
    assert "this is an error" in record.error
    assert record.trace is not None
    assert "inner" in record.trace
    assert "this is an error" in record.trace


def test_an_error_without_a_message_is_not_empty(run: Run) -> None:
    assert run("raise ValueError").error
    assert run("raise ValueError('')").error


def test_a_missing_package_is_the_tasks_error(run: Run) -> None:
    record = run("1", packages=["no_such_package_anywhere"])
    assert (record.status, record.code) == ("error", -1)
    assert "no_such_package_anywhere" in str(record.error)


def test_arguments_that_cannot_be_read_are_the_tasks_error_by_name(run: Run) -> None:
    record = run(len, ([_Unreadable()],), name="its name")
    assert (record.name, record.status, record.code) == ("its name", "error", -1)
    assert "cannot be read" in str(record.error)


def test_leaving_the_interpreter_is_a_crash_with_code_19(make: Any, run_on: Run) -> None:
    record = run_on(make(crashes_max=0), "import os\nos._exit(0)")
    assert (record.status, record.code, record.result, record.seconds) == ("crash", 19, None, None)
    assert record.error


# ── Warnings and long texts ────────────────────────────────────────────────────────────────────


def test_a_warning_is_recorded_and_the_task_goes_on(run: Run) -> None:
    record = run("import warnings\nwarnings.warn('take care')\n'done'")
    assert (record.status, record.result) == ("success", "done")
    assert "take care" in str(record.warnings)


def test_a_warning_before_an_error_is_recorded_too(run: Run) -> None:
    record = run("import warnings\nwarnings.warn('take care')\nraise ValueError('too late')")
    assert record.status == "error"
    assert "take care" in str(record.warnings)
    assert "too late" in str(record.error)


def test_a_warning_without_a_message_is_not_empty(run: Run) -> None:
    assert run("import warnings\nwarnings.warn('')").warnings


def test_texts_hold_2048_characters_at_most(run: Run) -> None:
    record = run(_talk)
    assert record.error is not None
    assert record.warnings is not None
    assert record.trace is not None
    assert (len(record.error), len(record.warnings)) == (2048, 2048)
    assert len(record.trace) <= 2048  # the original's trace was not limited, against its word


def test_texts_that_no_encoding_takes_do_not_hurt(run: Run) -> None:
    record = run("import warnings\nwarnings.warn('\\udcff')\nraise ValueError('\\udcff')")
    assert record.status == "error"
    assert record.error
    assert record.warnings


# ── Random numbers ─────────────────────────────────────────────────────────────────────────────

DRAW = "import random, numpy\n(random.random(), float(numpy.random.random()))"


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others(run: Run) -> None:
    first, again, other = (run(DRAW, seed=seed).result for seed in (10, 10, 11))
    assert first == again
    assert first != other


def test_seed_and_algorithm_are_in_the_record_as_given(run: Run) -> None:
    record = run("1", seed=10, algorithm="Philox")
    assert (record.seed, record.algorithm) == (10, "Philox")
    record = run("1", seed=10)
    assert (record.seed, record.algorithm) == (10, None)
    record = run("1", algorithm="MT19937")
    assert (record.seed, record.algorithm) == (None, "MT19937")
    record = run("1")
    assert (record.seed, record.algorithm) == (None, None)


def test_a_seeded_task_draws_what_the_same_seed_draws_here(run: Run) -> None:
    drawn = run("crew.rng().random()", globals={"crew": crew}, seed=10, algorithm="PCG64").result
    assert drawn == np.random.Generator(np.random.PCG64(10)).random()


def test_a_task_leaves_the_callers_random_state_alone(run: Run) -> None:
    random.seed(1)
    np.random.seed(1)
    states = random.getstate(), np.random.get_state()[1]  # type: ignore[index]  # a tuple by default
    run(DRAW, seed=10)
    assert random.getstate() == states[0]
    assert (np.random.get_state()[1] == states[1]).all()  # type: ignore[index]  # as above


def test_a_seeded_task_does_not_decide_what_the_next_draws(run: Run) -> None:
    drawn = [run(DRAW, seed=seed).result for seed in (10, None, 10, None)]
    assert drawn[1] != drawn[3]


# ── Where it ran, and what it may leave behind ─────────────────────────────────────────────────


def test_the_task_knows_its_controller_and_the_caller_does_not(run: Run) -> None:
    record = run("import os\nos.environ['CREW_CONTROLLER']")
    assert record.result == record.controller
    assert "CREW_CONTROLLER" not in os.environ


def test_the_record_knows_where_and_when_it_ran(run: Run) -> None:
    record = run(os.getpid)
    assert record.pid == record.result != os.getpid()
    assert record.worker is not None
    assert record.instance
    assert record.host
    assert record.pushed_at is not None
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.pushed_at <= record.finished_at
    assert record.started_at <= record.finished_at
    assert record.rss_peak is not None
    assert record.rss_peak > 0


def test_a_new_global_is_seen_by_its_task_and_gone_afterwards(make: Any, run_on: Run) -> None:
    keep = make(reset_globals=False)
    clean = make()
    for controller, left in [(clean, False), (keep, True)]:
        text = "global parity_global\nparity_global = 1\n'parity_global' in globals()"
        assert run_on(controller, text).result is True
        assert run_on(controller, "'parity_global' in globals()").result is left


def test_given_globals_reach_neither_the_caller_nor_the_next_task(run: Run) -> None:
    assert run("parity_given + 1", globals={"parity_given": 1}).result == 2
    assert "parity_given" not in globals()
    assert run("'parity_given' in globals()").result is False


def test_options_that_a_task_changed_are_put_back_on_request(make: Any, run_on: Run) -> None:
    text = "import os\nbefore = os.environ.get('PARITY')\nos.environ['PARITY'] = 'x'\nbefore"
    for flag, seen in [(False, "x"), (True, None)]:
        controller = make(reset_options=flag, garbage_collection=True)
        assert [run_on(controller, text).result for _ in range(2)] == [None, seen]


def test_what_the_task_imports_is_forgotten_on_request(make: Any, run_on: Run, site: Any) -> None:
    (site / "plugin_parity.py").write_text("count = 0\n")
    text = "import plugin_parity\nplugin_parity.count += 1\nplugin_parity.count"
    for flag, seen in [(False, 2), (True, 1)]:
        controller = make(reset_packages=flag)
        assert [run_on(controller, text).result for _ in range(2)] == [1, seen]


class _Unreadable:
    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise ValueError("cannot be read")


def _talk(depth: int = 50) -> None:
    if depth:
        _talk(depth - 1)
    for number in range(1000):
        warnings.warn(f"{number} {'w' * 60}", stacklevel=1)
    raise ValueError("e" * 5000)


@pytest.mark.parametrize("command", ["quick", time.time])
def test_the_commands_text_is_kept_on_request(run: Run, command: Any) -> None:
    if command == "quick":
        assert run("1 + 1").command is None
        assert run("1 + 1", save_command=True).command == "1 + 1"
    else:
        assert "time" in str(run(command, save_command=True).command)
