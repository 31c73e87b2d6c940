"""The stand-in for PBS on this machine."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from testbeds.errors import BedError
from testbeds.pbs.options import PbsOptions
from testbeds.standin.bed import StandInBed


class PbsBed(StandInBed):
    """Commands of PBS that answer as OpenPBS does, and run jobs on this machine.

    Example::

        bed = PbsBed()
        bed.up()
        job = bed.ask("qsub", stdin="sleep 5")
        bed.ask("qdel", job)
        bed.down()
    """

    name = "pbs"
    options_type = PbsOptions
    server_module = "testbeds.pbs.server"
    programs: ClassVar[tuple[str, ...]] = (
        *("qsub", "qstat", "qdel", "qselect", "qsig"),
        *("qhold", "qrls", "qrerun", "pbsnodes"),
    )

    def _start(self) -> None:
        if not self.options.server:
            self._options = dataclasses.replace(self.options, server=self.machine())
        (self.place / "server_name").symlink_to(self.options.server)
        super()._start()

    def _prove(self) -> None:
        job = self.ask("qsub", "-f", "-o", "/dev/null", "-e", "/dev/null", "--", "true")
        self.processes.wait_for(f"the first job {job} ends", lambda: self._is_over(job))

    def _is_over(self, job: str) -> bool:
        answer = self.run("qstat", job)
        if answer.returncode not in (0, 35, 153):
            raise BedError(f"qstat failed: {answer.stderr}")
        return answer.returncode != 0

    def submit(self, script: str, *options: str) -> str:
        """Submit a script; its id."""
        return self.ask("qsub", *options, stdin=script)
