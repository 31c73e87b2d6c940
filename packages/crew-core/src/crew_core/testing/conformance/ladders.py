"""Checks of ladders, of how long jobs last, and of whether they are found again by their names."""

from __future__ import annotations

import dataclasses
from typing import Any

from crew_core.testing.bench import Bench, poll
from crew_core.testing.conformance.base import Checks, needs


class LadderChecks(Checks):
    """A launcher's ladders have a value for each step, and its jobs a length and a name."""

    def test_ladders_are_options(self, bench: Bench) -> None:
        """A launcher names options of its own as ladders, and no others."""
        launcher = bench.launcher()
        options = {field.name for field in dataclasses.fields(type(launcher).Options)}
        assert set(launcher.ladders) <= options, "ladders must be names of options"

    def test_each_step_has_one_value_for_each_ladder(self, bench: Bench) -> None:
        """A launcher has options with one value for each ladder at every step."""
        launcher = bench.launcher()
        for step in range(launcher.steps):
            options: Any = launcher.options_at(step)
            assert isinstance(options, type(launcher).Options), "options_at must return Options"
            values = [getattr(options, name) for name in launcher.ladders]
            lists = [value for value in values if isinstance(value, (list, tuple))]
            assert lists == [], "at a step each ladder has one value"

    def test_jobs_last_for_some_time_at_each_step(self, bench: Bench) -> None:
        """A launcher says for each step how many seconds a worker may live."""
        launcher = bench.launcher()
        for step in range(launcher.steps):
            seconds = launcher.seconds_life(step)
            assert isinstance(seconds, int | float), "seconds_life must return a number"
            assert seconds > 0, "a worker must live for some time"

    def test_the_highest_step_can_be_launched(self, bench: Bench) -> None:
        """A launcher launches whatever step it is asked for."""
        launcher, probe = bench.launcher(), bench.probe()
        last = dataclasses.replace(probe.launch, step=launcher.steps - 1)
        bench.start(launcher, dataclasses.replace(probe, launch=last))

    def test_jobs_are_found_by_their_names(self, bench: Bench) -> None:
        """A launcher that finds jobs by name finds those of an earlier session, and no others."""
        launcher = bench.launcher()
        needs(launcher, "find")
        wanted, other = bench.probe(), bench.probe()
        bench.start(launcher, wanted, other)
        later = bench.launcher()
        found = later.find([wanted.launch.name])
        assert len(found) == 1, "find must return the one job of this name"
        assert not poll(later, found)[0].final, "what was found still runs"
        later.terminate(found)
        wanted.await_end()
        assert other.running, "a job of another name must not be found"

    def test_names_of_nobody_find_nothing(self, bench: Bench) -> None:
        """A launcher that finds jobs by name finds none for names that nobody has."""
        launcher = bench.launcher()
        needs(launcher, "find")
        bench.start(launcher, bench.probe())
        assert launcher.find(["crew-nobody-0"]) == [], "find must return nothing"
        assert launcher.find([]) == [], "no names, no jobs"
