"""The texts that Grid Engine is configured by: its cell's files, and what qconf reads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from testbeds.sge.options import SgeOptions

_NOTHING_OF_HOST = (
    *("load_scaling", "complex_values", "user_lists", "xuser_lists", "projects", "xprojects"),
    *("usage_scaling", "report_variables"),
)
_NOTHING_OF_QUEUE = (
    *("load_thresholds", "suspend_thresholds", "ckpt_list", "prolog", "epilog"),
    *("starter_method", "suspend_method", "resume_method", "terminate_method", "owner_list"),
    *("user_lists", "xuser_lists", "subordinate_list", "complex_values", "projects"),
    *("xprojects", "calendar"),
)
_LIMITS = ("cpu", "fsize", "data", "stack", "core", "rss", "vmem")


def bootstrap(cell: str, state: str, programs: str, library: str) -> str:
    """The file that daemons and clients read first."""
    values = {
        "admin_user": "none",
        "default_domain": "none",
        "ignore_fqdn": "true",
        "spooling_method": "classic",
        "spooling_lib": library,
        "spooling_params": f"{cell};{state}/qmaster",
        "binary_path": programs,
        "qmaster_spool_dir": f"{state}/qmaster",
        "security_mode": "none",
        "listener_threads": "2",
        "worker_threads": "2",
        "scheduler_threads": "1",
    }
    return _lines(values)


def cluster(default: str, options: SgeOptions, spool: str) -> str:
    """The cluster's configuration: root may submit, and everything is told at once."""
    return changed(
        default,
        {
            "execd_spool_dir": spool,
            "mailer": "/bin/true",
            # The profiles on this machine are none of the testbed's business.
            "login_shells": "none",
            "min_uid": "0",
            "min_gid": "0",
            "load_report_time": "00:00:01",
            "max_unheard": "00:00:30",
            "administrator_mail": "none",
            "max_aj_tasks": str(options.array_limit),
            "max_aj_instances": str(options.together_max),
            "reporting_params": "accounting=true reporting=false flush_time=00:00:01 "
            "accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00",
            "execd_params": "ENABLE_ADDGRP_KILL=TRUE PDC_INTERVAL=1",
        },
    )


def scheduler(default: str) -> str:
    """The scheduler's configuration: it looks each second, and does not mind the machine's load."""
    return changed(
        default,
        {
            "schedule_interval": "0:0:1",
            "flush_submit_sec": "1",
            "flush_finish_sec": "1",
            "load_formula": "slots",
            "job_load_adjustments": "NONE",
            "schedd_job_info": "true",
        },
    )


def host(name: str) -> str:
    """A host that runs jobs."""
    return _lines({"hostname": name, **dict.fromkeys(_NOTHING_OF_HOST, "NONE")})


def queue(name: str, where: str, slots: int, seconds: str = "INFINITY") -> str:
    """A queue."""
    values = {
        "qname": name,
        "hostlist": where,
        "seq_no": "0",
        "nsuspend": "1",
        "suspend_interval": "00:05:00",
        "priority": "0",
        "min_cpu_interval": "00:05:00",
        "processors": "UNDEFINED",
        "qtype": "BATCH INTERACTIVE",
        "pe_list": "make smp mpi",
        "rerun": "FALSE",
        "slots": str(slots),
        "tmpdir": "/tmp",
        "shell": "/bin/bash",
        "shell_start_mode": "unix_behavior",
        "notify": "00:00:05",
        "initial_state": "default",
        "s_rt": "INFINITY",
        "h_rt": seconds,
    }
    limits = {f"{kind}_{name}": "INFINITY" for name in _LIMITS for kind in ("s", "h")}
    return _lines({**values, **dict.fromkeys(_NOTHING_OF_QUEUE, "NONE"), **limits})


def changed(text: str, values: Mapping[str, str]) -> str:
    """A configuration with other values; those that it lacks are added."""
    left = dict(values)
    lines = []
    for line in text.splitlines():
        name = re.split(r"\s", line, maxsplit=1)[0]
        lines.append(f"{name} {left.pop(name)}" if name in left else line)
    return "\n".join([*lines, *(f"{name} {value}" for name, value in left.items())]) + "\n"


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name} {value}\n" for name, value in values.items())
