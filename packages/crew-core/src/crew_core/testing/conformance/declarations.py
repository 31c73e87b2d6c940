"""Checks of a launcher's class: its options, and what it says of itself."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from crew_core._launcher.base import API_VERSION, SUMMARY_COLUMNS, Launcher
from crew_core._model.options import (
    ClientOptions,
    LogOptions,
    RetryOptions,
    ScalingOptions,
    WorkerOptions,
    make_options,
)
from crew_core.testing.bench import Bench, poll
from crew_core.testing.conformance.base import Checks

COMMON = (ClientOptions, LogOptions, RetryOptions, ScalingOptions, WorkerOptions)


class DeclarationChecks(Checks):
    """A launcher's class declares its options, and says what it is.

    Attributes:
        bad_options: options that the launcher must refuse, each with its name and an impossible
            value: ``({"queue": ""}, {"cores": 0})``.
    """

    bad_options: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def test_class_can_be_used_by_crew(self, bench: Bench) -> None:
        """A launcher derives from Launcher and names this version of crew's plugin interface."""
        launcher = bench.launcher()
        assert isinstance(launcher, Launcher), "a launcher must derive from crew_core's Launcher"
        assert launcher.api_version == API_VERSION, "api_version must be this crew-core's"

    def test_class_is_documented(self, bench: Bench) -> None:
        """A launcher's class says in a docstring of its own what it launches on."""
        doc = type(bench.launcher()).__dict__.get("__doc__")
        assert (doc or "").strip(), "crew launchers shows the docstring"

    def test_time_to_launch_is_a_number_of_seconds(self, bench: Bench) -> None:
        """A launcher says how many seconds its workers may take to connect."""
        seconds = bench.launcher().seconds_launch_default
        assert isinstance(seconds, int | float), "seconds_launch_default must be a number"
        assert 0 < seconds < math.inf, "seconds_launch_default must be above 0 and finite"

    def test_name_can_be_printed(self, bench: Bench) -> None:
        """A launcher has a name of one line."""
        name = bench.launcher().name
        assert isinstance(name, str), "name must be text"
        assert name == " ".join(name.split()) != "", "name must be one line"

    def test_options_are_a_frozen_dataclass(self, bench: Bench) -> None:
        """A launcher's options cannot change once a controller has checked them."""
        kind = type(bench.launcher()).Options
        assert dataclasses.is_dataclass(kind), "Options must be a dataclass"
        assert kind.__dataclass_params__.frozen, "Options must be frozen"  # type: ignore[attr-defined]

    def test_options_are_given_by_name(self, bench: Bench) -> None:
        """A launcher takes its options by name only, so that more can be added in any order."""
        parameters = inspect.signature(type(bench.launcher()).Options).parameters.values()
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters), "Options must be kw_only"

    def test_options_do_not_clash_with_crews_own(self, bench: Bench) -> None:
        """A launcher declares no option that every controller has already."""
        own = {field.name for field in dataclasses.fields(type(bench.launcher()).Options)}
        common = {field.name for group in COMMON for field in dataclasses.fields(group)}
        assert own & common == set(), "options must have names of their own"

    def test_options_are_documented(self, bench: Bench) -> None:
        """A launcher's options are explained one by one in their class's docstring."""
        kind = type(bench.launcher()).Options
        names = [field.name for field in dataclasses.fields(kind)]
        missing = [name for name in names if name not in (kind.__doc__ or "")]
        assert missing == [], "the docstring of Options must explain each"

    def test_unknown_options_are_refused(self, bench: Bench) -> None:
        """A launcher refuses an option that it does not have, instead of ignoring a slip."""
        kind: type[Any] = type(bench.launcher()).Options
        with refusal("an unknown option must be refused"):
            make_options(kind, {"no_such_option": 1})
        with refusal("Options must take declared options only"):
            kind(no_such_option=1)

    def test_impossible_options_are_refused(self, bench: Bench) -> None:
        """A launcher refuses impossible values when it is made, and names the option."""
        if not self.bad_options:
            pytest.skip("bad_options names none")
        good = bench.launcher().options
        values = {field.name: getattr(good, field.name) for field in dataclasses.fields(good)}
        for bad in self.bad_options:
            with refusal(f"{bad} must be refused") as told:
                make_options(type(good), {**values, **bad})
            assert any(name in told[0] for name in bad), "the error must name the option"

    def test_options_of_another_kind_are_refused(self, bench: Bench) -> None:
        """A launcher refuses options of another class."""
        with refusal("a launcher must refuse options of another class"):
            type(bench.launcher())(object())

    def test_options_can_be_read_back(self, bench: Bench) -> None:
        """A launcher keeps the options it was made with; an equal one can be made of them."""
        launcher = bench.launcher()
        again = type(launcher)(launcher.options)
        assert isinstance(launcher.options, type(launcher).Options), "options must be Options"
        assert again.options == launcher.options, "options must be kept as they are"

    def test_options_can_be_pickled(self, bench: Bench) -> None:
        """A launcher's options can be pickled: another process may launch."""
        options = bench.launcher().options
        copied_or_fail(options, "options")
        assert pickle.loads(pickle.dumps(options)) == options, "a copy must be equal"

    def test_launcher_can_be_pickled(self, bench: Bench) -> None:
        """A launcher that has launched nothing yet can be pickled, and its copy can launch."""
        launcher = bench.launcher()
        copy = copied_or_fail(launcher, "a launcher")
        assert copy.options == launcher.options, "a copy must have the same options"
        (handle,) = bench.start(copy, bench.probe())
        assert not poll(launcher, [handle])[0].final, "the original must know the copy's workers"

    def test_reports_work_without_a_controller(self, bench: Bench) -> None:
        """A launcher that no controller owns has reports, too: empty ones."""
        launcher = bench.launcher()
        assert list(launcher.summary().columns) == list(SUMMARY_COLUMNS), "summary has columns"
        assert launcher.errors == [], "there are no errors yet"
        launcher.reset()
        assert "crew_core._worker" in launcher.call(), "call() must show a worker's command line"


@contextlib.contextmanager
def refusal(what: str) -> Iterator[list[str]]:
    """Expect that a value is refused by an error for users; the list then holds its message."""
    told: list[str] = []
    try:
        yield told
    except (TypeError, ValueError) as error:  # a ConfigError is a ValueError
        told.append(str(error))
        return
    raise AssertionError(what)


def copied_or_fail(thing: Any, what: str) -> Any:
    """A copy by pickle; without one the check fails."""
    try:
        return pickle.loads(pickle.dumps(thing))
    except Exception as error:  # a plugin's class may raise anything
        raise AssertionError(f"{what} must pickle; it raises {error!r}") from error
