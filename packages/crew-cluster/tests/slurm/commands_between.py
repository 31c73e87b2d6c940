"""Commands between a launcher and real SLURM's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from scripted.between import CommandsBetween

_SBATCH = """#!/bin/sh
cd '{folder}' || exit 1
for script; do :; done
refusal=$(sed -n 1p refusals 2>/dev/null)
if [ -s refusals ]; then sed -i 1d refusals; fi
if [ -n "$refusal" ]; then echo "sbatch: error: $refusal" >&2; exit 1; fi
count=$(sed -n 's/^#SBATCH --array=1-\\([0-9]*\\).*/\\1/p' "$script")
if [ -e lose ]; then
    rm lose
    '{sbatch}' "$@" >/dev/null && echo "${{count:-1}}" >>submissions
    exec sleep 600
fi
'{sbatch}' "$@" && echo "${{count:-1}}" >>submissions
"""

_SQUEUE = """#!/bin/sh
cd '{folder}' || exit 1
echo asked >>queries
if [ -e down ]; then
    echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
    exit 1
fi
if [ -e hidden ]; then exit 0; fi
if [ -e forgotten ]; then
    for word; do
        shift
        if [ "$word" != --states=all ]; then set -- "$@" "$word"; fi
    done
fi
exec '{squeue}' "$@"
"""


class SlurmBetween(CommandsBetween):
    """SLURM but for what it is told."""

    texts: ClassVar[Mapping[str, str]] = {"sbatch": _SBATCH, "squeue": _SQUEUE}

    @property
    def unfinished(self) -> int:
        return len(self._bed.ask("squeue", "-h", "-r", "-o", "%i").splitlines())

    def fail_queued(self) -> None:
        self._bed.ask("scancel", "--state=PENDING", f"--user={os.getuid()}")

    def cancel_all(self) -> None:
        self._bed.ask("scancel", f"--user={os.getuid()}")

    def refusal(self, message: str, *, transient: bool) -> str:
        return f"Slurm temporarily unable to accept job, {message}" if transient else message
