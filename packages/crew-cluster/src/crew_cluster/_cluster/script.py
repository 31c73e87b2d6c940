"""Puts a job script together from directives, the user's lines and the start of a worker.

::

    #!/bin/bash
    #SBATCH --job-name=crew-example-1f0c
    #SBATCH --array=1-3
    crew_folder=…; crew_place=$SLURM_ARRAY_TASK_ID
    module load python              ◄── script_lines, which may be directives, too
    mv "$crew_folder/$crew_place" … ◄── who comes second finds nothing, and ends
    . "$crew_folder/$crew_place…"   ◄── this worker's command line and secret: a private file
    exec "$@"

All workers of an array run the same script; which of the folder's files is theirs, the index says.
A worker takes its file away when it starts: a job that a scheduler runs again finds none, and ends.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crew_cluster._cluster.directives import Dialect
from crew_cluster._cluster.job import Job
from crew_cluster._cluster.template import fill, read_template

UNSEEN = 66
"""The exit code of a job whose node does not see the folder, and so cannot write there why."""

# The shell is the user's choice, so these lines are plain. Bash has counted the seconds of the job,
# which the user's lines took; other shells have not.
_TAKE = """\
export CREW_JOB_START_TIME=$(($(date +%s) - ${SECONDS:-0}))
if [ ! -d "${crew_folder%/*}" ]; then
    echo "crew: this node does not see ${crew_folder%/*}; choose another script_directory=" >&2
    exit UNSEEN
fi
if ! mv -- "$crew_folder/$crew_place" "$crew_folder/$crew_place.taken" 2>/dev/null; then
    echo "crew: this worker has started before, or nobody wants it any more" >&2
    exit 0
fi
. "$crew_folder/$crew_place.taken"
rm -f -- "$crew_folder/$crew_place.taken"
""".replace("UNSEEN", str(UNSEEN))

# A mere warning, of a suspension or of what the user has chosen; its default is to end a process.
_NO_END = "trap '' USR1"

_REDIRECT = '[ ! -d "$crew_folder" ] || exec >"$crew_folder/$crew_place.out" 2>&1'

_RUN = 'exec "$@"'

# A signal's default is to end the shell, and then nothing would run after the worker. What runs
# after it is left in peace, too, as who ends a controller cancels jobs whose workers have just
# left by themselves; schedulers kill what takes too long.
_RUN_AND_GO_ON = """\
trap : HUP INT TERM USR2
"$@" && crew_status=0 || crew_status=$?
trap '' HUP INT TERM USR2"""

_LEAVE = "exit $crew_status"


@dataclass(frozen=True)
class Start:
    """How workers start on one scheduler.

    Attributes:
        dialect: how it writes directives.
        place: shell text for the worker's place in the submission, such as "$PBS_ARRAY_INDEX".
        before: shell lines of the scheduler's own, such as those that find the job's end.
        redirects: the script itself sends the job's output to the folder, where schedulers do so
            late, or not at all where the folder is gone.
        after: shell lines of the scheduler's own that follow the worker.
    """

    dialect: Dialect
    place: str
    before: Sequence[str] = ()
    redirects: bool = False
    after: Sequence[str] = ()


def assemble(options: Any, job: Job, directives: Sequence[str], start: Start) -> str:
    """The text of a job script.

    Args:
        options: a scheduler's options, with one value for each list.
        job: what is submitted.
        directives: whole lines.
        start: how workers start.
    """
    own = [f"crew_folder={shlex.quote(str(job.folder))}", f"crew_place={start.place}"]
    if start.redirects and options.log_output is None:
        own.append(_REDIRECT)
    lines = list(options.script_lines)
    goes_on = bool(start.after or options.script_lines_after)
    after = [*options.script_lines_after, _LEAVE] if goes_on else []
    run = _TAKE + (_RUN_AND_GO_ON if goes_on else _RUN)
    worker = [_NO_END, *start.before, run, *start.after]
    if options.template is not None:
        places = {
            "directives": "\n".join(directives),
            "script_lines": "\n".join(lines),
            "worker": "\n".join([*own, *worker]),
            "script_lines_after": "\n".join(after),
            "name": job.name,
            "count": str(job.count),
        }
        return fill(read_template(Path(options.template)), places, options)
    # No directive is read after a command. The empty line ends a user's last one that ends with a
    # backslash.
    body = [*lines, "", *own] if start.dialect.among(lines) else [*own, *lines, ""]
    return "\n".join([f"#!{options.shell}", *directives, *body, *worker, *after]) + "\n"
