"""Checks that a worker's command line arrives as it was given."""

from __future__ import annotations

from crew_core._launcher.command import job_name
from crew_core._model.checks import NAME_LIMIT
from crew_core.testing.bench import Bench
from crew_core.testing.conformance.base import Checks


class ArgumentChecks(Checks):
    """A worker's command line arrives as it was given."""

    def test_command_line_arrives_whole_and_in_order(self, bench: Bench) -> None:
        """A launcher hands over every argument, in order."""
        check_arguments(bench, "--url", "unix:///a/b", "--grace", "30", "--url", "again")

    def test_spaces_in_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher hands over an argument with spaces as one argument."""
        check_arguments(bench, "two words", " before and  after ", "tab\there")

    def test_quotes_in_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher hands over quotation marks."""
        check_arguments(bench, "it's", 'say "hello"', "'", '"', "''")

    def test_line_breaks_in_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher hands over line breaks."""
        check_arguments(bench, "two\nlines", "\n", "end\n")

    def test_letters_of_any_language_in_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher hands over text of any language."""
        check_arguments(bench, "Grüße", "数据", "مرحبا", "🚀")

    def test_empty_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher hands over empty arguments, the last one too."""
        check_arguments(bench, "", "between", "")

    def test_backslashes_in_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher hands over backslashes as they are."""
        check_arguments(bench, r"C:\new\table", "\\", r"\\", r"\'")

    def test_arguments_that_look_like_options_are_kept(self, bench: Bench) -> None:
        """A launcher takes nothing of a worker's command line for an option of its own."""
        check_arguments(bench, "-n", "--", "-", "--help", "-c")

    def test_nothing_in_arguments_is_expanded(self, bench: Bench) -> None:
        """A launcher lets no shell expand variables, patterns or home directories."""
        check_arguments(bench, "$HOME", "${HOME}", "~", "*", "/*", "?", "[a-z]*", "{a,b}", "%PATH%")

    def test_nothing_in_arguments_is_run(self, bench: Bench) -> None:
        """A launcher lets no shell run what an argument holds."""
        harm = bench.folder / "harm"
        touch = f"touch '{harm}'"
        check_arguments(bench, f"$({touch})", f"`{touch}`", f"; {touch} ;", f"& {touch} &")
        check_arguments(bench, f"' ; {touch} ; '", f'" ; {touch} ; "', f"\n{touch}\n", "> x", "| y")
        assert not harm.exists(), "a part of an argument was run as a command"

    def test_comments_in_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher lets no shell or job script take a part of an argument for a comment."""
        check_arguments(bench, "#", "a #b", "#!/bin/sh", "!x", "#$ -q all")

    def test_long_arguments_are_kept(self, bench: Bench) -> None:
        """A launcher hands over arguments of several thousand characters."""
        check_arguments(bench, "x" * 10_000, *map(str, range(300)))

    def test_programs_whose_path_has_spaces_and_quotes_are_run(self, bench: Bench) -> None:
        """A launcher starts an interpreter whatever its path is made of."""
        folder = bench.folder / 'it\'s a "folder"'
        folder.mkdir()
        python = folder / "my python"
        python.write_text(f"#!/bin/sh\nexec '{bench.python}' \"$@\"\n")
        python.chmod(0o700)
        plain = bench.probe()
        probe = bench.probe(argv=(str(python), *plain.launch.argv[1:]))
        bench.launch(bench.launcher(), probe)
        assert plain.report().arguments == []

    def test_longest_names_are_taken(self, bench: Bench) -> None:
        """A launcher starts workers of a controller whose name is as long as names may be."""
        probe = bench.probe(controller="n" * NAME_LIMIT)
        assert probe.launch.name == job_name("n" * NAME_LIMIT, probe.launch.instance)
        bench.start(bench.launcher(), probe)

    def test_names_of_odd_characters_are_taken(self, bench: Bench) -> None:
        """A launcher starts workers of a controller whose name has dots, hyphens and digits."""
        probes = [bench.probe(controller=name) for name in ("-n", "1.5", "_", "--all", "A.b_c-")]
        bench.start(bench.launcher(), *probes)


def check_arguments(bench: Bench, *arguments: str) -> None:
    """Launch a probe with these arguments and compare what arrived."""
    probe = bench.probe(*arguments)
    bench.start(bench.launcher(), probe)
    assert probe.report().arguments == list(arguments), "arguments must arrive as they are"
