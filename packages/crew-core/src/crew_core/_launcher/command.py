"""Builds a worker's command line and environment. Secrets go into the latter only."""

from __future__ import annotations

import math
from collections.abc import Sequence


def worker_command(
    python: str,
    url: str,
    instance: str,
    controller: str,
    *,
    log: str | None = None,
    grace: float | None = None,
    life: float = math.inf,
) -> tuple[str, ...]:
    """The command line that runs a worker.

    Args:
        python: the interpreter where the worker will run.
        url: where the worker finds its dispatcher.
        instance: id of this one life of a worker.
        controller: the controller's name, for people who read process lists.
        log: the file to write output to; None: standard output.
        grace: seconds to stay without a dispatcher; None: the worker's own default.
        life: seconds that its job may take in all.
    """
    argv = [python, "-m", "crew_core._worker"]
    argv += ["--controller", controller, "--instance", instance, "--url", url]
    if log is not None:
        argv += ["--log", log]
    if grace is not None:
        argv += ["--grace", f"{grace:g}"]
    if life < math.inf:
        argv += ["--life", f"{life:.0f}" if life >= 1 else f"{life:g}"]
    return tuple(argv)


def worker_environment(secret: str, sys_path: Sequence[str] | None = None) -> dict[str, str]:
    """The variables to add to a worker's environment.

    Args:
        secret: the one-time secret that proves who the worker is.
        sys_path: where tasks look for modules, on a machine that shares this one's disk.
    """
    # Without PYTHONSAFEPATH a file of the working directory could replace a module of Python's.
    # Tasks get the caller's sys.path from CREW_SYS_PATH, in their own process.
    env = {"CREW_SECRET": secret, "PYTHONSAFEPATH": "1"}
    if sys_path is not None:
        # A line for each; a path may hold whatever a file's name can.
        lines = [entry.encode("unicode_escape").decode() + "\n" for entry in sys_path]
        env["CREW_SYS_PATH"] = "".join(lines)
    return env


def job_name(controller: str, instance: str) -> str:
    """What a worker is called on its platform; our left-overs are found by the prefix."""
    return f"crew-{controller}-{instance}"
