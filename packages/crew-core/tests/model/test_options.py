"""Options say at once, and by name, what is wrong with them."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_core._model.errors import ConfigError, PluginContractError
from crew_core._model.options import (
    ClientOptions,
    LogOptions,
    RetryOptions,
    ScalingOptions,
    WorkerOptions,
    make_options,
    split,
)


@dataclass(frozen=True, kw_only=True)
class Own:
    partition: str | None = None
    memory: float | list[float] | None = None
    lines: tuple[str, ...] = ()
    script: Path | None = None
    mode: Literal["fast", "slow"] = "fast"


@dataclass(frozen=True, kw_only=True)
class Nothing:
    pass


def test_defaults_are_those_of_the_api() -> None:
    worker, scaling, retry, client, log, network, own = split({}, Own)
    assert (worker.seconds_idle, worker.seconds_wall, worker.tasks_max) == (300, math.inf, math.inf)
    assert (scaling.workers, scaling.seconds_launch, scaling.launch_max) == (1, None, 5)
    assert (retry.retry_tasks, retry.crashes_max) == (True, 5)
    assert (client.name, client.seconds_timeout, client.seed) == (None, 60, None)
    assert log.log_directory is None
    assert (network.host, network.host_advertised, network.port, network.tls) == (None,) * 4
    assert own == Own()


def test_split_sorts_flat_options_into_their_groups() -> None:
    options: dict[str, object] = {
        "seconds_idle": 10,
        "workers": 2,
        "retry_tasks": False,
        "name": "a.b-c_1",
        "log_directory": Path("logs"),
        "partition": "short",
    }
    groups = split(options, Own)
    assert groups.worker == WorkerOptions(seconds_idle=10)
    assert groups.scaling == ScalingOptions(workers=2)
    assert groups.retry == RetryOptions(retry_tasks=False)
    assert groups.client == ClientOptions(name="a.b-c_1")
    assert groups.log == LogOptions(log_directory=Path("logs"))
    assert groups.launcher == Own(partition="short")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seconds_idle", 0),
        ("seconds_idle", -1),
        ("seconds_wall", math.nan),
        ("seconds_interval", math.inf),
        ("seconds_launch", 0),
        ("seconds_timeout", -0.5),
        ("seconds_heartbeat", 0),
        ("tasks_max", 0),
        ("tasks_max", 1.5),
        ("tasks_max", -math.inf),
        ("tasks_timers", -1),
        ("workers", 0),
        ("launch_max", 0),
        ("pending_max", 0),
        ("pending_max", 1.5),
        ("budget_hours", 0),
        ("budget_hours", -1),
        ("budget_hours", math.nan),
        ("processes", 0),
        ("crashes_max", -1),
        ("seed", -1),
        ("name", ""),
        ("name", "a b"),
        ("name", "a/b"),
        ("name", ".."),
        ("name", "x" * 65),
        ("log_directory", ""),
        ("mode", "idle"),
    ],
)
def test_impossible_value_is_refused_by_option_and_value(option: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        split({option: value}, Own)
    assert str(caught.value).startswith(f"{option}={value!r}: ")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seconds_idle", "10"),
        ("seconds_idle", True),
        ("seconds_idle", None),
        ("workers", True),
        ("workers", 2.0),
        ("workers", "2"),
        ("tasks_max", "all"),
        ("reset_globals", 1),
        ("retry_tasks", None),
        ("name", 5),
        ("seed", 1.0),
        ("log_resources", 3),
        ("partition", 5),
        ("memory", "4"),
        ("lines", [1]),
        ("script", 1),
    ],
)
def test_wrong_type_is_refused_by_option_and_value(option: str, value: object) -> None:
    with pytest.raises(TypeError) as caught:
        split({option: value}, Own)
    assert str(caught.value).startswith(f"{option}={value!r}: ")


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [
        ("memory", 4, 4.0),
        ("memory", [4, 8], [4.0, 8.0]),
        ("lines", ["a", "b"], ("a", "b")),
        ("script", "x/y", Path("x/y")),
        ("script", Path("x"), Path("x")),
        ("partition", None, None),
    ],
)
def test_values_as_configuration_files_have_them_are_taken(
    option: str, value: object, kept: object
) -> None:
    assert getattr(make_options(Own, {option: value}), option) == kept


def test_unknown_option_is_named_with_the_nearest_and_all_valid_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        split({"second_idle": 1}, Own)
    message = str(caught.value)
    assert "'second_idle'" in message
    assert "Did you mean 'seconds_idle'?" in message
    assert all(name in message for name in ("workers", "crashes_max", "seed", "partition"))


def test_options_of_another_launcher_are_unknown() -> None:
    with pytest.raises(ConfigError, match="unknown option 'partition'"):
        split({"partition": "short"}, Nothing)


def test_launcher_that_takes_a_common_name_is_at_fault() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Greedy:
        workers: int = 3

    with pytest.raises(PluginContractError, match=r"Greedy declares .*: workers"):
        split({}, Greedy)


def test_what_a_launchers_own_check_raises_comes_through() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Picky:
        size: int = 1

        def __post_init__(self) -> None:
            if self.size > 3:
                raise ConfigError(f"size={self.size}: must be at most 3")

    with pytest.raises(ConfigError, match=r"^size=4: must be at most 3$"):
        split({"size": 4}, Picky)


def test_annotation_that_cannot_be_checked_lets_the_value_pass() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd:
        place: str | Path | None = None

    assert make_options(Odd, {"place": Path("x")}).place == Path("x")


def test_groups_are_frozen_and_take_keywords_only() -> None:
    options = WorkerOptions()
    with pytest.raises(FrozenInstanceError):
        options.seconds_idle = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        WorkerOptions(1)  # type: ignore[call-arg]


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3)
)


@given(
    st.sampled_from(["seconds_idle", "workers", "tasks_max", "name", "seed", "mode", "memory"]),
    anything,
)
def test_any_value_is_taken_or_refused_with_the_option_named(option: str, value: Any) -> None:
    said = f"{option}="
    try:
        split({option: value}, Own)
    except (ConfigError, TypeError) as error:
        said = str(error)
    assert said.startswith(f"{option}=")
