"""Commands between a launcher and real Grid Engine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from scripted.between import CommandsBetween

_QSUB = """#!/bin/sh
cd '{folder}' || exit 1
for script; do :; done
refusal=$(sed -n 1p refusals 2>/dev/null)
if [ -s refusals ]; then sed -i 1d refusals; fi
if [ -n "$refusal" ]; then
    echo "Unable to run job: ${{refusal#* }}" >&2
    exit "${{refusal%% *}}"
fi
count=$(sed -n 's/^#\\$ -t 1-\\([0-9]*\\).*/\\1/p' "$script")
if [ -e lose ]; then
    rm lose
    '{qsub}' "$@" >/dev/null && echo "${{count:-1}}" >>submissions
    exec sleep 600
fi
'{qsub}' "$@" && echo "${{count:-1}}" >>submissions
"""

_QSTAT = """#!/bin/sh
cd '{folder}' || exit 1
echo asked >>queries
if [ -e down ]; then
    echo "error: commlib error: got select error (Connection refused)" >&2
    exit 1
fi
if [ -e hidden ]; then echo '<job_info></job_info>'; exit 0; fi
exec '{qstat}' "$@"
"""

_QACCT = """#!/bin/sh
cd '{folder}' || exit 1
if [ -e forgotten ]; then echo "error: job id $2 not found" >&2; exit 1; fi
exec '{qacct}' "$@"
"""


class SgeBetween(CommandsBetween):
    """Grid Engine but for what it is told."""

    texts: ClassVar[Mapping[str, str]] = {"qsub": _QSUB, "qstat": _QSTAT, "qacct": _QACCT}

    @property
    def unfinished(self) -> int:
        return len(self._jobs("prs"))

    def fail_queued(self) -> None:
        self._bed.run("qdel", *self._jobs("p"))

    def cancel_all(self) -> None:
        self._bed.run("qdel", *self._jobs("prs"))

    def _jobs(self, states: str) -> list[str]:
        """Ids of jobs in these states, one for each element."""
        table = self._bed.ask("qstat", "-g", "d", "-s", states, "-u", "*")
        return [line.split()[0] for line in table.splitlines()[2:]]

    def refusal(self, message: str, *, transient: bool) -> str:
        return f"{25 if transient else 1} {message}"
