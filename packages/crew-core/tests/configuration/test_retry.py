"""retry() repeats until something true comes back, and gives up as told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import crew_core as crew


def answers(*values: object) -> Any:
    left: Iterator[object] = iter(values)
    return lambda: next(left)


def test_first_true_value_is_returned() -> None:
    assert crew.retry(answers(False, None, 0, "yes"), seconds_interval=0.001) == "yes"


def test_tries_are_limited() -> None:
    with pytest.raises(TimeoutError, match="in 3 tries"):
        crew.retry(answers(False, False, False, True), seconds_interval=0.001, max_tries=3)


def test_time_is_limited_but_one_try_is_made() -> None:
    with pytest.raises(TimeoutError, match="nothing true"):
        crew.retry(lambda: False, seconds_interval=0.001, seconds_timeout=0.01)
    assert crew.retry(lambda: True, seconds_timeout=1e-9)


def test_what_the_function_raises_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        crew.retry(lambda: bool(1 / 0))


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"seconds_interval": 0}, crew.ConfigError),
        ({"seconds_timeout": -1}, crew.ConfigError),
        ({"max_tries": 0}, crew.ConfigError),
        ({"max_tries": "2"}, TypeError),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=next(iter(options))):
        crew.retry(lambda: True, **options)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="must be callable"):
        crew.retry(5)  # type: ignore[arg-type]
