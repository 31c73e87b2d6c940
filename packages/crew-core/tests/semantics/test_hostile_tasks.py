"""Whatever a task does to its process, its record is true and its worker goes on."""

from __future__ import annotations

import contextlib
import ctypes
import io
import itertools
import math
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

import crew_core as crew

SECONDS = 100
CRASHES_MAX = 2
MEBIBYTE = 1 << 20

Open = Callable[..., AbstractContextManager[crew.Controller]]
Run = Callable[..., crew.Record]


@pytest.fixture(scope="module")
def controller(open_controller: Open) -> Iterator[crew.Controller]:
    with open_controller(workers=1, crashes_max=CRASHES_MAX) as controller:
        yield controller


@pytest.fixture
def run(controller: crew.Controller) -> Run:
    """Runs a task, and then others on the same worker: they must not notice anything."""

    def run(command: Any, *args: Any, **options: Any) -> crew.Record:
        record = one(controller, command, *args, **options)
        after = one(controller, bystander, 20, 1)
        assert (after.status, after.result, after.error) == ("success", 21, None)
        assert (after.instance, after.attempts) == (record.instance, 1)
        assert after.warnings is None
        assert controller.empty
        return record

    return run


def one(controller: crew.Controller, command: Any, *args: Any, **options: Any) -> crew.Record:
    handle = controller.push(command, args, **options)
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert record is handle.record
    assert controller.pop() is None
    return record


def bystander(a: int, b: int) -> int:
    return a + b


def is_error(record: crew.Record, error: str, code: int = -1) -> bool:
    """True when all columns say that the task raised this."""
    assert (record.status, record.code, record.result) == ("error", code, None)
    assert record.error is not None
    assert record.trace is not None
    assert (record.cause, record.attempts) == (None, 1)
    assert record.seconds is not None
    assert record.seconds >= 0
    return error in record.error


def is_crash(record: crew.Record, cause: str) -> bool:
    """True when all columns say that the task's process died of this, as often as allowed."""
    assert (record.status, record.code, record.result) == ("crash", 19, None)
    assert (record.trace, record.exception, record.seconds) == (None, None, None)
    assert record.attempts == CRASHES_MAX
    assert record.error is not None
    assert cause in record.error
    with pytest.raises(crew.WorkerCrashError, match=cause) as raised:
        record.value()
    assert raised.value.record is record
    return record.cause == cause


# ── Forks ──────────────────────────────────────────────────────────────────────────────────────


def multiprocess() -> list[int]:
    fork = multiprocessing.get_context("fork")
    queue: SimpleQueue[int] = fork.SimpleQueue()
    children = [fork.Process(target=queue.put, args=(i,)) for i in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    with fork.Pool(2) as pool:
        roots = pool.map(math.isqrt, [0, 1, 4, 9])
    return sorted(queue.get() for _ in children) + roots


def fork_and_return() -> tuple[str, int]:
    child = os.fork()
    if child == 0:
        return "child", 0
    return "parent", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork_and_raise() -> tuple[str, int]:
    child = os.fork()
    if child == 0:
        raise ValueError("in the child")
    return "parent", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork_and_leave() -> tuple[str, int]:
    child = os.fork()
    if child == 0:
        os._exit(7)
    return "parent", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork_and_orphan(path: str) -> int:
    """The child goes on for longer than the task, and then returns from it a second time."""
    child = os.fork()
    if child == 0:
        while not os.path.exists(path):
            time.sleep(0.01)
    return child


def test_multiprocessing_forks(run: Run) -> None:
    record = run(multiprocess)
    assert (record.status, record.error) == ("success", None)
    assert record.result == [0, 1, 2, 0, 1, 2, 3]
    assert record.warnings is None  # Python warns of a fork in a process with threads


@pytest.mark.parametrize(
    ("task", "code"), [(fork_and_return, 0), (fork_and_raise, 1), (fork_and_leave, 7)]
)
def test_the_child_of_a_fork_may_do_as_it_likes(run: Run, task: Any, code: int) -> None:
    record = run(task)
    assert (record.status, record.result) == ("success", ("parent", code))


def test_a_child_may_come_back_after_its_task(
    run: Run, controller: crew.Controller, tmp_path: Path
) -> None:
    flag = tmp_path / "go"
    child = run(fork_and_orphan, str(flag)).result
    resolved = controller.resolved
    assert not has_ended(child)
    flag.touch()
    crew.retry(lambda: has_ended(child), seconds_interval=0.02)
    assert run(bystander, 1, 2).result == 3
    assert controller.resolved == resolved + 2


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ── Deaths ─────────────────────────────────────────────────────────────────────────────────────


def segfault() -> None:
    ctypes.string_at(0)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def abort() -> None:
    os.abort()


def close_everything() -> None:
    os.closerange(3, 4096)


@pytest.mark.parametrize(
    ("task", "args", "cause"),
    [
        (os._exit, (3,), "exit 3"),
        (os._exit, (0,), "exit 0"),
        (segfault, (), "signal 11"),
        (abort, (), "signal 6"),
        (kill_itself, (), "signal 9"),
        (close_everything, (), "exit 1"),
    ],
)
def test_a_death_is_a_crash_with_its_cause(
    run: Run, task: Any, args: tuple[Any, ...], cause: str
) -> None:
    assert is_crash(run(task, *args), cause)


def test_the_log_says_where_it_segfaulted(run: Run, controller: crew.Controller) -> None:
    text = controller.logs(run(segfault))
    assert "Segmentation fault" in text
    assert "in segfault" in text


def die_twice(path: str) -> str:
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) < CRASHES_MAX:
        os._exit(3)
    return "third time lucky"


def test_a_task_that_died_is_tried_again(
    run: Run, controller: crew.Controller, tmp_path: Path
) -> None:
    record = run(die_twice, str(tmp_path / "tries"), name="dies")
    assert (record.status, record.result, record.cause) == ("success", "third time lucky", None)
    assert record.attempts == CRASHES_MAX
    assert controller.crashes("dies") == 0


def test_a_task_may_kill_its_worker(run: Run, controller: crew.Controller) -> None:
    before = run(bystander, 1, 2).instance

    record = one(controller, kill_parent)

    assert is_crash(record, "crash")
    assert record.instance != before  # each try has a worker of its own
    after = one(controller, bystander, 1, 2)
    assert (after.result, after.worker) == (3, 1)
    assert after.instance not in (before, record.instance)


def kill_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(SECONDS)


# ── Exceptions ─────────────────────────────────────────────────────────────────────────────────


class HoldsLockError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class NeedsTwoError(Exception):
    """It pickles, and then cannot be made again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Outside(BaseException):
    pass


def raises_new(kind: Callable[..., BaseException], *args: Any) -> NoReturn:
    raise kind(*args)


def recurse() -> None:
    recurse()


def test_an_exception_that_pickles_comes_back(run: Run) -> None:
    record = run(raises_new, KeyError, "gone")
    assert is_error(record, "KeyError: 'gone'")
    assert "in raises_new" in str(record.trace)
    assert isinstance(record.exception, KeyError)
    with pytest.raises(KeyError, match="gone"):
        record.value()


@pytest.mark.parametrize(
    ("kind", "args", "error"),
    [
        (HoldsLockError, ("locked",), "HoldsLockError: locked"),
        (NeedsTwoError, ("this", "that"), "NeedsTwoError: this and that"),
        (SystemExit, (3,), "SystemExit: 3"),
        (SystemExit, (), "SystemExit"),
        (KeyboardInterrupt, (), "KeyboardInterrupt"),
        (GeneratorExit, (), "GeneratorExit"),
        (Outside, ("of Exception",), "Outside: of Exception"),
    ],
)
def test_an_exception_that_cannot_come_back_is_told_in_words(
    run: Run, kind: Any, args: tuple[Any, ...], error: str
) -> None:
    record = run(raises_new, kind, *args)
    assert is_error(record, error)
    assert record.exception is None
    assert "in raises_new" in str(record.trace)
    with pytest.raises(crew.TaskError) as raised:
        record.value()
    assert error in str(raised.value)
    assert raised.value.record is record


def test_an_exception_without_a_message(run: Run) -> None:
    record = run(raises_new, SilentError)
    assert is_error(record, "SilentError: <its message could not be made: RuntimeError>")
    with pytest.raises(SilentError):
        record.value()


def test_sys_exit_is_an_error(run: Run) -> None:
    record = run(sys.exit, "enough")
    assert is_error(record, "SystemExit: enough")
    assert record.exception is None


def test_endless_recursion_is_an_error(run: Run) -> None:
    record = run(recurse)
    assert is_error(record, "RecursionError")
    assert isinstance(record.exception, RecursionError)
    assert len(str(record.trace)) <= 2048


def test_memory_that_is_not_there_is_an_error(run: Run) -> None:
    assert is_error(run(bytes, 1 << 60), "MemoryError")


def take_all_memory(room: int) -> None:
    """Take what there is, to the last bit, where the system says how much that may be."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, most))
    taken, step = [], 1 << 22
    while True:
        try:
            taken.append(bytearray(step))
        except MemoryError:
            step >>= 1
            if step < 1 << 10:
                raise


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such limits")
def test_a_task_that_takes_all_memory_there_is_has_an_error(run: Run) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    assert is_error(run(take_all_memory, 1 << 26), "MemoryError")
    assert run(resource.setrlimit, resource.RLIMIT_AS, before).status == "success"


def test_long_texts_are_clipped(run: Run) -> None:
    record = run(raises_new, ValueError, "x" * 10_000)
    assert is_error(record, "ValueError: xxx")
    assert len(str(record.error)) == 2048
    assert len(str(record.trace)) == 2048
    assert str(record.exception) == "x" * 10_000


# ── What cannot be pickled, or unpickled ───────────────────────────────────────────────────────


class Made:
    """Is made by a call when it is unpickled."""

    def __init__(self, by: Callable[..., Any], *args: Any) -> None:
        self.by = by
        self.args = args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.by, self.args

    def __call__(self) -> None:
        raise AssertionError("it never arrives")


def lock_inside() -> dict[str, Any]:
    return {"fine": 1, "bad": [threading.Lock()]}


def numbers() -> Iterator[int]:
    yield 1


def refuse(text: str) -> NoReturn:
    raise ValueError(text)


def return_bomb() -> Made:
    return Made(refuse, "unwilling")


def test_a_result_that_does_not_pickle(run: Run) -> None:
    record = run(lock_inside)
    assert is_error(record, "the result, ['bad'][0]: a _thread.lock object cannot be pickled")
    assert isinstance(record.exception, crew.SerializationError)
    with pytest.raises(crew.SerializationError, match="lock"):
        record.value()


def test_a_generator_does_not_pickle(run: Run) -> None:
    assert is_error(run(numbers), "the result: a generator object cannot be pickled")


def return_exit() -> Made:
    return Made(sys.exit, "unwilling")


@pytest.mark.parametrize(
    ("task", "error"),
    [(return_bomb, "ValueError: unwilling"), (return_exit, "SystemExit: unwilling")],
)
def test_a_result_that_does_not_unpickle(run: Run, task: Any, error: str) -> None:
    record = run(task)
    assert (record.status, record.code, record.result) == ("error", -1, None)
    assert f"could not be loaded here: {error}" in str(record.error)
    with pytest.raises(crew.TaskError, match="unwilling"):
        record.value()


def test_arguments_that_do_not_unpickle(run: Run) -> None:
    record = run(bystander, Made(refuse, "unwilling"), 1)
    assert is_error(record, "the task's arguments could not be loaded here: ValueError: unwilling")
    assert isinstance(record.exception, crew.SerializationError)


def test_a_function_that_does_not_unpickle(run: Run) -> None:
    record = run(Made(refuse, "unwilling"))
    assert is_error(record, "the task's function could not be loaded here: ValueError: unwilling")
    assert isinstance(record.exception, crew.SerializationError)


def test_arguments_that_exit_when_they_are_unpickled(run: Run) -> None:
    record = run(bystander, Made(sys.exit, "at once"), 1)
    assert is_error(record, "the task's arguments could not be loaded here: SystemExit: at once")


def test_arguments_that_kill_when_they_are_unpickled(run: Run) -> None:
    assert is_crash(run(bystander, Made(os._exit, 3), 1), "exit 3")


# ── Output ─────────────────────────────────────────────────────────────────────────────────────


def print_a_gigabyte() -> int:
    print("the first line")  # noqa: T201
    line = "x" * 1023 + "\n"
    chunk = line * 1024
    for _ in range(1024):
        sys.stdout.write(chunk)
    print("the last line")  # noqa: T201
    return len(chunk) * 1024


def test_a_gigabyte_of_output_is_capped(open_controller: Open) -> None:
    with open_controller(workers=1) as controller:
        record = one(controller, print_a_gigabyte)
        assert record.result == 1 << 30
        crew.retry(lambda: "the last line" in controller.logs(record), seconds_interval=0.1)
        log = Path(str(record.log))
        assert_is_capped(controller.logs(record))
        assert sum(file.stat().st_size for file in log.parent.glob(f"{log.name}*")) < 5 * MEBIBYTE
        after = one(controller, bystander, 1, 2)
        assert (after.result, after.instance) == (3, record.instance)
    assert_is_capped(log.read_text())


def assert_is_capped(text: str) -> None:
    lines = text.splitlines()
    left_out = [i for i, line in enumerate(lines) if "bytes left out here" in line]
    assert len(text) < 5 * MEBIBYTE
    assert len(left_out) == 1
    assert lines.index("the first line") < left_out[0] < lines.index("the last line")
    kept = sum(line.count("x") for line in lines)
    missing = int(next(word for word in lines[left_out[0]].split() if word.isdigit()))
    assert abs(kept + missing - (1 << 30)) < 5 * MEBIBYTE // 1024 + 4096


def close_stdout() -> None:
    sys.stdout.close()
    sys.stderr.close()


def replace_stdout() -> None:
    sys.stdout = sys.stderr = io.StringIO()
    print("lost")  # noqa: T201


def remove_stdout() -> None:
    del sys.stdout
    sys.stderr = None


def close_descriptors() -> None:
    os.close(1)
    os.close(2)


def redirect_descriptors(path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    print("to the file")  # noqa: T201


def say(text: str) -> None:
    print(text, "on stdout")  # noqa: T201
    print(text, "on stderr", file=sys.stderr)  # noqa: T201


@pytest.mark.parametrize("task", [close_stdout, replace_stdout, remove_stdout])
def test_the_next_task_has_its_output_again(
    run: Run, controller: crew.Controller, task: Any
) -> None:
    assert run(task).status == "success"
    assert_is_heard(controller, f"after {task.__name__}")


@pytest.mark.parametrize("task", [close_descriptors, redirect_descriptors])
def test_the_next_task_has_its_descriptors_again(
    run: Run, controller: crew.Controller, task: Any, tmp_path: Path
) -> None:
    path = tmp_path / "output"
    assert run(task, *([str(path)] if task is redirect_descriptors else [])).status == "success"
    assert_is_heard(controller, f"after {task.__name__}")
    if path.exists():
        assert path.read_text() == "to the file\n"


def assert_is_heard(controller: crew.Controller, text: str) -> None:
    record = one(controller, say, text)
    crew.retry(
        lambda: (
            {f"{text} on stdout", f"{text} on stderr"} <= set(controller.logs(record).splitlines())
        ),
        seconds_interval=0.02,
    )


# ── Threads ────────────────────────────────────────────────────────────────────────────────────


def start_threads(path: str) -> list[int]:
    """Threads that end before the task, one that raises, and two that go on."""
    found: list[int] = []
    threads = [threading.Thread(target=found.append, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    threading.Thread(target=refuse, args=("in a thread",)).start()
    for daemon in (True, False):
        threading.Thread(target=write_for_ever, args=(path,), daemon=daemon).start()
    return sorted(found)


def write_for_ever(path: str) -> None:
    for i in itertools.count():
        with contextlib.suppress(OSError, ValueError), open(path, "w") as file:
            file.write(str(i))
        time.sleep(0.01)


def count_in(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def test_threads_may_outlive_the_task(open_controller: Open, tmp_path: Path) -> None:
    path = tmp_path / "count"
    with open_controller(workers=1) as controller:
        record = one(controller, start_threads, str(path))
        assert (record.status, record.result) == ("success", list(range(8)))
        seen = count_in(path)
        crew.retry(lambda: count_in(path) > seen, seconds_interval=0.02)
        after = one(controller, bystander, 1, 2)
        assert (after.result, after.instance, after.pid) == (3, record.instance, record.pid)
    crew.retry(lambda: has_ended(int(record.pid or 0)), seconds_interval=0.02)


# ── State of the process ───────────────────────────────────────────────────────────────────────


def change_directory(path: str) -> str:
    os.chdir(path)
    return os.getcwd()


def change_into_nowhere(path: str) -> bool:
    os.mkdir(path)
    os.chdir(path)
    os.rmdir(path)
    return os.path.exists(".")


def ignore_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def signal_handlers() -> list[bool]:
    return [
        callable(signal.getsignal(signal.SIGINT)),
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    ]


def ring_later() -> None:
    signal.signal(signal.SIGALRM, lambda *_: refuse("late"))
    signal.setitimer(signal.ITIMER_REAL, 600)


def alarm() -> tuple[bool, tuple[float, float]]:
    """Whether the handler of alarms is the system's, and what is left of the timer."""
    is_default = signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    return is_default, signal.getitimer(signal.ITIMER_REAL)


def spoil_environment() -> None:
    os.environ.clear()
    warnings.resetwarnings()
    warnings.showwarning = None  # type: ignore[assignment]
    sys.path.clear()
    sys.argv.clear()


def test_a_task_may_change_directory(run: Run, tmp_path: Path) -> None:
    assert run(change_directory, str(tmp_path)).result == str(tmp_path)
    assert run(change_directory, "/").result == "/"


def test_a_task_may_leave_its_directory_for_nowhere(run: Run, tmp_path: Path) -> None:
    assert run(change_into_nowhere, str(tmp_path / "nowhere")).status == "success"
    assert is_crash(run(os._exit, 3), "exit 3")
    assert run(change_directory, "/").result == "/"


def test_ignored_signals_are_not_ignored_by_the_next_task(run: Run) -> None:
    assert run(ignore_signals).status == "success"
    assert run(signal_handlers).result == [True, True]


def test_an_alarm_does_not_ring_in_the_next_task(run: Run) -> None:
    assert run(ring_later).status == "success"
    assert run(alarm).result == (True, (0.0, 0.0))


def test_a_spoilt_environment(run: Run) -> None:
    assert run(spoil_environment).status == "success"
    assert is_crash(run(os._exit, 3), "exit 3")


def use_memory(mebibytes: int) -> int:
    data = bytearray(mebibytes * MEBIBYTE)
    data[::4096] = bytes(len(data) // 4096)
    return len(data)


def test_the_peak_of_memory_is_that_of_the_task(run: Run) -> None:
    small = run(use_memory, 1).rss_peak
    large = run(use_memory, 300).rss_peak
    between = run(use_memory, 1).rss_peak
    middle = run(use_memory, 100).rss_peak
    assert small is not None
    assert large is not None
    assert between is not None
    assert middle is not None
    assert small < 150 * MEBIBYTE
    assert 300 * MEBIBYTE < large < small + 350 * MEBIBYTE
    if sys.platform == "linux":  # elsewhere it is the peak of the process's life
        assert between < small + 50 * MEBIBYTE
        assert 100 * MEBIBYTE < middle < small + 150 * MEBIBYTE


# ── Daemons ────────────────────────────────────────────────────────────────────────────────────

SLEEP = "import time; time.sleep(600)"


def leave_daemon(environment: dict[str, str] | None) -> int:
    """A process in a session of its own, as daemons are."""
    return subprocess.Popen(
        [sys.executable, "-c", SLEEP], start_new_session=True, env=environment
    ).pid


def leave_orphan() -> int:
    """The same by hand: its parent is gone too."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        grandchild = os.fork()
        if grandchild:
            os.write(into, str(grandchild).encode())
            os._exit(0)
        time.sleep(600)
    os.waitpid(child, 0)
    return int(os.read(out, 32))


@pytest.mark.parametrize(
    ("task", "args"), [(leave_daemon, (None,)), (leave_daemon, ({},)), (leave_orphan, ())]
)
def test_a_daemon_ends_with_its_worker(
    open_controller: Open, task: Any, args: tuple[Any, ...]
) -> None:
    with open_controller(workers=1, tasks_max=2) as controller:
        record = one(controller, task, *args)
        daemon = record.result
        assert not has_ended(daemon)
        last = one(controller, bystander, 1, 2)  # now the worker leaves
        assert (last.result, last.instance) == (3, record.instance)
        crew.retry(lambda: has_ended(daemon), seconds_interval=0.02)
        assert one(controller, bystander, 1, 2).instance != record.instance


def test_a_daemon_ends_with_its_controller(open_controller: Open) -> None:
    with open_controller(workers=1) as controller:
        daemon = one(controller, leave_daemon, {}).result
        assert not has_ended(daemon)
    crew.retry(lambda: has_ended(daemon), seconds_interval=0.02)  # killed, and about to end


@pytest.mark.skipif(sys.platform != "linux", reason="found by its environment, which is Linux's")
def test_a_daemon_ends_with_a_worker_that_was_killed(open_controller: Open) -> None:
    with open_controller(workers=1) as controller:
        daemon = one(controller, leave_daemon, None).result
        os.kill(one(controller, os.getppid).result, signal.SIGKILL)
        crew.retry(lambda: has_ended(daemon), seconds_interval=0.02)
        assert one(controller, bystander, 1, 2).result == 3


def write_everywhere() -> None:
    """A whole frame that says nothing, to whatever this process has open to write to."""
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(fd, b"\x00\x00\x00\x04junk")
    time.sleep(600)


def test_a_task_that_writes_to_crews_own_pipes_costs_its_process_and_not_the_worker(
    make: Any,
) -> None:
    controller = make(workers=1, crashes_max=1)
    controller.push(write_everywhere)
    assert controller.wait(seconds_timeout=60)
    record = controller.pop()
    assert (record.status, record.cause) == ("crash", "signal 9")
    assert controller.push("1 + 1").result(60) == 2
    assert controller.launcher.summary()["launches"].tolist() == [1]
