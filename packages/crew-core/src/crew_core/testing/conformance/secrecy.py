"""Checks that a worker's one-time secret stays between crew and the worker."""

from __future__ import annotations

import contextlib
import logging
import pickle
import secrets
from collections.abc import Iterator

import psutil

from crew_core._model.errors import CrewError
from crew_core.testing.bench import Bench, poll
from crew_core.testing.conformance.base import Checks

VARIABLE = "CREW_SECRET"


class SecrecyChecks(Checks):
    """A worker's one-time secret stays between crew and the worker."""

    def test_no_command_line_holds_the_secret(self, bench: Bench) -> None:
        """A launcher puts the secret into no command line: every user can read those."""
        secret = new_secret()
        bench.start(bench.launcher(), bench.probe(env={VARIABLE: secret}))
        assert list(command_lines_with(secret)) == [], "command lines are public"

    def test_no_log_holds_the_secret(self, bench: Bench) -> None:
        """A launcher logs no secret, not even for those who want to know everything."""
        secret = new_secret()
        with collected_logs() as messages:
            launcher = bench.launcher()
            handles = bench.start(launcher, bench.probe(env={VARIABLE: secret}))
            poll(launcher, handles)
            launcher.terminate(handles)
        assert not any(secret in message for message in messages), "logs are read by others"

    def test_no_handle_holds_the_secret(self, bench: Bench) -> None:
        """A launcher's handles show no secret when they are printed."""
        secret = new_secret()
        handles = bench.start(bench.launcher(), bench.probe(env={VARIABLE: secret}))
        assert secret not in repr(handles) + str(handles[0]), "handles are printed"

    def test_no_pickled_handle_holds_the_secret(self, bench: Bench) -> None:
        """A launcher's handles do not carry the secret along."""
        secret = new_secret()
        handles = bench.start(bench.launcher(), bench.probe(env={VARIABLE: secret}))
        assert secret.encode() not in pickle.dumps(handles), "handles travel and are stored"

    def test_no_name_of_a_job_holds_the_secret(self, bench: Bench) -> None:
        """A launcher makes no secret a part of a job's name."""
        secret = new_secret()
        launcher = bench.launcher()
        (handle,) = bench.start(launcher, bench.probe(env={VARIABLE: secret}))
        assert secret not in launcher.job(handle), "names of jobs are public"

    def test_no_launcher_shows_the_secret(self, bench: Bench) -> None:
        """A launcher shows no secret when it is printed."""
        secret = new_secret()
        launcher = bench.launcher()
        bench.start(launcher, bench.probe(env={VARIABLE: secret}))
        assert secret not in repr(launcher) + str(launcher), "launchers are printed"

    def test_no_output_of_a_job_holds_the_secret(self, bench: Bench) -> None:
        """A launcher's account of a worker's output does not begin with its environment."""
        secret = new_secret()
        launcher = bench.launcher()
        probe = bench.probe(env={VARIABLE: secret})
        (handle,) = bench.start(launcher, probe)
        probe.release()
        probe.await_end()
        assert secret not in (launcher.logs(handle) or ""), "logs are read by others"

    def test_no_error_holds_the_secret(self, bench: Bench) -> None:
        """A launcher's error about a worker does not show its secret."""
        secret = new_secret()
        probe = bench.probe(argv=("/no/such/program",), env={VARIABLE: secret})
        try:
            bench.launch(bench.launcher(), probe)
        except CrewError as error:
            shown = f"{error!s} {vars(error)}"
        else:
            shown = ""
        assert secret not in shown, "errors are shown and recorded"

    def test_no_file_shows_the_secret_to_others(self, bench: Bench) -> None:
        """A launcher writes the secret into no file that other users may read."""
        secret = new_secret()
        bench.start(bench.launcher(), bench.probe(env={VARIABLE: secret}))
        assert bench.readable_by_others(secret) == [], "files with secrets must be private"

    def test_no_variable_of_this_process_holds_the_secret(self, bench: Bench) -> None:
        """A launcher gives the secret to the worker alone, by the one variable that is meant."""
        secret = new_secret()
        probe = bench.probe(env={VARIABLE: secret})
        bench.start(bench.launcher(), probe)
        holders = [name for name, value in probe.report().environment.items() if secret in value]
        assert holders == [VARIABLE], "crew removes that one variable before tasks can see it"


def new_secret() -> str:
    """A text that is nowhere else."""
    return secrets.token_hex(16)


def command_lines_with(text: str) -> Iterator[list[str]]:
    """Command lines of this computer's processes, as every user sees them."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            command = process.cmdline()
            if any(text in argument for argument in command):
                yield command


@contextlib.contextmanager
def collected_logs() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, details too."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(f"{record.getMessage()} {vars(record)}")

    root, collector = logging.getLogger(), Collector()
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        yield messages
    finally:
        root.removeHandler(collector)
        root.setLevel(level)
