"""Tasks of the sequential controller are guests in the user's process: they leave no trace."""

from __future__ import annotations

import asyncio
import io
import locale
import logging
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crew_core as crew

SECONDS = 30


@pytest.fixture
def sequential() -> Iterator[crew.Controller]:
    with crew.controller("sequential") as controller:
        yield controller


@pytest.fixture
def shared_names(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An importable module, by which tasks reach objects of the test."""
    module = types.ModuleType("shared_by_tasks")
    monkeypatch.setitem(sys.modules, "shared_by_tasks", module)
    return module


def state() -> dict[str, Any]:
    """What is the user's own."""
    return {
        "main": sys.modules["__main__"],
        "names": sorted(vars(sys.modules["__main__"])),
        "path": list(sys.path),
        "argv": list(sys.argv),
        "finders": list(sys.meta_path),
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "filters": list(warnings.filters),
        "show": warnings.showwarning,
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "locale": locale.setlocale(locale.LC_ALL),
        "level": logging.getLogger().level,
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM)],
        "timer": signal.getitimer(signal.ITIMER_REAL)[0] > 0,
    }


def make_a_mess() -> str:
    main = sys.modules["__main__"]
    vars(main)["mess"] = 1
    sys.path.insert(0, "/nowhere")
    sys.argv.append("--mess")
    os.environ["MESS"] = "1"
    os.environ.pop("HOME", None)
    os.chdir("/")
    warnings.simplefilter("error")
    sys.stdout = sys.stderr = io.StringIO()
    logging.getLogger().setLevel(logging.DEBUG)
    random.seed(1)
    np.random.seed(1)
    for number in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    return "made"


@pytest.mark.parametrize("options", [{}, {"seconds_timeout": SECONDS}])
def test_a_task_leaves_the_users_process_as_it_was(
    sequential: crew.Controller, options: dict[str, Any]
) -> None:
    before = state()
    assert sequential.push(make_a_mess, **options).result() == "made"
    assert state() == before


def test_a_task_that_fails_leaves_the_users_process_as_it_was(sequential: crew.Controller) -> None:
    before = state()
    assert sequential.push("mess = 1\nimport os; os.chdir('/')\n1 / 0").status == "error"
    assert state() == before


def test_a_module_that_the_task_was_first_to_import_draws_at_random_afterwards() -> None:
    script = """
        import sys
        import crew_core as crew
        with crew.controller("sequential", seed=1) as controller:
            first = controller.push("import numpy; numpy.random.random()").result()
            print(first, sys.modules["numpy.random"].random())
    """
    drawn = [run(script).split() for _ in range(2)]
    assert drawn[0][0] == drawn[1][0]  # the task's stream
    assert drawn[0][1] != drawn[1][1]  # the user's own


def test_pythons_own_warning_options_hold_as_they_do_in_workers() -> None:
    script = """
        import crew_core as crew
        for which in ("sequential", "local"):
            with crew.controller(which) as controller:
                print(controller.push("import warnings; warnings.warn('no')").exception())
    """
    shown = run(script, env={"PYTHONWARNINGS": "error::UserWarning"})
    assert shown.splitlines()[:2] == ["no", "no"]


def test_tasks_share_global_names_only_when_they_are_not_reset() -> None:
    for reset, expected in ((True, "NameError"), (False, "None")):
        with crew.controller("sequential", reset_globals=reset) as controller:
            controller.push("global left\nleft = 1")
            record = controller.push("left").record
            assert record is not None
            assert str(record.error).startswith(expected)


def test_modules_that_a_task_imported_are_dropped_when_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_of_a_guest.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with crew.controller("sequential", reset_packages=True) as controller:
        assert controller.push("import module_of_a_guest as m; m.x").result() == 1
    assert "module_of_a_guest" not in sys.modules


def test_prints_come_out_where_the_users_do(
    sequential: crew.Controller, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.stdout.write("before\n")
    handle = sequential.push("import sys; sys.stdout.write('inside\\n')")
    sequential.push("import warnings; warnings.warn('look'); 1 / 0")
    shown = capsys.readouterr()
    assert shown.out == "before\ninside\n"
    assert "Warning: look" in shown.err
    assert "ZeroDivisionError" in shown.err
    with pytest.raises(crew.ConfigError, match="runs its tasks in this process"):
        sequential.logs(handle)


def test_a_value_is_a_copy_as_it_would_be_from_a_worker(sequential: crew.Controller) -> None:
    given = [1]
    got = sequential.push(lambda x: x, (given,)).result()
    assert got == given
    assert got is not given


# ── Debuggers ──────────────────────────────────────────────────────────────────────────────────


def run(script: str, answers: str = "", env: dict[str, str] | None = None) -> str:
    """Run a script of a user who types these answers; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        input=answers,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


DEBUGGED = """
    import crew_core as crew

    def task(x):
        y = x + 1
        breakpoint()
        return y

    with crew.controller("sequential") as controller:
        try:
            print("value", controller.push(task, (1,)).result())
        except BaseException as error:
            print("came out:", type(error).__name__, controller.pop().error)
        print("then", controller.push(len, ("abc",)).result())
"""


def test_a_breakpoint_stops_in_the_task(sequential: crew.Controller) -> None:
    shown = run(DEBUGGED, "p 'y is', y\ny = 40\nc\n")
    assert "('y is', 2)" in shown
    assert "value 40" in shown
    assert "then 3" in shown


def test_who_quits_the_debugger_is_out_of_the_task_and_of_push() -> None:
    shown = run(DEBUGGED, "q\n")
    assert "came out: BdbQuit interrupted in the process that ran it (BdbQuit)" in shown
    assert "then 3" in shown


# ── Ctrl-C ─────────────────────────────────────────────────────────────────────────────────────


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)
    time.sleep(SECONDS)


def catch_ctrl_c() -> str:
    try:
        press_ctrl_c()
    except KeyboardInterrupt:
        return "caught"
    return "not there"


@pytest.mark.parametrize("task", [press_ctrl_c, catch_ctrl_c])
def test_ctrl_c_reaches_the_user_and_leaves_the_controller_usable(
    sequential: crew.Controller, task: Callable[[], object]
) -> None:
    before = state()
    with pytest.raises(KeyboardInterrupt):
        sequential.push(task, name="interrupted")
    assert state() == before
    record = sequential.pop()
    assert record is not None
    assert (record.name, record.status, record.code) == ("interrupted", "cancel", 20)
    assert record.error == "interrupted in the process that ran it (KeyboardInterrupt)"
    assert sequential.push(len, ("abc",)).result() == 3


def test_ctrl_c_during_a_map_leaves_the_other_tasks_for_later(sequential: crew.Controller) -> None:
    with pytest.raises(KeyboardInterrupt):
        sequential.map(press_at, {"n": [1, 2, 3]}, data={"at": 2}, names=["a", "b", "c"])
    assert sequential.unresolved == 1
    assert sequential.wait(seconds_timeout=SECONDS)
    assert {r.name: r.status for r in sequential.results()} == {
        "a": "success",
        "b": "cancel",
        "c": "success",
    }


def press_at(n: int, at: int) -> int:
    if n == at:
        press_ctrl_c()
    return n


def test_ctrl_c_while_things_are_put_back_waits_until_they_are(
    sequential: crew.Controller,
) -> None:
    pressed = []

    def press(_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        pressed.append(True)

    handle = sequential.push(len, ("abc",), scale=False)
    handle.add_done_callback(press)  # is called after the task, before ``scale`` returns
    with pytest.raises(KeyboardInterrupt):
        sequential.scale()
    assert pressed
    assert handle.result() == 3


STORM = """
    import os, random, signal, sys, threading, time
    import crew_core as crew

    def state():
        handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM)]
        timer = signal.getitimer(signal.ITIMER_REAL)
        return sys.modules["__main__"], list(sys.path), dict(os.environ), handlers, timer

    def wait_for_rounds(more):
        until = rounds + more
        while rounds < until:
            time.sleep(0.001)

    def press(times):
        wait_for_rounds(1)  # by then the main thread is where it catches what we send
        pressed = 0
        while pressed < times or interrupted <= 10:
            time.sleep(0.005 + random.random() * 0.02)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            pressed += 1
        wait_for_rounds(2)  # by then it has caught the last
        over.append(True)

    def work():
        global rounds
        while not over:
            rounds += 1
            controller.push("sum(range(20000))", seconds_timeout=random.choice([None, 0.001, 60]))
            controller.push("1", scale=False)
            controller.wait()
            controller.pop()

    before = state()
    over = []
    interrupted = rounds = 0
    controller = crew.controller("sequential")
    controller.start()
    presser = threading.Thread(target=press, args=(100,))
    presser.start()
    while not over:
        try:
            while not over:
                try:
                    work()
                except KeyboardInterrupt:
                    interrupted += 1
        except KeyboardInterrupt:  # it struck outside of the inner one
            interrupted += 1
    presser.join()
    print(interrupted > 10, controller.wait(seconds_timeout=30), controller.unresolved)
    print(state() == before, controller.push("3").result())
"""


def test_a_storm_of_ctrl_c_neither_loses_a_task_nor_leaves_a_trace() -> None:
    shown = run(STORM).splitlines()
    assert shown[:2] == ["True True 0", "True 3"]


def test_a_users_own_handler_of_ctrl_c_is_called_in_the_task(sequential: crew.Controller) -> None:
    called = []
    before = signal.signal(signal.SIGINT, lambda *_: called.append(True))
    try:
        handle = sequential.push("import signal; signal.raise_signal(signal.SIGINT); 'went on'")
    finally:
        signal.signal(signal.SIGINT, before)
    assert handle.result() == "went on"
    assert called == [True]


# ── Time limits and cancelling ─────────────────────────────────────────────────────────────────


def test_a_users_own_alarm_goes_off_after_a_task_with_a_time_limit(
    sequential: crew.Controller,
) -> None:
    rang = threading.Event()
    handler = signal.signal(signal.SIGALRM, lambda *_: rang.set())
    timer = signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        handle = sequential.push(time.sleep, (0.2,), seconds_timeout=SECONDS)
        assert handle.status == "success"
        assert rang.wait(SECONDS)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_in_another_thread_a_task_that_ran_too_long_is_counted_as_such(
    sequential: crew.Controller,
) -> None:
    handle = in_thread(lambda: sequential.push(time.sleep, (0.1,), seconds_timeout=0.01))
    assert handle.record.status == "timeout"
    assert handle.record.error == "ran longer than seconds_timeout=0.01"
    assert handle.record.seconds >= 0.1


def in_thread(call: Callable[[], Any]) -> Any:
    """What a call returns in a thread of its own."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join(SECONDS)
    return results[0]


def test_a_running_task_is_cancelled_from_another_thread(
    sequential: crew.Controller, shared_names: Any
) -> None:
    shared_names.started = threading.Event()
    shared_names.ended = []

    def cancel() -> None:
        shared_names.started.wait(SECONDS)
        sequential.cancel("long")

    thread = threading.Thread(target=cancel)
    thread.start()
    text = "import shared_by_tasks as d, time; d.started.set(); time.sleep(20)"
    handle = sequential.push(text, name="long")
    thread.join(SECONDS)
    assert handle.cancelled()
    assert handle.record is not None
    assert handle.record.error == "cancelled"
    assert sequential.push(len, ("abc",)).result() == 3


# ── Threads, tasks in tasks, event loops ───────────────────────────────────────────────────────


def test_threads_that_push_at_once_all_get_their_results(sequential: crew.Controller) -> None:
    values: dict[int, int] = {}

    def push(n: int) -> None:
        values[n] = sequential.push(lambda x: x + 1, (n,)).result(SECONDS)

    threads = [threading.Thread(target=push, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert values == {n: n + 1 for n in range(20)}


def test_what_another_thread_pushes_meanwhile_is_run_by_the_one_that_is_at_it(
    sequential: crew.Controller, shared_names: Any
) -> None:
    shared_names.handles = []

    def push() -> None:
        shared_names.handles.append(sequential.push("__import__('threading').get_ident()"))

    shared_names.push = push
    sequential.push(
        "import threading, shared_by_tasks as d\n"
        "thread = threading.Thread(target=d.push)\n"
        "thread.start()\nthread.join()\nd.handles[0].done()",
        name="outer",
    )
    (handle,) = shared_names.handles
    assert handle.result(SECONDS) == threading.get_ident()


def test_a_task_may_use_its_own_controller(sequential: crew.Controller, shared_names: Any) -> None:
    shared_names.controller = sequential
    text = """
        import random, warnings, shared_by_tasks as d
        x = [random.random()]
        warnings.warn("outer")
        inner = d.controller.push("import random; random.random(), 'x' in globals()", seed=1)
        value = inner.result()
        inner_map = d.controller.submit(sum, [1, 2]).result()
        x += [random.random(), value, inner_map, __name__, inner.record.status]
        x
    """
    record = sequential.push(text, seed=2, name="outer").record
    assert record is not None
    expected = random.Random(2)
    draws = [expected.random(), expected.random()]
    inner = (random.Random(1).random(), False)
    assert record.result == [*draws, inner, 3, "__main__", "success"]
    assert record.warnings == "outer"
    assert sequential.resolved == 2


def test_tasks_in_tasks_go_deep(sequential: crew.Controller, shared_names: Any) -> None:
    shared_names.controller = sequential
    shared_names.text = (
        "import shared_by_tasks as d\n"
        "1 if n == 0 else n * d.controller.push(d.text, data={'n': n - 1}).result()"
    )
    assert sequential.push(shared_names.text, data={"n": 8}).result() == 40320


@pytest.mark.parametrize("how", ["controller.wait()", "outer.result()", "next(d.results())"])
def test_a_task_that_waits_for_itself_is_told_at_once(
    sequential: crew.Controller, shared_names: Any, how: str
) -> None:
    shared_names.controller, shared_names.results = sequential, sequential.results
    call = how if how.startswith("next") else f"d.{how}"
    shared_names.outer = sequential.push(f"import shared_by_tasks as d; {call}", scale=False)
    assert sequential.wait(seconds_timeout=SECONDS)
    assert shared_names.outer.status == "error"
    assert "cannot end before itself" in shared_names.outer.record.error


@pytest.mark.parametrize("limits", ["", ", seconds_timeout=600"])
def test_the_time_limit_of_a_task_holds_for_the_tasks_in_it(
    sequential: crew.Controller, shared_names: Any, limits: str
) -> None:
    shared_names.controller = sequential
    handle = sequential.push(
        "import shared_by_tasks as d\n"
        f"d.controller.push('import time; time.sleep(20)', name='inner'{limits})\n",
        seconds_timeout=4,  # enough to come to the inner one
        name="outer",
    )
    assert handle.record is not None
    assert handle.record.error == "ran longer than seconds_timeout=4"
    ended = {record.name: record.status for record in sequential.results()}
    assert ended == {"inner": "cancel", "outer": "timeout"}


def test_inside_a_running_event_loop_async_tasks_work_and_handles_are_awaited(
    sequential: crew.Controller,
) -> None:
    async def double(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        values: list[Any] = [await sequential.push(double, (n,)) for n in range(3)]
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)
        async for record in sequential.results():
            values.append(record.result)
        return values

    assert asyncio.run(main()) == [0, 2, 4, 0, 2, 4]


def test_warm_ups_hold_for_all_tasks_that_follow_and_for_those_in_them(
    sequential: crew.Controller, shared_names: Any
) -> None:
    shared_names.controller = sequential
    text = "import os\nloaded = 5\nos.environ['WARM'] = 'up'"
    warm_up = sequential.everywhere(text)
    assert warm_up.wait(SECONDS)
    assert [record.status for record in warm_up.results.values()] == ["success"]
    look = "loaded, __import__('os').environ['WARM']"
    assert sequential.push(look).result() == (5, "up")
    inside = f"import shared_by_tasks as d; d.controller.push({look!r}).result()"
    assert sequential.push(inside).result() == (5, "up")
    assert "WARM" not in os.environ


def test_groups_may_have_it_as_a_member() -> None:
    here, there = (crew.controller(w, name=f"{w}-{os.getpid()}") for w in ("sequential", "local"))
    with crew.ControllerGroup(here, there) as group:
        mine = group.push(os.getpid)
        theirs = group.push(os.getpid, controller=there.name)
        assert group.wait(seconds_timeout=SECONDS)
        assert mine.result() == os.getpid() != theirs.result()
        assert len(group.summary()) == 2
        table = group.collect()
        assert table is not None
        assert set(table.launcher) == {"sequential", "local"}


def test_a_forked_child_is_refused_and_may_make_its_own(sequential: crew.Controller) -> None:
    sequential.push(len, ("abc",))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sequential.push(len, ("abc",))
        except crew.CrewError:
            with crew.controller("sequential") as own:
                code = 0 if own.push(len, ("abc",)).result() == 3 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
