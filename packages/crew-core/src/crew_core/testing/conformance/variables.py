"""Checks that a worker gets its environment variables, and nobody else does."""

from __future__ import annotations

import os

import pytest

from crew_core.testing.bench import Bench
from crew_core.testing.conformance.base import Checks

NAME = "CREW_CHECK"


class VariableChecks(Checks):
    """A worker gets its environment variables, and nobody else does."""

    def test_variables_arrive(self, bench: Bench) -> None:
        """A launcher sets every variable that a request names."""
        check_variables(bench, CREW_CHECK="1", CREW_OTHER_2="two", crew_lower="three")

    def test_spaces_in_variables_are_kept(self, bench: Bench) -> None:
        """A launcher keeps spaces in values, at their ends too."""
        check_variables(bench, CREW_CHECK=" two  words ", CREW_TAB="\ttab\t")

    def test_quotes_in_variables_are_kept(self, bench: Bench) -> None:
        """A launcher keeps quotation marks in values, as JSON has them."""
        check_variables(bench, CREW_CHECK='["/it\'s", ""]', CREW_ONE="'", CREW_TWO='"')

    def test_line_breaks_in_variables_are_kept(self, bench: Bench) -> None:
        """A launcher keeps line breaks in values."""
        check_variables(bench, CREW_CHECK="two\nlines\n", CREW_NEXT="\nCREW_OTHER=forged")

    def test_letters_of_any_language_in_variables_are_kept(self, bench: Bench) -> None:
        """A launcher keeps text of any language in values."""
        check_variables(bench, CREW_CHECK="Grüße", CREW_OTHER="数据 🚀")

    def test_nothing_in_variables_is_expanded(self, bench: Bench) -> None:
        """A launcher lets no shell expand or run what a value holds."""
        check_variables(bench, CREW_CHECK="$HOME ${PATH} `id` $(id) ~ * %PATH% ; id", CREW_T="~")

    def test_separators_in_variables_are_kept(self, bench: Bench) -> None:
        """A launcher keeps the characters that platforms separate lists of variables by."""
        check_variables(bench, CREW_CHECK="a=b,c=d;e:f", CREW_OTHER="=", CREW_COMMA=",")

    def test_backslashes_in_variables_are_kept(self, bench: Bench) -> None:
        """A launcher keeps backslashes in values."""
        check_variables(bench, CREW_CHECK=r"C:\new\table", CREW_OTHER="\\", CREW_THIRD=r"\n")

    def test_empty_variables_are_set(self, bench: Bench) -> None:
        """A launcher sets a variable to nothing; that is not the same as unset."""
        check_variables(bench, CREW_CHECK="")

    def test_long_variables_are_kept(self, bench: Bench) -> None:
        """A launcher keeps values of many thousand characters."""
        check_variables(bench, CREW_CHECK="x" * 50_000)

    def test_a_workers_value_wins_over_this_process(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A launcher gives a worker its own value, whatever this process has."""
        monkeypatch.setenv(NAME, "ours")
        check_variables(bench, CREW_CHECK="the worker's")

    def test_each_worker_gets_its_own_values(self, bench: Bench) -> None:
        """A launcher that starts many workers at once gives each its own values."""
        probes = [bench.probe(env={NAME: str(i)}, worker=i + 1) for i in range(bench.limit)]
        bench.start(bench.launcher(), *probes)
        values = [probe.report().environment[NAME] for probe in probes]
        assert values == [str(i) for i in range(bench.limit)], "each worker must have its own value"

    def test_variables_of_one_worker_are_unset_in_another(self, bench: Bench) -> None:
        """A launcher gives no variable of one worker to another of the same request."""
        one, two = bench.probe(env={NAME: "one"}), bench.probe(worker=2)
        bench.start(bench.launcher(), one, two)
        assert NAME not in two.report().environment, "another worker's variable leaked"

    def test_variables_of_one_launch_are_unset_in_the_next(self, bench: Bench) -> None:
        """A launcher forgets the variables of one request before the next."""
        launcher = bench.launcher()
        one, two = bench.probe(env={NAME: "one"}), bench.probe()
        bench.start(launcher, one)
        bench.start(launcher, two)
        assert NAME not in two.report().environment, "an earlier worker's variable leaked"

    def test_variables_of_this_process_stay_as_they_are(self, bench: Bench) -> None:
        """A launcher changes no variable of the process that it runs in."""
        before = dict(os.environ)
        bench.start(bench.launcher(), bench.probe(env={NAME: "1"}))
        assert dict(os.environ) == before, "this process's variables must stay as they are"

    def test_request_stays_as_it_is(self, bench: Bench) -> None:
        """A launcher changes nothing in the request: crew may use it again."""
        probe = bench.probe(env={NAME: "1"})
        before = dict(probe.launch.env)
        bench.start(bench.launcher(), probe)
        assert dict(probe.launch.env) == before, "the request's variables must stay as they are"


def check_variables(bench: Bench, **variables: str) -> None:
    """Launch a probe with these variables and compare what arrived."""
    probe = bench.probe(env=variables)
    bench.start(bench.launcher(), probe)
    found = probe.report().environment
    arrived = {name: found.get(name) for name in variables}
    assert arrived == variables, "values of variables must arrive as they are"
