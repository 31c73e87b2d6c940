"""Commands between a launcher and those of a PBS or a TORQUE, which have the same names."""

from __future__ import annotations

from collections.abc import Mapping

from scripted.between import CommandsBetween

_QSUB = """#!/bin/sh
folder='{folder}'
for script; do :; done
refusal=$(sed -n 1p "$folder/refusals" 2>/dev/null)
if [ -s "$folder/refusals" ]; then sed -i 1d "$folder/refusals"; fi
if [ -n "$refusal" ]; then echo "qsub: $refusal" >&2; exit 1; fi
count=$(sed -n 's/^#PBS @array@ 1-\\([0-9]*\\).*/\\1/p' "$script")
if [ -e "$folder/lose" ]; then
    rm "$folder/lose"
    '{qsub}' "$@" >/dev/null && echo "${{count:-1}}" >>"$folder/submissions"
    exec sleep 600
fi
'{qsub}' "$@" && echo "${{count:-1}}" >>"$folder/submissions"
"""

_QSTAT = """#!/bin/sh
folder='{folder}'
echo asked >>"$folder/queries"
if [ -e "$folder/down" ]; then echo "qstat: cannot connect to server" >&2; exit 255; fi
if [ -e "$folder/hidden" ]; then
@hide@
fi
if [ -e "$folder/forgotten" ]; then
@forget@
fi
exec '{qstat}' "$@"
"""


class PbsBetween(CommandsBetween):
    """A PBS or a TORQUE but for what it is told."""

    def refusal(self, message: str, *, transient: bool) -> str:
        return f"would exceed queue's limit, {message}" if transient else message


def texts(array: str, hide: str, forget: str) -> Mapping[str, str]:
    """Texts of the commands.

    Args:
        array: the directive that makes an array.
        hide: what qstat does when jobs are hidden.
        forget: what it does when ended ones are forgotten.
    """
    parts = {"@array@": array, "@hide@": hide, "@forget@": forget}
    made = {"qsub": _QSUB, "qstat": _QSTAT}
    for place, part in parts.items():
        made = {name: text.replace(place, part) for name, text in made.items()}
    return made
