"""CPython's own tests of ``concurrent.futures`` hold for a controller's executor and its futures.

They are taken from the standard library of the Python that runs this. What is left out is skipped
by name, with the reason. They are made for a quick machine: tasks that are not to end while a test
looks sleep for a minute longer here, and what workers import for a test is imported before it.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import pickle
import sys
import threading
import time
import unittest
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

import crew_core as crew

pytest.importorskip(
    "test.test_concurrent_futures",
    reason="CPython's tests of concurrent.futures are not part of this Python's installation",
)

SECONDS = 60
PARTS = {
    "ExecutorTest": "executor",
    "ExecutorShutdownTest": "test_shutdown",
    "ProcessPoolExecutorTest": "test_process_pool",
    "WaitTests": "test_wait",
    "AsCompletedTests": "test_as_completed",
    "FutureTests": "test_future",
}


def part(name: str) -> Any:
    """The module of CPython's tests that has a class: one module for all before Python 3.12."""
    package = "test.test_concurrent_futures"
    return importlib.import_module(
        package if sys.version_info < (3, 12) else f"{package}.{PARTS[name]}"
    )


def borrow(name: str, left_out: Mapping[str, str], base: type[unittest.TestCase]) -> Any:
    """CPython's test class on ours; those left out say why."""
    original = getattr(part(name), name)
    own = [test for test in vars(original) if test.startswith("test_")]
    tests = {test: vars(original)[test] for test in own}
    tests |= {
        test: unittest.skip(f"left out: {reason}")(tests[test])
        for test, reason in left_out.items()
        if test in tests  # not every Python has each
    }
    helpers = {
        key: value
        for key, value in vars(original).items()
        if isinstance(value, classmethod | staticmethod)
    }
    # Without the original's own bases, which make thread and process pools.
    return type(f"Test{name}", (base,), {**helpers, **tests, "__module__": __name__})


OUTLASTED = {
    "test_first_completed",
    "test_first_completed_some_already_completed",
    "test_first_exception",
    "test_first_exception_one_already_failed",
    "test_first_exception_some_already_complete",
    "test_future_times_out",
    "test_map_timeout",
    "test_timeout",
    "test_zero_timeout",
}
"""Tests with a task that sleeps, and has not ended when they look."""


def outlast(seconds: float) -> None:
    """Sleep for longer than any test looks, unless it is for no time at all. As a task."""
    time.sleep(seconds + 60 if seconds else 0)


class Executing(unittest.TestCase):
    """Each test has an executor; all are on one controller with more workers than cores."""

    worker_count = 5
    executor: concurrent.futures.Executor
    controller: ClassVar[crew.Controller]
    modules: ClassVar[list[ModuleType]] = [
        part(name) for name in ("ExecutorTest", "WaitTests", "AsCompletedTests")
    ]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def with_controller(cls, state_home: Path) -> Iterator[None]:
        with crew.controller("local", workers=cls.worker_count) as cls.controller:
            # So that tests race neither with starts nor with imports.
            cls.controller.launch(cls.worker_count)
            crew.retry(cls.all_are_online, seconds_interval=0.05)
            names = [module.__name__ for module in cls.modules]
            assert cls.controller.everywhere(import_all, (names,)).wait(SECONDS)
            yield

    @classmethod
    def all_are_online(cls) -> bool:
        return bool(cls.controller.launcher.summary()["online"].sum() == cls.worker_count)

    def setUp(self) -> None:
        self.executor = self.controller.executor()
        if self._testMethodName in OUTLASTED:
            patch = pytest.MonkeyPatch()
            self.addCleanup(patch.undo)
            for module in self.modules:
                patch.setattr(module, "time", SimpleNamespace(sleep=outlast))

    def tearDown(self) -> None:
        self.executor.shutdown(wait=True, cancel_futures=self._testMethodName in OUTLASTED)


def import_all(names: list[str]) -> None:
    """As a task."""
    for name in names:
        importlib.import_module(name)


class Outcome:
    """Decides from the test how a task ends that is waiting for it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def tell(self, value: object, error: BaseException | None) -> None:
        """Let the task end."""
        draft = self._file.with_suffix(".draft")
        draft.write_bytes(pickle.dumps((value, error)))
        draft.rename(self._file)

    def wait(self) -> object:
        """Run this as a task."""
        deadline = time.monotonic() + 60
        while not self._file.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        value, error = pickle.loads(self._file.read_bytes())
        if error is not None:
            raise error
        return value


class Futures(unittest.TestCase):
    """Tests that make futures and settle them by hand get tasks that end as they are told."""

    controller: ClassVar[crew.Controller]
    folder: ClassVar[Path]
    count: ClassVar[int] = 0

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def with_tasks(
        cls, state_home: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[None]:
        cls.folder = tmp_path_factory.mktemp("outcomes")
        with (
            crew.controller("local", workers=3) as cls.controller,
            pytest.MonkeyPatch.context() as p,
        ):
            module = part("FutureTests")
            p.setattr(module, "Future", cls.make)
            p.setattr(module, "create_future", cls.create)
            p.setattr(module, "PENDING_FUTURE", cls.make())
            p.setattr(module, "CANCELLED_FUTURE", cls.create("CANCELLED"))
            p.setattr(module, "CANCELLED_AND_NOTIFIED_FUTURE", cls.create("CANCELLED"))
            p.setattr(module, "EXCEPTION_FUTURE", cls.create("FINISHED", exception=OSError()))
            p.setattr(module, "SUCCESSFUL_FUTURE", cls.create("FINISHED", result=42))
            yield

    @classmethod
    def make(cls) -> Any:
        """A task that can be settled as a hand-made future can."""
        cls.count += 1
        outcome = Outcome(cls.folder / str(cls.count))
        task: Any = cls.controller.submit(outcome.wait)

        def settle(value: object = None, error: BaseException | None = None) -> None:
            over = threading.Event()
            task.add_done_callback(lambda _: over.set())  # the last one called
            outcome.tell(value, error)
            assert over.wait(SECONDS)

        task.set_result = settle
        task.set_exception = lambda error: settle(error=error)
        return task

    @classmethod
    def create(
        cls, state: str = "PENDING", exception: BaseException | None = None, result: object = None
    ) -> Any:
        task = cls.make()
        if state == "CANCELLED":
            task.cancel()
            concurrent.futures.wait([task], SECONDS)
        elif state == "FINISHED":
            task.set_exception(exception) if exception is not None else task.set_result(result)
        return task


OWN_POOL = "about how ThreadPoolExecutor or ProcessPoolExecutor is made, not about executors"
NEW_INTERPRETER = "starts an interpreter that makes the standard library's pools by name"
NO_RUNNING = "a client is not told when its task starts: running() is always False"
ASKS = "cancel() asks and does not wait for the answer: the state follows"
BY_HAND = "reaches into the state of a future that it made by hand"

TestExecutor = borrow(
    "ExecutorTest",
    {"test_max_workers_negative": OWN_POOL},
    Executing,
)
TestProcessPool = borrow(
    "ProcessPoolExecutorTest",
    {
        "test_max_workers_too_large": OWN_POOL,
        "test_max_tasks_per_child": OWN_POOL,
        "test_max_tasks_early_shutdown": OWN_POOL,
        "test_max_tasks_per_child_defaults_to_spawn_context": OWN_POOL,
        "test_python_finalization_error": OWN_POOL,
        "test_saturation": OWN_POOL,
        "test_idle_process_reuse_one": OWN_POOL,
        "test_idle_process_reuse_multiple": OWN_POOL,
        "test_killed_child": "a dead worker breaks nothing here: it is replaced",
        "test_traceback": "looks into a private class of the process pool; see test_record.py",
        "test_traceback_when_child_process_terminates_abruptly": "as test_killed_child",
        "test_ressources_gced_in_workers": "needs a manager of multiprocessing in its context",
        "test_process_fork_from_a_thread": OWN_POOL,
    },
    Executing,
)
TestWait = borrow("WaitTests", {}, Executing)
TestAsCompleted = borrow("AsCompletedTests", {}, Executing)
TestShutdown = borrow(
    "ExecutorShutdownTest",
    {
        "test_interpreter_shutdown": NEW_INTERPRETER,
        "test_submit_after_interpreter_shutdown": NEW_INTERPRETER,
        "test_hang_gh83386": NEW_INTERPRETER,
        "test_hang_gh94440": "makes a second pool with arguments of the standard library's",
        "test_cancel_futures": "cancels running tasks too here; see test_executor.py",
    },
    Executing,
)
TestFuture = borrow(
    "FutureTests",
    {
        "test_done_callback_with_cancel": ASKS,
        "test_done_callback_already_cancelled": ASKS,
        "test_cancel": ASKS,
        "test_done_callback_raises": "callbacks run on crew's thread and tell the log",
        "test_done_callback_raises_already_succeeded": "callbacks that raise tell the log",
        "test_repr": "a task says its name and status",
        "test_cancelled": NO_RUNNING,
        "test_done": NO_RUNNING,
        "test_running": NO_RUNNING,
        "test_result_with_timeout": NO_RUNNING,
        "test_exception_with_timeout": NO_RUNNING,
        "test_exception_with_success": BY_HAND,
        "test_multiple_set_result": BY_HAND,
        "test_multiple_set_exception": BY_HAND,
    },
    Futures,
)
