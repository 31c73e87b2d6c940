"""What a launcher must do, as classes of tests to subclass. Needs pytest."""

from __future__ import annotations

from crew_core.testing.conformance.arguments import ArgumentChecks
from crew_core.testing.conformance.declarations import DeclarationChecks
from crew_core.testing.conformance.failures import FailureChecks
from crew_core.testing.conformance.handles import HandleChecks
from crew_core.testing.conformance.ladders import LadderChecks
from crew_core.testing.conformance.platforms import PlatformChecks
from crew_core.testing.conformance.polling import PollChecks
from crew_core.testing.conformance.secrecy import SecrecyChecks
from crew_core.testing.conformance.surroundings import SurroundingsChecks
from crew_core.testing.conformance.termination import TerminationChecks
from crew_core.testing.conformance.variables import VariableChecks
from crew_core.testing.conformance.work import WorkChecks


class LauncherConformance(
    ArgumentChecks,
    VariableChecks,
    HandleChecks,
    PollChecks,
    TerminationChecks,
    FailureChecks,
    SecrecyChecks,
    DeclarationChecks,
    LadderChecks,
    SurroundingsChecks,
    WorkChecks,
):
    """What every launcher must do. Derive a class of tests from it and define ``launcher``.

    Each check is a test of pytest whose docstring says what a launcher must do. Checks of optional
    methods that a launcher leaves to their defaults are skipped. Workers must see the folders that
    pytest makes, so that checks can talk to them; on a cluster that takes ``--basetemp``.

    Example::

        >>> from crew_core.testing import FakeLauncher, LauncherConformance
        >>> class TestMyLauncher(LauncherConformance):
        ...     def launcher(self, folder):
        ...         return FakeLauncher()
        >>> checks = [name for name in dir(TestMyLauncher) if name.startswith("test_")]
        >>> len(checks) > 100
        True

    Attributes:
        seconds: how long the platform may take to start or to end a worker.
        limit: the most workers that the platform takes in one submission; a launcher splits
            larger requests. Where there is no limit, any small number does.
        python: the interpreter where workers run.
        bad_options: options that the launcher must refuse, each with its name and an impossible
            value: ``({"queue": ""}, {"cores": 0})``.
    """


class PlatformConformance(PlatformChecks, LauncherConformance):
    """The same, and more for a launcher whose platform a test can script.

    Define ``launcher`` and ``platform``, which get the same folder.

    Example::

        >>> from crew_core.testing import FakePlatform, FakePlatformLauncher, PlatformConformance
        >>> class TestMyLauncher(PlatformConformance):
        ...     limit = 3
        ...
        ...     def launcher(self, folder):
        ...         return FakePlatformLauncher(FakePlatformLauncher.Options(folder=folder))
        ...
        ...     def platform(self, folder):
        ...         return FakePlatform(folder)
        >>> "test_a_lost_answer_starts_no_worker_twice" in dir(TestMyLauncher)
        True
    """


__all__ = ["LauncherConformance", "PlatformConformance"]
