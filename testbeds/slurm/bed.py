"""SLURM on this machine: munged, slurmctld and a slurmd for each node, from Debian's packages."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbeds import places, software
from testbeds.bed import Bed
from testbeds.errors import BedError
from testbeds.hosts import Hosts
from testbeds.processes import Processes
from testbeds.slurm import configuration, database
from testbeds.slurm.options import SlurmOptions

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")

_MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")
_PBS_PLUGIN = "spank_pbs.so"


class SlurmBed(Bed):
    """A SLURM cluster; see `SlurmOptions` for what can be chosen.

    Example::

        bed = SlurmBed(SlurmOptions(nodes=2))
        bed.up()
        job = bed.ask("sbatch", "--parsable", "--wrap=hostname")
        bed.down()
    """

    name = "slurm"
    options_type = SlurmOptions

    @property
    def options(self) -> SlurmOptions:
        """Those it was brought up with."""
        found: SlurmOptions = super().options
        return found

    # ── Up ─────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def lacks(cls, options: SlurmOptions | None = None) -> str | None:
        """Debian's packages, and what the options need beside them."""
        options = options or cls.options_type()
        if missing := software.lacks(_packages(options)):
            return missing
        if options.enforce == "cgroup":
            if os.geteuid() != 0:
                return "root, to hold memory by cgroups"
            if not (_MEMORY_GROUPS / "tasks").exists():
                return "version 1 of cgroups for memory: SLURM 22.05 asks systemd for version 2"
        if options.accounting == "database" and os.geteuid() != 0:
            return "root, for a database"
        return Hosts.lacks() if options.apart else None

    def _prepare(self) -> None:
        software.install(_packages(self.options))

    def _start(self) -> None:
        options = self.options
        names = options.node_names()
        ports = places.free_ports(3 + len(names))
        self._settings["port"], self._settings["database_port"], storage_port = ports[:3]
        if options.apart:
            self._settings["network"] = Hosts.choose_network()
            self._hosts.make()
            where = {name: (self._hosts.address(name), ports[3]) for name in names}
        else:
            where = {name: ("127.0.0.1", port) for name, port in zip(names, ports[3:], strict=True)}
        site = self._site(where)
        self._write_configuration(site, storage_port)
        self._start_munge()
        if options.accounting == "database":
            database.start(self.processes, storage_port)
        self.start_scheduler()
        if options.submit_limit is not None:
            most = f"MaxSubmitJobs={options.submit_limit}"
            self.ask("sacctmgr", "-i", "modify", "user", getpass.getuser(), "set", most)
        for name in names:
            (self.place / "spool" / name).mkdir(parents=True)
            self.start_node(name)
        self.processes.wait_for("all nodes are idle", self._all_idle)

    def _site(self, nodes: dict[str, tuple[str, int]]) -> configuration.Site:
        return configuration.Site(
            place=self.place,
            user=getpass.getuser(),
            host=socket.gethostname().split(".")[0],
            address=self._hosts.outside if self.options.apart else "127.0.0.1",
            port=self._settings["port"],
            database_port=self._settings["database_port"],
            nodes=nodes,
        )

    def _write_configuration(self, site: configuration.Site, storage_port: int) -> None:
        options = self.options
        (self.place / "state").mkdir()
        files = {
            "slurm.conf": configuration.slurm_conf(options, site),
            "cgroup.conf": configuration.cgroup_conf(options),
        }
        if options.pbs:
            files["plugstack.conf"] = f"optional {_find_pbs_plugin()}\n"
        for name, text in files.items():
            (self.place / name).write_text(text, encoding="utf-8")
        if options.accounting == "database":
            secret = self.place / "slurmdbd.conf"
            secret.touch(mode=0o600)
            secret.write_text(configuration.slurmdbd_conf(site, storage_port), encoding="utf-8")
        if options.enforce == "cgroup":
            self._claim_memory_groups()

    def _claim_memory_groups(self) -> None:
        """SLURM calls its groups by its nodes' names alone, so that two would share them."""
        for name in self.options.node_names():
            group = _MEMORY_GROUPS / f"slurm_{name}"
            if group.exists():
                raise BedError(f"another SLURM on this machine has {group}")
            self.processes.afterwards("find", str(group), "-depth", "-type", "d", "-delete")

    def _start_munge(self) -> None:
        key = self.place / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        socket_path = self.place / "munge.sock"
        self.processes.start(
            "munged",
            [
                *["munged", "--foreground", f"--key-file={key}", f"--socket={socket_path}"],
                *[f"--pid-file={self.place}/munged.pid", f"--seed-file={self.place}/munge.seed"],
                f"--log-file={self.place}/munged.log",
            ],
        )
        self.processes.wait_for(
            "munged answers", lambda: self._succeeds("munge", "-S", str(socket_path), "-n")
        )

    def _prove(self) -> None:
        count = str(self.options.nodes)
        told = sorted(self.ask("srun", "-Q", "-N", count, "-n", count, "hostname").splitlines())
        if self.options.apart and told != sorted(self.options.node_names()):
            raise BedError(f"a job over all nodes ran on {told}")

    # ── For clients ────────────────────────────────────────────────────────────────────────────

    def environment(self) -> dict[str, str]:
        """Where the configuration is: all that SLURM's commands need."""
        return {"SLURM_CONF": str(self.place / "slurm.conf")}

    def hosts(self) -> Sequence[str]:
        """The names of its nodes."""
        return self.options.node_names()

    def enter(self, host: str) -> list[str]:
        """The prefix of a command that is to run on a node; where nodes are apart."""
        return self._hosts.enter(host) if self.options.apart else super().enter(host)

    @property
    def outside(self) -> str:
        """The address at which nodes find this machine."""
        return self._hosts.outside if self.options.apart else "127.0.0.1"

    def address(self, host: str) -> str:
        """Where others find a node."""
        return self._hosts.address(host) if self.options.apart else "127.0.0.1"

    # ── What tests may turn ────────────────────────────────────────────────────────────────────

    def stop_scheduler(self) -> None:
        """Stop slurmctld. Commands then retry for some time before they fail."""
        self.processes.stop("slurmctld")

    def start_scheduler(self) -> None:
        """Start slurmctld, with the jobs it knew."""
        self.processes.start("slurmctld", ["slurmctld", "-D"], self.environment())
        self.processes.wait_for("slurmctld answers", self._answers)

    def drain(self, host: str) -> None:
        """Start no more jobs on a node."""
        self._set_node(host, "DRAIN", "drained by a test")

    def fail(self, host: str) -> None:
        """Have SLURM believe that a node has failed: its jobs end with NODE_FAIL."""
        self._set_node(host, "DOWN", "failed by a test")

    def restore(self, host: str) -> None:
        """Let a drained or failed node have jobs again."""
        answer = self.run("scontrol", "update", f"NodeName={host}", "State=RESUME")
        if answer.returncode != 0 and not self._is_usable(host):
            raise BedError(f"{host} does not come back: {answer.stderr}")

    def refuse(self) -> None:
        """Reject every submission; queued jobs stay and run."""
        self._set_partitions("DRAIN")

    def accept(self) -> None:
        """Take submissions again."""
        self._set_partitions("UP")

    def expire(self, job: str) -> None:
        """Let a running job's time be over now. SLURM looks each 30 s."""
        self.ask("scontrol", "update", f"JobId={job}", "EndTime=now")

    def start_node(self, host: str) -> None:
        """Start a node's daemon."""
        self._held_by(host).start(
            f"slurmd-{host}", ["slurmd", "-D", "-N", host], self.environment()
        )

    def stop_node(self, host: str) -> None:
        """Stop a node's daemon; jobs on it go on."""
        self._held_by(host).stop(f"slurmd-{host}")

    def switch_off(self, host: str) -> None:
        """Cut a node's power: all on it dies. Where nodes are apart."""
        self._hosts.switch_off(host)

    def switch_on(self, host: str) -> None:
        """Start a node again that was switched off."""
        self._hosts.switch_on(host)
        self.start_node(host)

    def cut(self, host: str) -> None:
        """Pull a node's network cable. Where nodes are apart."""
        self._hosts.cut(host)

    def mend(self, host: str) -> None:
        """Plug it in again."""
        self._hosts.mend(host)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    @property
    def _hosts(self) -> Hosts:
        network = self.settings.get("network")
        if network is None:
            raise BedError("the nodes of this SLURM are not apart: bring it up with apart=True")
        return Hosts(self.processes, network, self.options.node_names())

    def _held_by(self, host: str) -> Processes:
        return self._hosts.services(host) if self.options.apart else self.processes

    def _set_node(self, host: str, state: str, reason: str) -> None:
        self.ask("scontrol", "update", f"NodeName={host}", f"State={state}", f"Reason={reason}")

    def _set_partitions(self, state: str) -> None:
        for name in ("main", "short"):
            self.ask("scontrol", "update", f"PartitionName={name}", f"State={state}")

    def _answers(self) -> bool:
        return "is UP" in self.run("scontrol", "ping").stdout

    def _is_usable(self, host: str) -> bool:
        """A failed node comes back by itself as soon as its daemon is heard of."""
        states = self.run("sinfo", "-h", "-n", host, "-o", "%T").stdout.split()
        return bool(states) and set(states) <= {"idle", "mixed", "allocated", "completing"}

    def _all_idle(self) -> bool:
        told = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%T").stdout.split()
        return told == ["idle"] * self.options.nodes

    def _succeeds(self, *command: str) -> bool:
        answer = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        return answer.returncode == 0


def _packages(options: SlurmOptions) -> Sequence[str]:
    return (*PACKAGES, *(database.PACKAGES if options.accounting == "database" else ()))


def _find_pbs_plugin() -> Path:
    told = subprocess.run(
        ["dpkg-query", "--listfiles", "slurm-wlm-basic-plugins"],
        capture_output=True,
        text=True,
        check=True,
    )
    return next(Path(line) for line in told.stdout.split("\n") if line.endswith(_PBS_PLUGIN))
