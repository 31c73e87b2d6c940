"""What users and plugin authors may rely on: names, signatures, documentation."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

import crew_core as crew
from crew_core.plugins import JobReport, Launcher, LaunchRequest, Monitor, WorkerLaunch
from crew_core.testing import FakeLauncher

DOORS = {
    "crew_core": {
        "ClientOptions",
        "ConfigError",
        "Controller",
        "ControllerGroup",
        "CrewError",
        "DispatcherError",
        "Everywhere",
        "InsecureWarning",
        "LaunchError",
        "LogOptions",
        "NetworkOptions",
        "PluginContractError",
        "PluginError",
        "PluginNotFoundError",
        "Record",
        "Reference",
        "RetryOptions",
        "ScalingOptions",
        "SerializationError",
        "Task",
        "TaskError",
        "TaskTimeoutError",
        "TaskWarning",
        "TlsOptions",
        "WorkerCrashError",
        "WorkerOptions",
        "__version__",
        "clean",
        "controller",
        "controllers",
        "monitor",
        "random_name",
        "retry",
        "rng",
        "terminate_process",
    },
    "crew_core.plugins": {
        "JOB_COLUMNS",
        "CommandAnswer",
        "CommandRunner",
        "ConfigError",
        "CrewError",
        "Finding",
        "JobReport",
        "JobState",
        "LaunchError",
        "LaunchRequest",
        "Launcher",
        "Looks",
        "Monitor",
        "Pace",
        "PluginError",
        "Grade",
        "WorkerLaunch",
        "command_runner",
        "hookimpl",
        "state_directory",
        "unforked",
    },
    "crew_core.services": {
        "Caller",
        "Pass",
        "Service",
        "ServiceError",
        "ServiceKeys",
        "ServiceLostError",
        "ServiceRefusedError",
        "make_private",
        "prune_logs_daily",
        "runtime_directory",
    },
    "crew_core.testing": {
        "FakeLauncher",
        "FakePlatform",
        "FakePlatformLauncher",
        "LauncherConformance",
        "PlatformConformance",
    },
}

TASK_OPTIONS = (
    "seed=None, algorithm=None, seconds_timeout=None, seconds_queue=None, seconds_expected=None, "
    "priority=0, save_command=False"
)

SIGNATURES = {
    crew.controller: "(which='local', **options)",
    crew.controllers: "(path=None, **options)",
    crew.monitor: "(which='local', **options)",
    crew.clean: "()",
    crew.retry: "(function, *, seconds_interval=0.25, seconds_timeout=60, max_tries=inf)",
    crew.random_name: "(n=8)",
    crew.rng: "(record=None)",
    crew.terminate_process: "(pid, *, seconds=3.0)",
    crew.Controller: (
        "(launcher, *, client=None, worker=None, scaling=None, retry=None, log=None, network=None)"
    ),
    crew.Controller.start: "(self)",
    crew.Controller.terminate: "(self)",
    crew.Controller.push: (
        f"(self, command, args=(), data=None, *, name=None, globals=None, packages=(), "
        f"{TASK_OPTIONS}, scale=True, throttle=True)"
    ),
    crew.Controller.everywhere: (
        "(self, command, args=(), data=None, *, name=None, globals=None, packages=(), seed=None, "
        "algorithm=None, seconds_timeout=None, save_command=False)"
    ),
    crew.Controller.put: "(self, obj)",
    crew.Everywhere.wait: "(self, seconds_timeout=inf)",
    crew.Everywhere.cancel: "(self)",
    crew.Controller.submit: "(self, fn, /, *args, **kwargs)",
    crew.Controller.walk: (
        f"(self, command, iterate, *, data=None, globals=None, packages=(), names=None, "
        f"{TASK_OPTIONS}, scale=True, throttle=True)"
    ),
    crew.Controller.map: (
        f"(self, command, iterate, *, data=None, globals=None, packages=(), names=None, "
        f"{TASK_OPTIONS}, error='stop', warnings=True, progress=None, scale=True, throttle=True)"
    ),
    crew.Controller.pop: "(self, scale=True, throttle=True, error=None)",
    crew.Controller.collect: "(self, scale=True, throttle=True, error=None)",
    crew.Controller.wait: (
        "(self, mode='all', seconds_timeout=inf, scale=True, throttle=True, progress=False)"
    ),
    crew.Controller.wait_async: "(self, mode='all', seconds_timeout=inf)",
    crew.Controller.results: "(self, error=None)",
    crew.Controller.as_completed: "(self, handles=None)",
    crew.Controller.executor: "(self)",
    crew.Controller.cancel: "(self, names=(), all=False)",
    crew.Controller.scale: "(self, throttle=True)",
    crew.Controller.autoscale: "(self)",
    crew.Controller.descale: "(self)",
    crew.Controller.launch: "(self, n=1)",
    crew.Controller.crashes: "(self, name)",
    crew.Controller.push_backlog: "(self, name)",
    crew.Controller.pop_backlog: "(self)",
    crew.Controller.summary: "(self)",
    crew.Controller.logs: "(self, of)",
    crew.ControllerGroup: "(*controllers)",
    crew.ControllerGroup.only: "(self, *names)",
    crew.Task.result: "(self, timeout=None)",
    crew.Task.exception: "(self, timeout=None)",
    crew.Task.cancel: "(self)",
    crew.Task.add_done_callback: "(self, fn)",
    crew.Record.value: "(self)",
    crew.LaunchError: (
        "(message, *, transient=False, too_many=False, argv=None, returncode=None, stderr='', "
        "log_tail='')"
    ),
    Launcher: "(options=None)",
    Launcher.launch: "(self, request)",
    Launcher.terminate: "(self, handles)",
    Launcher.poll: "(self, handles)",
    Launcher.find: "(self, names)",
    Launcher.seconds_life: "(self, step)",
    Launcher.options_at: "(self, step)",
    Launcher.logs: "(self, handle)",
    Launcher.job: "(self, handle)",
    Launcher.summary: "(self)",
    Launcher.reset: "(self)",
    Launcher.call: "(self)",
    LaunchRequest: "(*, controller='', launcher='', workers)",
    WorkerLaunch: "(*, worker, instance, name, argv, env=<factory>, log=None, step=0)",
    JobReport: "(state, cause=None, reason='', hopeless=False)",
    Monitor.jobs: "(self)",
    Monitor.terminate: "(self, ids=(), *, all=False)",
    FakeLauncher: "(options=None)",
}

PROPERTIES = {
    crew.Controller: (
        "backup budget_hours client empty error hours_used launcher name nonempty popped pushed "
        "resolved saturated size started unresolved"
    ),
    crew.Task: "name record status",
    crew.Reference: "size",
    crew.Everywhere: "active errors given_up name results",
    Launcher: "errors host_default name options steps",
    LaunchRequest: "step",
}

RECORD = (
    "name command result status error code trace warnings seconds seed algorithm controller "
    "launcher worker instance host pid job attempts pushed_at started_at finished_at rss_peak log "
    "cause"
)

OPTIONS: dict[type, dict[str, Any]] = {
    crew.WorkerOptions: {
        "seconds_idle": 300,
        "seconds_wall": float("inf"),
        "tasks_max": float("inf"),
        "tasks_timers": 0,
        "reset_globals": True,
        "reset_packages": False,
        "reset_options": False,
        "garbage_collection": False,
    },
    crew.ScalingOptions: {
        "workers": 1,
        "seconds_interval": 0.25,
        "launch_max": 5,
        "pending_max": float("inf"),
        "budget_hours": float("inf"),
        "processes": None,
    },
    crew.RetryOptions: {"retry_tasks": True, "crashes_max": 5, "backup": None},
    crew.ClientOptions: {
        "name": None,
        "seconds_timeout": 60,
        "seconds_heartbeat": 30,
        "put_memory_gigabytes": 1.0,
    },
    crew.LogOptions: {"log_resources": None},
}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_has_these_names_in_order(door: str) -> None:
    module = import_module(door)
    constants_first = sorted(DOORS[door], key=lambda name: (not name.isupper(), name))
    assert list(module.__all__) == constants_first
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("door", DOORS)
def test_star_import_brings_exactly_these(door: str) -> None:
    names: dict[str, Any] = {}
    exec(f"from {door} import *", names)
    del names["__builtins__"]
    assert set(names) == DOORS[door]


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_signature_is_what_the_reference_says(function: Any) -> None:
    signature = inspect.signature(function)
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    bare = signature.replace(parameters=plain, return_annotation=signature.empty)
    assert str(bare) == SIGNATURES[function]


@pytest.mark.parametrize("kind", PROPERTIES, ids=lambda kind: kind.__name__)
def test_what_is_read_without_a_call(kind: type) -> None:
    found = {
        name
        for name in dir(kind)
        if not name.startswith("_") and isinstance(inspect.getattr_static(kind, name), property)
    }
    assert found == set(PROPERTIES[kind].split())


def test_columns_of_a_record() -> None:
    names = list(inspect.signature(crew.Record).parameters)
    assert names[: len(RECORD.split())] == RECORD.split()


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.__name__)
def test_defaults_of_common_options(kind: Any) -> None:
    made = kind()
    assert {name: getattr(made, name) for name in OPTIONS[kind]} == OPTIONS[kind]


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (crew.ConfigError, (crew.CrewError, ValueError)),
        (crew.PluginNotFoundError, (crew.PluginError,)),
        (crew.PluginContractError, (crew.PluginError,)),
        (crew.PluginError, (crew.CrewError,)),
        (crew.LaunchError, (crew.CrewError,)),
        (crew.DispatcherError, (crew.CrewError,)),
        (crew.SerializationError, (crew.CrewError,)),
        (crew.TaskError, (crew.CrewError,)),
        (crew.WorkerCrashError, (crew.TaskError,)),
        (crew.TaskTimeoutError, (crew.TaskError, TimeoutError)),
        (crew.TaskWarning, (UserWarning,)),
        (crew.CrewError, (Exception,)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_an_error_is(error: type, bases: tuple[type, ...]) -> None:
    assert all(issubclass(error, base) for base in bases)


def documented() -> Iterator[tuple[str, Any]]:
    """Everything public: what the doors offer, and the methods and properties of classes."""
    for door, names in DOORS.items():
        module = import_module(door)
        yield door, module
        for name in sorted(names - {"__version__", "hookimpl"}):
            thing = getattr(module, name)
            yield f"{door}.{name}", thing
            if inspect.isclass(thing):
                for member in sorted(_own_members(thing)):
                    yield f"{door}.{name}.{member}", inspect.getattr_static(thing, member)


def _own_members(kind: type) -> set[str]:
    """Public functions, properties and classes that crew itself defines in a class or its bases."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("crew_core")]
    return {
        name
        for base in ours
        for name, value in vars(base).items()
        if not name.startswith("_")
        and (inspect.isroutine(value) or isinstance(value, property) or inspect.isclass(value))
    }


def test_everything_public_is_documented() -> None:
    everything = dict(documented())
    assert len(everything) > 100
    assert [name for name, thing in everything.items() if not inspect.getdoc(thing)] == []
    # A dataclass or an exception must not pass off its signature, or its base's text, as one.
    kinds = {name: thing for name, thing in everything.items() if inspect.isclass(thing)}
    assert [n for n, kind in kinds.items() if not kind.__dict__.get("__doc__")] == []
    assert [
        n for n, kind in kinds.items() if str(kind.__doc__).startswith(kind.__name__ + "(")
    ] == []
