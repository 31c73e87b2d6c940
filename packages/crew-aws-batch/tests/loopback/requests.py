"""Requests for workers, as crew makes them."""

from __future__ import annotations

from crew_core.plugins import LaunchRequest, WorkerLaunch

PYTHON = "/usr/bin/python3"


def request(count: int = 1, controller: str = "c", step: int = 0) -> LaunchRequest:
    """Ask for so many workers, whose secrets are "secret-1" and so on."""
    workers = tuple(
        WorkerLaunch(
            worker=number,
            instance=f"i{number}",
            name=f"crew-{controller}-i{number}",
            argv=(
                PYTHON,
                "-m",
                "crew_core._worker",
                "--instance",
                f"i{number}",
                "--log",
                "/here.log",
            ),
            env={"CREW_SECRET": f"secret-{number}", "CREW_SYS_PATH": "/home/me\n"},
            log="/here.log",
            step=step,
        )
        for number in range(1, count + 1)
    )
    return LaunchRequest(controller=controller, launcher="test", workers=workers)
