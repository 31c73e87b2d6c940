"""The text of SLURM's configuration files, from options and what was settled when it came up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbeds.slurm.options import SlurmOptions


@dataclass(frozen=True)
class Site:
    """What the files name beside the options.

    Attributes:
        place: the bed's folder.
        user: whose daemons these are.
        host: the short name of the machine that the controller runs on.
        address: where nodes and clients find it.
        port: of the controller.
        database_port: of slurmdbd.
        nodes: the address and port of each node's daemon.
    """

    place: Path
    user: str
    host: str
    address: str
    port: int
    database_port: int
    nodes: dict[str, tuple[str, int]]


def slurm_conf(options: SlurmOptions, site: Site) -> str:
    """slurm.conf: everything in the bed's folder, and waits as short as SLURM has them."""
    place = site.place
    lines = [
        "ClusterName=testbed",
        f"SlurmctldHost={site.host}({site.address})",
        f"SlurmctldPort={site.port}",
        f"SlurmUser={site.user}",
        f"SlurmdUser={site.user}",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        # A job that is requeued waits until its credential has expired, by default 120 s.
        f"AuthInfo=socket={place}/munge.sock,cred_expire=5",
        f"StateSaveLocation={place}/state",
        f"SlurmdSpoolDir={place}/spool/%n",
        f"SlurmctldPidFile={place}/slurmctld.pid",
        f"SlurmdPidFile={place}/slurmd-%n.pid",
        f"SlurmctldLogFile={place}/slurmctld.log",
        f"SlurmdLogFile={place}/slurmd-%n.log",
        "ProctrackType=proctrack/linuxproc",
        f"TaskPlugin=task/{'cgroup' if options.enforce == 'cgroup' else 'none'}",
        "SwitchType=switch/none",
        "MpiDefault=none",
        "MailProg=/bin/true",
        "ReturnToService=2",
        # The nodes have what is written below, and not what the machine has.
        "SlurmdParameters=config_overrides",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0",
        f"MaxArraySize={options.array_limit}",
        "MaxJobCount=20000",
        f"MinJobAge={options.seconds_remembered}",
        f"KillWait={options.seconds_to_die}",
        "SlurmctldTimeout=30",
        "SlurmdTimeout=20",
        "MessageTimeout=30",
        "TCPTimeout=5",
        "InactiveLimit=0",
        "JobRequeue=1",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=CANCEL",
        "DefMemPerCPU=100",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        *(["JobAcctGatherParams=OverMemoryKill"] if options.enforce == "poll" else []),
        *(["JobSubmitPlugins=pbs"] if options.pbs else []),
        *_accounting(options, site),
        *_nodes(options, site),
    ]
    return "\n".join(lines) + "\n"


def cgroup_conf(options: SlurmOptions) -> str:
    """cgroup.conf. Told of version 1, slurmd does not ask for systemd where it uses no groups."""
    lines = ["CgroupPlugin=cgroup/v1"]
    if options.enforce == "cgroup":
        lines += ["CgroupMountpoint=/sys/fs/cgroup", "ConstrainRAMSpace=yes"]
        lines += ["ConstrainSwapSpace=no", "ConstrainCores=no"]
    return "\n".join(lines) + "\n"


def slurmdbd_conf(site: Site, storage_port: int) -> str:
    """slurmdbd.conf."""
    lines = [
        "AuthType=auth/munge",
        f"AuthInfo=socket={site.place}/munge.sock",
        f"DbdHost={site.host}",
        "DbdAddr=127.0.0.1",
        f"DbdPort={site.database_port}",
        f"SlurmUser={site.user}",
        f"PidFile={site.place}/slurmdbd.pid",
        f"LogFile={site.place}/slurmdbd.log",
        "StorageType=accounting_storage/mysql",
        "StorageHost=127.0.0.1",
        f"StoragePort={storage_port}",
        "StorageUser=slurm",
        "StoragePass=slurm",
        "StorageLoc=slurm_acct_db",
    ]
    return "\n".join(lines) + "\n"


def _accounting(options: SlurmOptions, site: Site) -> list[str]:
    if options.accounting == "database":
        return [
            "AccountingStorageType=accounting_storage/slurmdbd",
            "AccountingStorageHost=127.0.0.1",
            f"AccountingStoragePort={site.database_port}",
            # For slurmdbd this is no password but the socket of munge.
            f"AccountingStoragePass={site.place}/munge.sock",
            "AccountingStoreFlags=job_script,job_env",
            *([] if options.submit_limit is None else ["AccountingStorageEnforce=limits"]),
        ]
    lines = ["AccountingStorageType=accounting_storage/none"]
    if options.accounting == "file":
        lines += ["JobCompType=jobcomp/filetxt", f"JobCompLoc={site.place}/completed.txt"]
    return lines


def _nodes(options: SlurmOptions, site: Site) -> list[str]:
    lines = []
    for name, (address, port) in site.nodes.items():
        where = f"NodeAddr={address} Port={port}"
        if not options.apart:
            where = f"NodeHostname={site.host} {where}"
        has = f"CPUs={options.cpus} RealMemory={options.memory_mb}"
        lines.append(f"NodeName={name} {where} {has} State=UNKNOWN")
    everywhere = ",".join(site.nodes)
    first = next(iter(site.nodes))
    times = "MaxTime=INFINITE DefaultTime=60"
    return [
        *lines,
        f"PartitionName=main Nodes={everywhere} Default=YES {times} State=UP",
        f"PartitionName=short Nodes={first} MaxTime=5 State=UP",
        # Its jobs take the place of others where there is none left.
        f"PartitionName=urgent Nodes={everywhere} PriorityTier=9 State=UP",
    ]
