"""Grid Engine on this machine: sge_qmaster and sge_execd, with their cell in the bed's folder."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbeds import places, software
from testbeds.bed import Bed
from testbeds.errors import BedError
from testbeds.sge import configuration, installation
from testbeds.sge.options import SgeOptions


class SgeBed(Bed):
    """A Grid Engine with the queues all.q and short.q, and the environments smp, mpi and make.

    Example::

        bed = SgeBed()
        bed.up()
        job = bed.ask("qsub", "-terse", "-b", "y", "sleep", "5")
        bed.down()
    """

    name = "sge"
    options_type = SgeOptions

    @property
    def options(self) -> SgeOptions:
        """Those it was brought up with."""
        found: SgeOptions = super().options
        return found

    # ── Up ─────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def lacks(cls, options: SgeOptions | None = None) -> str | None:  # noqa: ARG003 - as all are
        """Root, and Debian's packages: an unprivileged sge_execd never registers."""
        missing = software.lacks(installation.LIBRARIES, ("apt-get", "dpkg-deb"))
        if missing is None and os.geteuid() != 0:
            return "root: a sge_execd of anybody else never registers"
        return missing

    def _prepare(self) -> None:
        installation.prepare()

    def _start(self) -> None:
        self._settings["installation"] = str(installation.prepare())
        self._settings["port"], self._settings["execd_port"] = places.free_ports(2)
        self._make_cell()
        self._fill_spool()
        self.start_scheduler()
        self._configure()
        self.start_node()
        self.processes.wait_for("the queue is ready", self._is_ready)

    def _make_cell(self) -> None:
        for folder in (self._cell, self._spool / "qmaster" / "job_scripts", self._spool / "execd"):
            folder.mkdir(parents=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (self.place / name).symlink_to(self._installation / name)
        host = self._host
        files = {
            "bootstrap": configuration.bootstrap(
                str(self._cell),
                str(self._spool),
                str(self._installation / "bin"),
                installation.spooling_library(),
            ),
            "act_qmaster": f"{host}\n",
            "cluster_name": "testbed\n",
            "host_aliases": " ".join([host, *_other_names(host)]) + "\n",
        }
        for name, text in files.items():
            (self._cell / name).write_text(text, encoding="ascii")

    def _fill_spool(self) -> None:
        """Write the defaults that sge_qmaster finds at its first start."""
        default = (self._installation / "default-configuration").read_text(encoding="utf-8")
        file = self.place / "configuration"
        spool = str(self._spool / "execd")
        text = configuration.cluster(default, self.options, spool)
        file.write_text(text, encoding="utf-8")
        library = installation.spooling_library()
        resources = self._installation / "util" / "resources"
        self._do("spoolinit", "classic", library, f"{self._cell};{self._spool}/qmaster", "init")
        self._do("spooldefaults", "configuration", str(file))
        for what, folder in (("complexes", "centry"), ("usersets", "usersets"), ("pes", "pe")):
            self._do("spooldefaults", what, str(resources / folder))
        self._do("spooldefaults", "adminhosts", self._host)
        for what in ("managers", "operators"):
            self._do("spooldefaults", what, "root")

    def _configure(self) -> None:
        host = self._host
        self.ask("qconf", "-as", host)
        self._conf("-Msconf", configuration.scheduler(self.ask("qconf", "-ssconf")))
        self._conf("-Ae", configuration.host(host))
        self._conf("-Aq", configuration.queue("all.q", host, self.options.slots))
        self._conf("-Aq", configuration.queue("short.q", host, 4, "00:05:00"))

    def _prove(self) -> None:
        proof = self.place / "proof"
        words = ["-b", "y", "-o", str(proof), "-e", "/dev/null", "/bin/echo", "fine"]
        self.ask("qsub", "-terse", *words)
        self.processes.wait_for(
            "the first job ends", lambda: proof.exists() and proof.read_text() == "fine\n"
        )

    # ── For clients ────────────────────────────────────────────────────────────────────────────

    def environment(self) -> dict[str, str]:
        """Its cell and ports; its commands come first on PATH."""
        path = os.environ.get("PATH", os.defpath).split(":")
        own = str(self._installation / "cmd")
        return {
            "PATH": ":".join([own, *(one for one in path if one != own)]),
            "SGE_ROOT": str(self.place),
            "SGE_CELL": "default",
            "SGE_ARCH": installation.ARCHITECTURE,
            "SGE_CLUSTER_NAME": "testbed",
            "SGE_QMASTER_PORT": str(self.settings["port"]),
            "SGE_EXECD_PORT": str(self.settings["execd_port"]),
        }

    def hosts(self) -> Sequence[str]:
        """This machine."""
        return [self._host]

    # ── What tests may turn ────────────────────────────────────────────────────────────────────

    def stop_scheduler(self) -> None:
        """Stop sge_qmaster; it takes some seconds."""
        self.processes.stop("sge_qmaster")

    def start_scheduler(self) -> None:
        """Start sge_qmaster, with the jobs it knew. Its host comes back some 30 s later."""
        self._start_daemon("sge_qmaster")
        self.processes.wait_for("sge_qmaster answers", self._answers)

    def start_node(self) -> None:
        """Start sge_execd."""
        self._start_daemon("sge_execd")

    def stop_node(self) -> None:
        """Stop sge_execd; jobs on it go on."""
        self.processes.stop("sge_execd")

    def drain(self, host: str) -> None:
        """Start no more jobs on a host."""
        self.ask("qmod", "-d", f"*@{host}")

    def restore(self, host: str) -> None:
        """Let a drained host have jobs again."""
        self.ask("qmod", "-e", f"*@{host}")

    def refuse(self) -> None:
        """Reject every submission; queued jobs stay and run."""
        self._change_cluster({"jsv_url": f"script:{self._refuser()}"})

    def accept(self) -> None:
        """Take submissions again."""
        self._change_cluster({"jsv_url": "none"})

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    @property
    def _installation(self) -> Path:
        return Path(self.settings["installation"])

    @property
    def _cell(self) -> Path:
        return self.place / "default" / "common"

    @property
    def _spool(self) -> Path:
        return self.place / "spool"

    @property
    def _host(self) -> str:
        return socket.gethostname()

    def _refuser(self) -> Path:
        """A script that Grid Engine asks about every submission, and that says no."""
        file = self.place / "refuse.sh"
        file.write_text(
            "#!/bin/sh\n"
            "while read -r word _; do\n"
            "    case $word in\n"
            "    START) echo STARTED ;;\n"
            "    BEGIN) echo RESULT STATE REJECT this testbed refuses jobs ;;\n"
            "    QUIT) exit 0 ;;\n"
            "    esac\n"
            "done\n",
            encoding="ascii",
        )
        file.chmod(0o755)
        return file

    def _change_cluster(self, values: dict[str, str]) -> None:
        text = configuration.changed(self.ask("qconf", "-sconf"), values)
        kept = [line for line in text.splitlines() if not line.startswith(("#", "global"))]
        self._conf("-Mconf", "\n".join(kept) + "\n", name="global")

    def _start_daemon(self, name: str) -> None:
        program = self._installation / "bin" / installation.ARCHITECTURE / name
        self.processes.start(name, [str(program)], {**self.environment(), "SGE_ND": "1"})

    def _conf(self, option: str, text: str, name: str = "conf") -> None:
        file = self.place / name
        file.write_text(text, encoding="utf-8")
        self.ask("qconf", option, str(file))

    def _do(self, program: str, *arguments: str) -> None:
        path = self._installation / "bin" / installation.ARCHITECTURE / program
        answer = subprocess.run(
            [str(path), *arguments],
            cwd=self.place,
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise BedError(f"{program} {arguments} failed: {answer.stdout}{answer.stderr}")

    def _answers(self) -> bool:
        return self.run("qconf", "-sh").returncode == 0

    def _is_ready(self) -> bool:
        """The queue has no state behind its architecture: neither unknown nor in error."""
        lines = self.run("qstat", "-f", "-q", "all.q").stdout.splitlines()
        ready = installation.ARCHITECTURE
        return any(line.startswith("all.q@") and line.rstrip().endswith(ready) for line in lines)


def _other_names(host: str) -> list[str]:
    """All names of 127.0.0.1: Grid Engine takes them for other hosts unless it is told."""
    told = subprocess.run(
        ["getent", "hosts", "127.0.0.1"], capture_output=True, text=True, check=False
    )
    names = {"localhost", *told.stdout.split()[1:]}
    return sorted(names - {host})
