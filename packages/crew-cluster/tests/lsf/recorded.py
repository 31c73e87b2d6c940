"""What LSF and its kin have printed, cut to what matters."""

from __future__ import annotations

HEADER = "JOBID   USER    STAT  QUEUE      FROM_HOST   EXEC_HOST   JOB_NAME   SUBMIT_TIME\n"

TABLE = (
    HEADER
    + """\
101     root    DONE  normal     vm          vm          true       Nov 22 00:42
102     root    RUN   normal     vm          vm          crew-c-i1[1] Nov 22 00:42
102     root    EXIT  normal     vm          2*vm        crew-c-i1[2] Nov 22 00:42
102     root    PEND  normal     vm          -           crew-c-i1[3] Nov 22 00:42
103     root    PEND  normal     vm                      crew-c-i4  Nov  2 00:42
104     root    PEND  normal     vm          -           two words  Nov 22 00:42
"""
)

REASONS = (
    HEADER
    + """\
102     root    PEND  normal     vm          -           crew-c-i1[3] Nov 22 00:42
 The job array has reached its running element limit;
103     root    PEND  normal     vm          -           crew-c-i4  Nov 22 00:42
 Job's resource requirements not satisfied: 1 host;
 Closed by LSF administrator: 1 host;
"""
)

COLUMNS = """\
101|0|DONE|normal|vm|-|-|Nov 22 00:42|Nov 22 00:43|Nov 22 00:44 L|true|-
102|1|RUN|normal|vm|-|-|Nov 22 00:42|Nov 22 00:43|-|crew-c-i1[1]|-
102|2|EXIT|normal|2*vm|130|TERM_MEMLIMIT: job killed after reaching LSF memory usage limit|\
Nov 22 00:42|Nov 22 00:43|Nov 22 00:44 L|crew-c-i1[2]|-
102|3|PEND|normal|-|-|-|Nov 22 00:42|-|-|crew-c-i1[3]|Load information unavailable|1 host
"""

_LENGTH = """\

Job Id <{job}>, Job Name <crew-m>, User <root>, Project <default>, Status <EXIT>, Que
                     ue <normal>, Command <#!/bin/bash;#BSUB -J crew-m -M 100000
                      -R "rusage[mem=100] span[hosts=1]";echo Exited with exit c
                     ode 3.>
Sun Nov 22 00:42:58: Submitted from host <vm>, CWD </tmp>;

 MEMLIMIT
 100000 K
{rest}
"""

_STARTED = "Sun Nov 22 00:43:00: {word} on <vm>, Execution Home </root>;\n"


def at_length(job: str, end: str, most: int = 0, *, started: bool = True) -> str:
    """What ``bjobs -l`` prints of a job that ended so."""
    told = f"Sun Nov 22 00:43:01: {end}\n\n MAX MEM: {most} Mbytes;  AVG MEM: 1 Mbytes"
    _, bracket, index = job.partition("[")
    begun = _STARTED.format(word=f"[{index} started" if bracket else "Started")
    return _LENGTH.format(job=job, rest=(begun if started else "") + told)


LINE = f"\n{'-' * 78}\n\n"

CODE_130 = "Exited with exit code 130. The CPU time used is 0.0 seconds\n                     ."
CODE_7 = "Exited with exit c\n                     ode 7. The CPU time used is 0.0 seconds."
SIGNAL = "Exited by signal 9. The CPU time used is 0.0 seconds."
NO_CODE = "Exited The CPU time used is unknown."
DONE = "Done successfully. The CPU time used is 0.0 seconds."
IN_WORDS = (
    "Exited with exit code 140. The CPU time used is 0.0 seconds.\n"
    "Sun Nov 22 00:43:01: Completed <exit>; TERM_RUNLIMIT: job killed after reaching LSF run t\n"
    "                     ime limit."
)
