"""Commands between a launcher and the LSF stand-in's, which let clients wait when they are down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from scripted.between import CommandsBetween

_BSUB = """#!/bin/sh
cd '{folder}' || exit 1
cat >script
refusal=$(sed -n 1p refusals 2>/dev/null)
if [ -s refusals ]; then sed -i 1d refusals; fi
if [ -n "$refusal" ]; then echo "$refusal" >&2; exit 255; fi
count=$(sed -n 's/^#BSUB -J.*\\[1-\\([0-9]*\\)\\].*/\\1/p' script)
if [ -e lose ]; then
    rm lose
    '{bsub}' "$@" <script >/dev/null && echo "${{count:-1}}" >>submissions
    exec sleep 600
fi
'{bsub}' "$@" <script && echo "${{count:-1}}" >>submissions
"""

_BJOBS = """#!/bin/sh
cd '{folder}' || exit 1
echo asked >>queries
if [ -e down ]; then
    echo "batch system daemon not responding ... still trying" >&2
    exec sleep 600
fi
if [ -e hidden ]; then echo "Job <1> is not found" >&2; exit 255; fi
if [ ! -e forgotten ]; then exec '{bjobs}' "$@"; fi
'{bjobs}' "$@" >told || exit
if grep -Ev '[ |](DONE|EXIT)[ |]|^JOBID' told; then exit 0; fi
echo "Job <1> is not found" >&2
exit 255
"""

_BHIST = """#!/bin/sh
cd '{folder}' || exit 1
if [ -e forgotten ]; then echo "No matching job found" >&2; exit 255; fi
exec '{bhist}' "$@"
"""


class LsfBetween(CommandsBetween):
    """LSF but for what it is told."""

    texts: ClassVar[Mapping[str, str]] = {"bsub": _BSUB, "bjobs": _BJOBS, "bhist": _BHIST}

    @property
    def unfinished(self) -> int:
        return len(self._jobs())

    def fail_queued(self) -> None:
        self._bed.run("bkill", *dict.fromkeys(self._jobs("-p")))

    def cancel_all(self) -> None:
        self._bed.run("bkill", "0")

    def _jobs(self, *options: str) -> list[str]:
        """Ids of submissions that wait or run, one for each element."""
        table = self._bed.run("bjobs", "-noheader", "-w", *options).stdout
        return [line.split()[0] for line in table.splitlines() if line[:1].isdigit()]

    def refusal(self, message: str, *, transient: bool) -> str:
        words = "Pending job threshold reached" if transient else "Job not submitted"
        return f"{message}. {words}."
