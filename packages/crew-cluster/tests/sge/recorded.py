"""What Grid Engine 8.1.9 has printed, cut to what matters."""

from __future__ import annotations

_RUNNING = """\
    <job_list state="running">
      <JB_job_number>{job}</JB_job_number>
      <JAT_prio>0.25000</JAT_prio>
      <JB_name>crew-c-i1</JB_name>
      <JB_owner>root</JB_owner>
      <state>r</state>
      <JAT_start_time>2026-11-22T00:40:33</JAT_start_time>
      <queue_name>all.q@vm</queue_name>
      <slots>1</slots>
{tasks}    </job_list>
"""

_WAITING = """\
    <job_list state="pending">
      <JB_job_number>{job}</JB_job_number>
      <JAT_prio>0.00000</JAT_prio>
      <JB_name>{name}</JB_name>
      <JB_owner>root</JB_owner>
      <state>{state}</state>
      <JB_submission_time>2026-11-22T00:40:33</JB_submission_time>
      <queue_name></queue_name>
      <slots>1</slots>
{tasks}    </job_list>
"""

LISTING = (
    "<?xml version='1.0'?>\n"
    '<job_info  xmlns:xsd="http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/'
    'schemas/qstat/qstat.xsd">\n'
    "  <queue_info>\n"
    + _RUNNING.format(job=2, tasks="")
    + _RUNNING.format(job=3, tasks="      <tasks>1</tasks>\n")
    + "  </queue_info>\n  <job_info>\n"
    + _WAITING.format(
        job=3, name="crew-c-i1", state="qw", tasks="      <tasks>3-5:1</tasks>\n"
    )
    + _WAITING.format(job=7, name="crew-c-i&amp;3", state="Eqw", tasks="")
    + "  </job_info>\n</job_info>\n"
)  # fmt: skip

EMPTY = (
    "<?xml version='1.0'?>\n<job_info>\n  <queue_info>\n  </queue_info>\n  <job_info>\n"
    "  </job_info>\n</job_info>\n"
)

REASONS = """\
==============================================================
job_number:                 7
exec_file:                  job_scripts/7
job_name:                   crew-c-i3
error reason          1:      11/22/2026 00:40:34 [0:13952]: error: can't open output file \
"/nonexistent/x/y": No such file or directory
scheduling info:            Job is in error state
==============================================================
job_number:                 8
job_name:                   crew-c-i1
scheduling info:            cannot run in PE "smp" because it only offers 0 slots
"""

_ACCOUNT = """\
==============================================================
qname        all.q
hostname     vm
owner        root
jobname      {name}
jobnumber    {job}
taskid       {task}
qsub_time    Sun Nov 22 00:40:34 2026
granted_pe   NONE
slots        1
failed       {failed}
exit_status  {status}
ru_wallclock 4s
maxvmem      {most}
category     {category}
"""

_LIMIT = "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit"


def account(
    job: int,
    task: str = "undefined",
    failed: str = "0",
    status: str = "0",
    most: str = "4.738MB",
    category: str = "NONE",
    name: str = "crew-c-i1",
) -> str:
    """One entry of the accounting, as ``qacct -j`` prints it."""
    return _ACCOUNT.format(
        job=job, task=task, failed=failed, status=status, most=most, category=category, name=name
    )


_KILLED = "137                  (Killed)"

ACCOUNTS = (
    account(2)
    + account(3, task="1", status="7")
    + account(3, task="2", failed="100 : assumedly after job", status=_KILLED)
    + account(9, failed=_LIMIT, status=_KILLED, category="-l h_rt=3")
    + account(35, failed=_LIMIT, status=_KILLED, most="237.281MB", category="-l h_vmem=150M")
    + account(36, name="somebody-elses")
)
