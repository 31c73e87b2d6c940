"""The stand-in for LSF on this machine."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

from testbeds.errors import BedError
from testbeds.lsf.options import LsfOptions
from testbeds.standin.bed import StandInBed

_SUBMITTED = re.compile(r"^Job <(\d+)> is submitted", re.MULTILINE)


class LsfBed(StandInBed):
    """Commands of LSF that answer as OpenLava does, and run jobs on this machine.

    Example::

        bed = LsfBed()
        bed.up()
        bed.ask("bsub", "-J", "one", stdin="sleep 5")
        bed.ask("bkill", "-J", "one")
        bed.down()
    """

    name = "lsf"
    options_type = LsfOptions
    server_module = "testbeds.lsf.server"
    programs: ClassVar[tuple[str, ...]] = (
        *("bsub", "bjobs", "bkill", "bstop", "bresume", "bpeek"),
        *("bhist", "bqueues", "bhosts", "lsid", "lsadmin", "badmin"),
    )

    def _start(self) -> None:
        if not self.options.host:
            self._options = dataclasses.replace(self.options, host=self.machine())
        folder = self.place / "etc"
        folder.mkdir()
        text = f"LSF_UNIT_FOR_LIMITS={self.options.unit}\n"
        (folder / "lsf.conf").write_text(text, encoding="ascii")
        super()._start()

    def environment(self) -> dict[str, str]:
        """Its commands come first on PATH, and where its configuration is."""
        return {**super().environment(), "LSF_ENVDIR": str(self.place / "etc")}

    def _prove(self) -> None:
        job = self.submit("true\n", "-o", "/dev/null")
        self.processes.wait_for(f"the first job {job} ends", lambda: self._is_done(job))

    def _is_done(self, job: str) -> bool:
        answer = self.run("bjobs", "-noheader", job)
        if answer.stderr == f"Job <{job}> is not found\n":
            return True  # it has ended, and is forgotten where the ended soon are
        return answer.stdout.split()[2:3] == ["DONE"]

    def submit(self, script: str, *options: str) -> str:
        """Submit a script; its number."""
        told = self.ask("bsub", *options, stdin=script)
        match = _SUBMITTED.search(told)
        if match is None:
            raise BedError(f"bsub told no number: {told}")
        return match.group(1)
