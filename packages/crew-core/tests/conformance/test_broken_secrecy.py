"""Checks of secrecy bite."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core.plugins import Launcher, LaunchError, LaunchRequest, WorkerLaunch
from crew_core.testing.conformance.secrecy import SecrecyChecks

SECRET = "CREW_SECRET"


@dataclass(frozen=True)
class Telling:
    """A handle that shows its worker's secret."""

    inner: LocalHandle
    secret: str


@dataclass(frozen=True)
class Carrying:
    """A handle that carries its worker's secret along."""

    inner: LocalHandle
    secret: str = field(repr=False)


class Leaking(LocalLauncher):
    """Knows the secret of the latest worker."""

    secret = ""

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        self.secret = request.workers[0].env[SECRET]
        return super().launch(
            replace(request, workers=tuple(self.changed(w) for w in request.workers))
        )

    def changed(self, worker: WorkerLaunch) -> WorkerLaunch:
        return worker


class InArguments(Leaking):
    def changed(self, worker: WorkerLaunch) -> WorkerLaunch:
        return replace(worker, argv=(*worker.argv, self.secret))


class InLog(Leaking):
    def changed(self, worker: WorkerLaunch) -> WorkerLaunch:
        logging.getLogger(__name__).debug("starts with %s", dict(worker.env))
        return worker


class WithHandles(Launcher):
    def __init__(self, kind: Callable[[LocalHandle, str], object]) -> None:
        super().__init__()
        self._inner, self._kind = LocalLauncher(), kind

    def launch(self, request: LaunchRequest) -> list[Any]:
        handles = self._inner.launch(request)
        return [
            self._kind(handle, worker.env[SECRET])
            for handle, worker in zip(handles, request.workers, strict=True)
        ]


class InJob(Leaking):
    def job(self, handle: LocalHandle) -> str:
        return f"{handle.pid}-{self.secret}"


class InRepr(Leaking):
    def __repr__(self) -> str:
        return f"InRepr({vars(self)})"


class InOutput(Leaking):
    def logs(self, handle: LocalHandle) -> str:  # type: ignore[override]
        return f"{SECRET}={self.secret}\n"


class InError(Leaking):
    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        try:
            return super().launch(request)
        except LaunchError as error:
            raise LaunchError("failed", argv=("env", f"{SECRET}={self.secret}")) from error


class InFile(Leaking):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def changed(self, worker: WorkerLaunch) -> WorkerLaunch:
        script = self._folder / "job.sh"
        script.write_text(f"export {SECRET}={self.secret}\n")
        script.chmod(0o644)
        return worker


class InVariables(Leaking):
    def changed(self, worker: WorkerLaunch) -> WorkerLaunch:
        return replace(worker, env={**worker.env, "JOB_ENVIRONMENT": f"{SECRET}={self.secret}"})


BROKEN: dict[str, Callable[[Any], Launcher]] = {
    "test_no_command_line_holds_the_secret": lambda tools: InArguments(),
    "test_no_log_holds_the_secret": lambda tools: InLog(),
    "test_no_handle_holds_the_secret": lambda tools: WithHandles(Telling),
    "test_no_pickled_handle_holds_the_secret": lambda tools: WithHandles(Carrying),
    "test_no_name_of_a_job_holds_the_secret": lambda tools: InJob(),
    "test_no_launcher_shows_the_secret": lambda tools: InRepr(),
    "test_no_output_of_a_job_holds_the_secret": lambda tools: InOutput(),
    "test_no_error_holds_the_secret": lambda tools: InError(),
    "test_no_file_shows_the_secret_to_others": lambda tools: InFile(tools.folder),
    "test_no_variable_of_this_process_holds_the_secret": lambda tools: InVariables(),
}


def checks_of(kind: type) -> list[str]:
    return [name for name in vars(kind) if name.startswith("test_")]


@pytest.mark.parametrize("check", checks_of(SecrecyChecks))
def test_it_bites(check: str, bites: Any) -> None:
    bites(check, BROKEN[check])
